"""What pages show of credentials and sessions: plain rows without any secret."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from watchword.core.factors import SetupContext
from watchword.core.lockout import Lock
from watchword.core.policy import Channel, FactorKind
from watchword.core.restrictions import NO_RESTRICTIONS, Restrictions
from watchword.directory.models import User
from watchword.factors import vault
from watchword.factors.phone.factor import channels_of
from watchword.factors.vault import StoredCredential
from watchword.messaging.gateway import Result
from watchword.messaging.limits.counters import number_keys
from watchword.messaging.models import Delivery
from watchword.signin.facts import second_factor_lock, setup_context_of, usable_phones
from watchword.signin.models import Purpose

STALE_AFTER = timedelta(days=90)
"""How long an app password has to be unused before it may have been forgotten."""
MOST_CANDIDATES = 50
"""How many people's phone numbers are decrypted to find out who shares a number."""


@dataclass(frozen=True, slots=True)
class Method:
    """A sign-in method of a person, as pages show it."""

    id: UUID
    kind: FactorKind
    slot: str
    ends: str
    channel: Channel | None
    channels: list[Channel]
    has_extension: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class AppPasswordRow:
    """An app password of a person, as pages show it."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    last_used_address: str
    last_used_service: str
    suspended_at: datetime | None
    paused_at: datetime | None = None
    restrictions: Restrictions = NO_RESTRICTIONS

    def is_stale(self, now: datetime) -> bool:
        """Return whether it has been unused for so long that its owner may have forgotten it."""
        return now - (self.last_used_at or self.created_at) > STALE_AFTER


@dataclass(frozen=True, slots=True)
class PasswordRow:
    """The account password of a person, as pages show it."""

    changed_at: datetime
    is_initial: bool


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A code that was sent to a person, as pages show it: never the code, and only the number's last digits."""

    at: datetime
    channel: Channel
    ends: str
    result: Result
    was_entered: bool


@dataclass(frozen=True, slots=True)
class Everything:
    """All credentials of a person, as pages show them."""

    password: PasswordRow | None
    methods: list[Method]
    app_passwords: list[AppPasswordRow]
    access_pass: StoredCredential | None = None
    """A Temporary Access Pass, expired or not."""


def everything_of(user: User) -> Everything:
    """Return all credentials of a person, with one query."""
    return _everything(user, vault.holdings(user))


def everything_and_sharing(user: User) -> tuple[Everything, dict[UUID, list[User]]]:
    """Return all credentials of a person and, by phone, the others in the organisation who registered its number."""
    data = vault.holdings(user)
    return _everything(user, data), _sharing(user, [stored for stored in data if stored.data.kind is FactorKind.PHONE])


def _everything(user: User, data: Sequence[StoredCredential]) -> Everything:
    setup_context = setup_context_of(user)
    passwords = [_password_row(stored) for stored in data if stored.data.kind is FactorKind.PASSWORD]
    return Everything(
        password=passwords[0] if passwords else None,
        methods=[_method(stored, setup_context) for stored in data if stored.data.kind is FactorKind.PHONE],
        app_passwords=[app_password_row(stored) for stored in data if stored.data.kind is FactorKind.APP_PASSWORD],
        access_pass=next((stored for stored in data if stored.data.kind is FactorKind.ACCESS_PASS), None),
    )


def methods_of(user: User) -> list[Method]:
    """Return the phones of a person, usable today or not."""
    setup_context = setup_context_of(user)
    return [_method(stored, setup_context) for stored in vault.holdings(user, kinds=[FactorKind.PHONE])]


def _method(stored: StoredCredential, setup_context: SetupContext) -> Method:
    return Method(
        id=stored.id,
        kind=stored.data.kind,
        slot=stored.data.slot,
        ends=stored.data.public["ends"],
        channel=Channel(stored.data.public["channel"]),
        channels=channels_of(stored.data, setup_context),
        has_extension=bool(stored.data.public.get("extension")),
        created_at=stored.created_at,
        last_used_at=stored.last_used_at,
    )


def app_passwords_of(user: User) -> list[AppPasswordRow]:
    """Return the app passwords of a person that are not deleted, including suspended ones."""
    return [app_password_row(stored) for stored in vault.holdings(user, kinds=[FactorKind.APP_PASSWORD])]


def app_password_row(stored: StoredCredential) -> AppPasswordRow:
    """Return one app password as pages show it."""
    return AppPasswordRow(
        id=stored.id,
        name=stored.data.label,
        created_at=stored.created_at,
        last_used_at=stored.last_used_at,
        last_used_address=stored.last_used_address,
        last_used_service=stored.last_used_service,
        suspended_at=stored.suspended_at,
        paused_at=stored.paused_at,
        restrictions=stored.restrictions,
    )


