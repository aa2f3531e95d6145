"""One-time links with which a person chooses the first password of an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.codes import new_link_code, normal_link_code
from watchword.core.factors import CredentialData, Rejected
from watchword.core.policy import AccountStatus, FactorKind
from watchword.directory.models import User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.signin import password_throttling
from watchword.signin.access_revocation import end_access
from watchword.signin.facts import setup_context_of
from watchword.signin.flow import lock_person
from watchword.signin.help_desk import note_both
from watchword.signin.models import Invitation
from watchword.signin.tokens import RANDOM_SOURCE, token_hash

LIFETIME = timedelta(days=1)
"""The longest life of a code sent by mail (NIST SP 800-63B section 4.2.2.2). The page says so where more is chosen."""
DAYS = (1, 3, 7)
"""The choices in days; the organisation's limit for initial passwords also applies."""


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation; the token is the code in the link and is not stored."""

    invitation: Invitation
    token: str = field(repr=False)


class InvitationIsOver(Exception):
    """The link was used or replaced, or has expired."""


def invite(
    user: User, *, by: User | None, lifetime: timedelta = LIFETIME, origin: Origin = NOWHERE, now: datetime
) -> Invited:
    """Make a one-time link for a person, valid for ``lasts``, and void the person's older link."""
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.RESET_PASSWORD, user)
        invited = make(user, lifetime=lifetime, now=now)
        details = {"until": invited.invitation.expires_at.isoformat(timespec="minutes")}
        record(EventKind.INVITATION_MADE, now=now, subject=user, by=by, origin=origin, details=details)
        note_both(user, EventKind.INVITATION_MADE, by=by, origin=origin, now=now)
        return invited


def make(user: User, *, lifetime: timedelta = LIFETIME, now: datetime) -> Invited:
    """Make a one-time link without checking a permission; the caller holds the lock and records why."""
    Invitation.objects.filter(user=user, used_at=None, void_at=None).update(void_at=now)
    token = new_link_code(RANDOM_SOURCE)
    longest = timedelta(seconds=user.organisation.policy.limits.initial_password_seconds)
    invitation = Invitation.objects.create(
        user=user, token_hash=token_hash(token), created_at=now, expires_at=now + min(lifetime, longest)
    )
    return Invited(invitation, token)


def find(token: str, *, now: datetime) -> Invitation | None:
    """Return the open invitation of a link's code, in any form in which it is typed; None for every other text."""
    code = normal_link_code(token)
    if code is None:
        return None
    invitation = (
        Invitation.objects.select_related("user__organisation")
        .filter(token_hash=token_hash(code), used_at=None, void_at=None, expires_at__gt=now)
        .first()
    )
    if invitation is None or invitation.user.standing is not AccountStatus.ACTIVE:
        return None
    return invitation


def accept(invitation: Invitation, password: str, *, origin: Origin, now: datetime) -> Rejected | None:
    """Store the password and spend the link, both or neither; raise InvitationIsOver.

    This opens no session: the person signs in with the password next, and every other rule applies there.
    """
    factor = factor_of(FactorKind.PASSWORD)
    challenge = factor.start_setup(
        {"password": password}, setup_context_of(invitation.user), random_source=RANDOM_SOURCE, keyed=vault.keyed
    )
    if isinstance(challenge, Rejected):
        return challenge
    data = factor.finish_setup(challenge.keep, "", random_source=RANDOM_SOURCE, keyed=vault.keyed, now=now)
    assert isinstance(data, CredentialData)
    with transaction.atomic():
        user = lock_person(invitation.user)
        spent = Invitation.objects.filter(pk=invitation.pk, used_at=None, void_at=None, expires_at__gt=now)
        if user.standing is not AccountStatus.ACTIVE or not spent.update(used_at=now):
            raise InvitationIsOver
        vault.store(user, data, now=now)
        password_throttling.forget(user)
        end_access(user, because="password_changed", now=now)
        record(EventKind.INVITATION_USED, now=now, subject=user, by=user, origin=origin)
        return None
