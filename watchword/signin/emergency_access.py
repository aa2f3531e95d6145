"""Emergency access ("break-glass") accounts: Global Administrators that belong to nobody, for when no other can enter.

Such an account has a long passphrase, kept on paper. What stands beside it is a Temporary Access Pass, made on the
server's console or by another Global Administrator at the moment of the emergency, because a second factor on the same
paper would be none (ADR 0107). Every sign-in alerts the administrators; see ``audit.record`` and ``alerts.rules``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.codes import RandomSource
from watchword.core.factors import Challenge, CredentialData
from watchword.core.policy import FactorKind
from watchword.directory import actions as directory_actions
from watchword.directory.models import Organisation, User
from watchword.directory.permissions import ForbiddenForYourself, NeedsGlobalAdministrator, demand
from watchword.directory.roles import Act, Role
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.signin import password_throttling
from watchword.signin.access_revocation import end_access
from watchword.signin.actions import give_role
from watchword.signin.enrolment_evidence import remember_second_factor
from watchword.signin.facts import setup_context_of
from watchword.signin.flow import lock_person
from watchword.signin.tokens import RANDOM_SOURCE

TEST_WITHIN = timedelta(days=90)
"""How often each account should be tried, as Microsoft advises for its own."""
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_GROUPS, _GROUP_LENGTH = 7, 4


class ForbiddenForOrdinaryAccount(Exception):
    """The account is none, so that its password is its owner's to choose."""


@dataclass(frozen=True, slots=True)
class EmergencyAccount:
    """An account at the only moment at which its passphrase is shown."""

    user: User
    passphrase: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EmergencyReadiness:
    """Whether there are accounts for an emergency, for the page *Health*."""

    organisations_without: int
    tested_at: datetime | None
    """The test that is longest ago, over all accounts; an account that was never used counts from its making."""


def create(
    organisation: Organisation,
    *,
    sign_in_name: str,
    display_name: str,
    contact_mail: str,
    by: None,
    origin: Origin = NOWHERE,
    now: datetime,
) -> EmergencyAccount:
    """Make an emergency access account with the role and a passphrase; for the server's console alone.

    Raises BadPerson with every invalid field.
    """
    with transaction.atomic():
        user = directory_actions.create_person(
            organisation,
            sign_in_name=sign_in_name,
            display_name=display_name,
            contact_mail=contact_mail,
            by=by,
            origin=origin,
            now=now,
        )
        give_role(user, Role.GLOBAL_ADMINISTRATOR, by=by, origin=origin, now=now)
        begin(user, by=by, origin=origin, now=now)
        return renew_passphrase(user, by=by, origin=origin, now=now)


def renew_passphrase(user: User, *, by: None, origin: Origin = NOWHERE, now: datetime) -> EmergencyAccount:
    """Give an emergency access account another passphrase and end its sessions; for the server's console alone.

    Unlike an initial password it does not expire and need not be changed: nobody would be there to do it. Raises
    ForbiddenForOrdinaryAccount.
    """
    passphrase = new_passphrase(RANDOM_SOURCE)
    factor = factor_of(FactorKind.PASSWORD)
    challenge = factor.start_setup(
        {"password": passphrase}, setup_context_of(user), random_source=RANDOM_SOURCE, keyed=vault.keyed
    )
    assert isinstance(challenge, Challenge), "a random passphrase is always good enough"
    data = factor.finish_setup(challenge.keep, "", random_source=RANDOM_SOURCE, keyed=vault.keyed, now=now)
    assert isinstance(data, CredentialData)
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.RESET_PASSWORD, user)
        if not user.is_emergency_access:
            raise ForbiddenForOrdinaryAccount
        vault.store(user, data, now=now)
        password_throttling.forget(user)
        vault.revoke_all(user, [FactorKind.APP_PASSWORD], because="password_reset", now=now)
        end_access(user, because="password_reset", now=now)
        details = {"app_passwords": "revoked"}
        record(EventKind.PASSWORD_RESET, now=now, subject=user, by=by, origin=origin, details=details)
    return EmergencyAccount(user, passphrase)


def new_passphrase(random_source: RandomSource) -> str:
    """Return a passphrase that can be copied from paper: 28 letters in groups of four, 126 bits."""
    letters = [
        "".join(_LETTERS[random_source.below(len(_LETTERS))] for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
    ]
    return "-".join(letters)


def begin(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Make a Global Administrator's account one for emergencies; return False if it is one already.

    From then on the password alone registers no phone, even if there never was one. Raises PermissionDenied,
    NeedsGlobalAdministrator, or ForbiddenForYourself.
    """
    with transaction.atomic():
        user = lock_person(user)
        _demand(by, user)
        if Role.GLOBAL_ADMINISTRATOR not in user.roles:
            raise NeedsGlobalAdministrator(Act.GIVE_ROLES, user)
        if user.is_emergency_access:
            return False
        user.emergency_since = now
        user.save(update_fields=["emergency_since"])
        remember_second_factor(user, now=now)
        record(EventKind.EMERGENCY_ACCESS_SET, now=now, subject=user, by=by, origin=origin)
        return True


def end(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Make an emergency access account an ordinary one, which keeps its role; return False if it was none.

    Raises PermissionDenied, or ForbiddenForYourself: whoever is signed in with it must not silence its alerts.
    """
    with transaction.atomic():
        user = lock_person(user)
        _demand(by, user)
        if not user.is_emergency_access:
            return False
        user.emergency_since = None
        user.save(update_fields=["emergency_since"])
        # What rests on a pass alone was for the emergency.
        end_access(user, because="emergency_access_ended", now=now)
        record(EventKind.EMERGENCY_ACCESS_ENDED, now=now, subject=user, by=by, origin=origin)
        return True


def last_sign_in(user: User) -> datetime | None:
    """Return when somebody last signed in with this account."""
    allowed = Event.objects.filter(subject_id=user.pk, kind=EventKind.SIGN_IN_ALLOWED)
    return allowed.order_by("-id").values_list("at", flat=True).first()


def readiness() -> EmergencyReadiness:
    """Return whether each organisation has an account that can be used, and the test that is longest ago."""
    accounts = list(User.objects.filter(emergency_since__isnull=False, blocked_at=None, deleted_at=None))
    have_one = {user.organisation_id for user in accounts}
    tests = [_tested_at(user) for user in accounts]
    without = Organisation.objects.exclude(pk__in=have_one).count()
    return EmergencyReadiness(without, min(tests, default=None))


def _tested_at(user: User) -> datetime:
    assert user.emergency_since is not None
    return max(user.emergency_since, last_sign_in(user) or user.emergency_since)


def _demand(by: User | None, user: User) -> None:
    demand(by, Act.GIVE_ROLES, user)
    if by is not None and by.pk == user.pk:
        raise ForbiddenForYourself(Act.GIVE_ROLES, user)