def phone_countries_of(user: User) -> set[str]:
    """Return the countries (ISO 3166-1) of a person's phones."""
    return {str(stored.data.public.get("country", "")) for stored in vault.holdings(user, kinds=[FactorKind.PHONE])} - {
        ""
    }


def _sharing(user: User, phones: Sequence[StoredCredential]) -> dict[UUID, list[User]]:
    """Return the other people who have registered these numbers.

    Numbers are stored encrypted. The deliveries hold a keyed hash of each number to which a code was sent, and no phone
    is registered without a code; so only the phones of the few people found there are decrypted and compared.
    """
    if not phones:
        return {}
    lines_of_mine = [json.loads(stored.data.secret) for stored in phones]
    # Deliveries of earlier releases are found by the number without its extension.
    keys = {
        key for line in lines_of_mine for part in ("", line["extension"]) for key in number_keys(line["number"], part)
    }
    ids = Delivery.objects.filter(number_key__in=keys).exclude(user=user).order_by("user_id").values("user_id")
    others = User.objects.filter(pk__in=ids.distinct()[:MOST_CANDIDATES], organisation=user.organisation_id)
    lines = [
        (other, [stored.data.secret for stored in vault.holdings(other, kinds=[FactorKind.PHONE])])
        for other in others.filter(deleted_at=None).order_by("display_name")
    ]
    # The extension is compared too: a whole office shares the number of its switchboard.
    found = {stored.id: [other for other, theirs in lines if _is_among(stored, theirs)] for stored in phones}
    return {phone: sharing for phone, sharing in found.items() if sharing}


def _is_among(wanted: StoredCredential, secrets: Sequence[bytes]) -> bool:
    line = json.loads(wanted.data.secret)
    return any(json.loads(secret) == line for secret in secrets)


def text_number_of(user: User) -> str:
    """Return the number (E.164) to which texts of this person go, the first that takes them; empty if there is none."""
    for stored in usable_phones(user, vault.holdings(user, kinds=[FactorKind.PHONE])):
        if stored.data.public.get("texts"):
            number: str = json.loads(stored.data.secret)["number"]
            return number
    return ""


def password_of(user: User) -> PasswordRow | None:
    """Return when the account password was chosen; None for a person without one."""
    for stored in vault.holdings(user, kinds=[FactorKind.PASSWORD]):
        return _password_row(stored)
    return None


def _password_row(stored: StoredCredential) -> PasswordRow:
    return PasswordRow(stored.created_at, bool(stored.data.public.get("initial")))


def registered_users(organisation_id: int) -> QuerySet[Any, UUID]:
    """Return the ids of the people who have registered a phone, as a subquery."""
    return vault.holders(organisation_id, FactorKind.PHONE)


def call_only_users(organisation_id: int) -> QuerySet[Any, UUID]:
    """Return the ids of the people whose registered phones take only calls, as a subquery."""
    return vault.call_only(organisation_id)


def app_password_users(organisation_id: int) -> QuerySet[Any, UUID]:
    """Return the ids of the people who have a working app password, as a subquery."""
    return vault.holders(organisation_id, FactorKind.APP_PASSWORD)


def holdings_of(user_ids: Sequence[UUID]) -> dict[UUID, dict[FactorKind, int]]:
    """Return how many active credentials of each kind these people have, with one query."""
    return vault.counts(user_ids)


def last_codes(user: User, *, number: int) -> list[CodeRow]:
    """Return the newest codes that were sent to a person, with their delivery results."""
    return [_code_row(row) for row in _codes_of(user).order_by("-created_at")[:number]]


def codes_sent_at(user: User, moments: Iterable[datetime]) -> dict[tuple[datetime, str], CodeRow]:
    """Return the codes that were sent to a person at these moments, by moment and last digits of the number."""
    rows = _codes_of(user).filter(created_at__in=list(moments))
    return {(row.created_at, row.ends): _code_row(row) for row in rows}


def _codes_of(user: User) -> QuerySet[Delivery]:
    return Delivery.objects.filter(user=user, purpose__in=Purpose.values)


def _code_row(row: Delivery) -> CodeRow:
    return CodeRow(row.created_at, Channel(row.channel), row.ends, Result(row.result), row.entered_at is not None)


def lock_of(user: User, *, now: datetime) -> Lock:
    """Return whether the person's second factor may be tried now."""
    return second_factor_lock(user, now=now)
