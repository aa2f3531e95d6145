"""The hot path: everything about one request to a protected host, in one query and without ORM objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from watchword.applications.models import HostCookie, ProtectedHost
from watchword.audit.record import adapted_moment
from watchword.core.assurance import Evidence
from watchword.core.policy import MfaState
from watchword.directory.models import App, Group, GroupMember, User
from watchword.signin.facts import read_evidence
from watchword.signin.models import AppSignIn, Session

_SEPARATOR = "\n"
_SELECT = f"""
    SELECT host.rules, host.sends_jwt, app.id, app.name, app.disabled_at IS NULL, app.for_everyone,
        app.second_factor_always, app.max_age_seconds, app.organisation_id,
        sign_in.id, sign_in.evidence, session.excused, person.id, person.sign_in_name, person.display_name,
        person.mfa_state,
        cookie.expires_at > %s AND sign_in.ended_at IS NULL AND sign_in.expires_at > %s
            AND person.blocked_at IS NULL AND person.deleted_at IS NULL
            AND (sign_in.is_offline OR (session.ended_at IS NULL AND session.expires_at > %s)),
        EXISTS (SELECT 1 FROM {App.groups.through._meta.db_table} allowed
            JOIN {GroupMember._meta.db_table} member ON member.group_id = allowed.group_id
            WHERE allowed.app_id = app.id AND member.user_id = person.id),
        (SELECT string_agg(named.name, '{_SEPARATOR}') FROM {GroupMember._meta.db_table} member
            JOIN {Group._meta.db_table} named ON named.id = member.group_id WHERE member.user_id = person.id)
    FROM {ProtectedHost._meta.db_table} host
    JOIN {App._meta.db_table} app ON app.id = host.app_id
    LEFT JOIN {HostCookie._meta.db_table} cookie ON cookie.host_id = host.id AND cookie.token_hash = %s
    LEFT JOIN {AppSignIn._meta.db_table} sign_in ON sign_in.id = cookie.sign_in_id
    LEFT JOIN {Session._meta.db_table} session ON session.id = sign_in.session_id
    LEFT JOIN {User._meta.db_table} person ON person.id = sign_in.user_id
    WHERE host.host = %s"""  # noqa: S608  (the names of tables; every value is a parameter)


@dataclass(frozen=True, slots=True)
class Visitor:
    """The person of a valid cookie, with what was proven."""

    id: UUID
    sign_in_id: UUID
    name: str
    display_name: str
    state: MfaState
    evidence: tuple[Evidence, ...]
    groups: frozenset[str]
    is_assigned: bool
    is_excused: bool


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A protected host, and who asks there; ``visitor`` is None for a browser without a valid cookie."""

    rules: str
    sends_jwt: bool
    app_id: UUID
    app_name: str
    is_enabled: bool
    second_factor_always: bool
    max_age_seconds: int | None
    organisation_id: int
    visitor: Visitor | None


def facts_of(host: str, cookie_hash: bytes, *, now: datetime) -> HostFacts | None:
    """Return the facts about a host and the browser with this cookie; None for a host that is not protected."""
    moment = adapted_moment(connection.ops.adapt_datetimefield_value)(now)
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [moment, moment, moment, cookie_hash, host])
        row = cursor.fetchone()
    if row is None:
        return None
    rules, sends_jwt, app, app_name, is_enabled, for_everyone, second_factor, max_age, organisation = row[:9]
    return HostFacts(
        rules=rules,
        sends_jwt=bool(sends_jwt),
        app_id=_uuid(app),
        app_name=app_name,
        is_enabled=bool(is_enabled),
        second_factor_always=bool(second_factor),
        max_age_seconds=max_age,
        organisation_id=organisation,
        visitor=_visitor(row[9:], for_everyone=bool(for_everyone)) if row[16] else None,
    )


def _visitor(row: tuple[Any, ...], *, for_everyone: bool) -> Visitor:
    sign_in, evidence, excused, user, name, display_name, state, _is_alive, in_group, groups = row
    proofs = json.loads(evidence) if isinstance(evidence, str) else evidence
    return Visitor(
        id=_uuid(user),
        sign_in_id=_uuid(sign_in),
        name=name,
        display_name=display_name,
        state=MfaState(state),
        evidence=read_evidence(proofs),
        groups=frozenset(groups.split(_SEPARATOR)) if groups else frozenset(),
        is_assigned=for_everyone or bool(in_group),
        is_excused=bool(excused),
    )


def _uuid(value: UUID | str) -> UUID:
    # SQLite stores UUIDs as 32 hexadecimal digits, PostgreSQL natively.
    return value if isinstance(value, UUID) else UUID(hex=value)
