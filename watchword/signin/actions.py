"""Administrative actions on credentials and sessions: each is one permission, one transaction, one event."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.codes import RandomSource
from watchword.core.factors import Challenge, CredentialData
from watchword.core.policy import SECOND_FACTORS, FactorKind, MfaState
from watchword.directory import actions as directory_actions
from watchword.directory import mailboxes
from watchword.directory.administrators import keep_an_administrator, lock_administrators
from watchword.directory.mfa_history import write_state
from watchword.directory.models import MfaCause, User
from watchword.directory.permissions import ForbiddenForYourself, StaysEnabled, demand
from watchword.directory.roles import Act, Role
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.signin import access_passes, enrolment_wait, password_throttling, sessions, throttling
from watchword.signin.access_revocation import end_access
from watchword.signin.facts import proven_phones, setup_context_of
from watchword.signin.flow import lock_person
from watchword.signin.help_desk import note_both
from watchword.signin.models import Session
from watchword.signin.phone_change_notice import tell_numbers
from watchword.signin.tokens import RANDOM_SOURCE

_SYLLABLE_LETTERS = "abcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class StateSet:
    """A person's multi-factor state before and after; ``because_registered`` where Enabled became Enforced at once."""

    before: MfaState
    after: MfaState
    because_registered: bool


@dataclass(frozen=True, slots=True)
class MethodsReset:
    """The result of ``reset_methods``: how many phones were removed, and the token of the personal link."""

    number: int
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class InitialPassword:
    """A password that an administrator passes on and that must be changed at the first sign-in."""

    secret: str = field(repr=False)


def set_mfa_state(
    user: User,
    state: MfaState,
    *,
    by: User | None,
    cause: MfaCause = MfaCause.PERSON,
    tells: bool = True,
    origin: Origin = NOWHERE,
    now: datetime,
) -> StateSet:
    """Set a person's multi-factor state.

    Enabled becomes Enforced at once for a person with a phone that was registered with more than a password (usable
    today or not), unless that registration still waits for its app password. Leaving Disabled ends the person's browser
    sessions, because none of them rests on a second proof; entering Disabled suspends the person's app passwords for
    good. Raises NotAllowed, or StaysEnabled where an administrator would be Disabled.

    ``tells``: whether the person gets a mail about it; a change to Disabled is mailed in any case.
    """
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.CHANGE_MFA_STATE, user)
        return _set_mfa_state(user, state, by=by, cause=cause, tells=tells, origin=origin, now=now)


def give_role(user: User, role: Role, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Give a role to a person, who is at least Enabled from then on; return False if the person already has the role.

    Raises NotAllowed, also for a role above the giver's own.
    """
    demand(by, Act.GIVE_ROLES, user)
    with transaction.atomic():
        locked = lock_person(user)
        if locked.state is MfaState.DISABLED:
            _set_mfa_state(locked, MfaState.ENABLED, by=by, cause=MfaCause.ROLE_GIVEN, origin=origin, now=now)
        is_new = directory_actions.give_role(locked, role, by=by, origin=origin, now=now)
    user.refresh_from_db()
    return is_new


def _set_mfa_state(
    user: User,
    state: MfaState,
    *,
    by: User | None,
    cause: MfaCause,
    tells: bool = True,
    origin: Origin,
    now: datetime,
) -> StateSet:
    """Set the state. The caller holds the lock on the person's row and has checked that ``by`` is permitted."""
    if state is MfaState.DISABLED and user.is_administrator:
        raise StaysEnabled(Act.CHANGE_MFA_STATE)
    before = user.state
    is_registered = bool(proven_phones(vault.holdings(user, kinds=[FactorKind.PHONE])))
    jumps = state is MfaState.ENABLED and is_registered and not user.waits_for_app_password(now)
    after = MfaState.ENFORCED if jumps else state
    if after is before:
        return StateSet(before, after, jumps)
    why = MfaCause.ALREADY_REGISTERED if jumps else cause
    write_state(user, after, why, by=by, now=now)
    if after is MfaState.DISABLED:
        number = vault.suspend_all(user, FactorKind.APP_PASSWORD, now=now)
        if number:
            record(EventKind.APP_PASSWORDS_SUSPENDED, now=now, subject=user, by=by, origin=origin)
    if before is MfaState.DISABLED:
        sessions.end_all(user, because="mfa_state_changed", now=now)
    else:
        sessions.close_mail(user, because="mfa_state_changed", now=now)
    details: dict[str, object] = {"before": before.value, "after": after.value}
    if not tells and after is not MfaState.DISABLED:
        details["told"] = False
    record(EventKind.MFA_STATE_CHANGED, now=now, subject=user, by=by, origin=origin, reason=why.value, details=details)
    return StateSet(before, after, jumps)


def block(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Block a person at every door at once; return False if the person was already blocked."""
    with transaction.atomic():
        lock_administrators()
        user = lock_person(user)
        demand(by, Act.BLOCK_PERSON, user)
        if user.blocked_at is not None:
            return False
        keep_an_administrator(user)
        user.blocked_at = now
        user.save(update_fields=["blocked_at"])
        enrolment_wait.end(user)
        # An unused access pass must not become valid again when the person is unblocked.
        vault.revoke_all(user, [FactorKind.ACCESS_PASS], because="blocked", now=now)
        end_access(user, because="blocked", now=now)
        record(EventKind.PERSON_BLOCKED, now=now, subject=user, by=by, origin=origin)
        return True


def unblock(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Unblock a person; return False if the person wasn't blocked."""
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.BLOCK_PERSON, user)
        if user.blocked_at is None:
            return False
        user.blocked_at = None
        user.save(update_fields=["blocked_at"])
        record(EventKind.PERSON_UNBLOCKED, now=now, subject=user, by=by, origin=origin)
        return True


def delete(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Mark a person as deleted, so that ``restore`` can undo it; app passwords are revoked for good."""
    with transaction.atomic():
        lock_administrators()
        user = lock_person(user)
        demand(by, Act.DELETE_PERSON, user)
        if user.deleted_at is not None:
            return False
        keep_an_administrator(user)
        user.deleted_at = now
        user.save(update_fields=["deleted_at"])
        enrolment_wait.end(user)
        vault.revoke_all(user, [FactorKind.APP_PASSWORD, FactorKind.ACCESS_PASS], because="deleted", now=now)
        end_access(user, because="deleted", now=now)
        record(EventKind.PERSON_DELETED, now=now, subject=user, by=by, origin=origin)
        return True


def restore(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Restore a deleted person with multi-factor state and phones; return False if the person wasn't deleted."""
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.DELETE_PERSON, user)
        if user.deleted_at is None:
            return False
        user.deleted_at = None
        user.save(update_fields=["deleted_at"])
        record(EventKind.PERSON_RESTORED, now=now, subject=user, by=by, origin=origin)
        return True


def reset_password(
    user: User, *, by: User | None, keep_app_passwords: bool = False, origin: Origin = NOWHERE, now: datetime
) -> InitialPassword:
    """Give a person an initial password; end sessions, and revoke app passwords unless ``keep_app_passwords``.

    This is also how a person gets a first password.
    """
    demand(by, Act.RESET_PASSWORD, user)
    secret = new_initial_password(RANDOM_SOURCE)
    factor = factor_of(FactorKind.PASSWORD)
    challenge = factor.start_setup(
        {"password": secret, "initial": "yes"}, setup_context_of(user), random_source=RANDOM_SOURCE, keyed=vault.keyed
    )
    assert isinstance(challenge, Challenge), "an initial password is always good enough"
    data = factor.finish_setup(challenge.keep, "", random_source=RANDOM_SOURCE, keyed=vault.keyed, now=now)
    assert isinstance(data, CredentialData)
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.RESET_PASSWORD, user)
        vault.store(user, data, now=now)
        password_throttling.forget(user)
        if not keep_app_passwords:
            vault.revoke_all(user, [FactorKind.APP_PASSWORD], because="password_reset", now=now)
        end_access(user, because="password_reset", now=now)
        details = {"app_passwords": "stored" if keep_app_passwords else "revoked"}
        record(EventKind.PASSWORD_RESET, now=now, subject=user, by=by, origin=origin, details=details)
        note_both(user, EventKind.PASSWORD_RESET, by=by, origin=origin, now=now)
    return InitialPassword(secret)


def new_initial_password(random_source: RandomSource) -> str:
    """Return an initial password that is easy to read out on the phone: 65 bits, for seven days and one change."""

    def group(length: int, letters: str) -> str:
        return "".join(letters[random_source.below(len(letters))] for _ in range(length))

    return "-".join(
        [group(4, _SYLLABLE_LETTERS), group(4, _SYLLABLE_LETTERS), group(4, _SYLLABLE_LETTERS), group(4, "23456789")]
    )


def reset_methods(
    user: User, *, by: User | None, identified: str = "", origin: Origin = NOWHERE, now: datetime
) -> MethodsReset:
    """Require contact methods again: remove phones and end browser sessions; the multi-factor state stays the same.

    ``identified`` is how the administrator verified the person's identity; the pages ask for it, and the event and the
    alert include it. From now on registering needs, besides the password, the personal one-time link whose token is
    returned. Raises ForbiddenForYourself for an administrator's own account.
    """
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.RESET_METHODS, user)
        if by is not None and by.pk == user.pk:
            raise ForbiddenForYourself(Act.RESET_METHODS)
        phones = vault.holdings(user, kinds=[FactorKind.PHONE])
        vault.revoke_all(user, SECOND_FACTORS, because="methods_reset", now=now)
        number = len(phones)
        enrolment_wait.end(user)
        throttling.unlock(user, now=now)
        end_access(user, because="methods_reset", now=now)
        link = access_passes.make_link(user, now=now)
        details = {"number": number, **({"identified": identified} if identified else {})}
        record(EventKind.METHODS_RESET, now=now, subject=user, by=by, origin=origin, details=details)
        note_both(user, EventKind.METHODS_RESET, by=by, origin=origin, now=now)
    tell_numbers(user, phones, is_removed=True, now=now)
    return MethodsReset(number, link)


def delete_app_passwords(
    user: User, ids: Collection[UUID | str] | None = None, *, by: User | None, origin: Origin = NOWHERE, now: datetime
) -> int:
    """Delete a person's app passwords, all or those with these ids; mail programs that use them stop at once."""
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.DELETE_APP_PASSWORDS, user)
        because = "deleted_by_administrator"
        if ids is None:
            number = vault.revoke_all(user, [FactorKind.APP_PASSWORD], because=because, now=now)
            record(EventKind.APP_PASSWORDS_DELETED, now=now, subject=user, by=by, origin=origin)
        else:
            number = 0
            for credential_id in ids:
                stored = vault.find(user, credential_id)
                if stored is not None and stored.data.kind is FactorKind.APP_PASSWORD:
                    number += vault.revoke(user, stored.id, because=because, now=now)
                    details = {"name": stored.data.label}
                    record(EventKind.APP_PASSWORD_DELETED, now=now, subject=user, by=by, origin=origin, details=details)
        if number:
            sessions.close_mail(user, because="app_password_deleted", now=now)
        return number


def sign_out_everywhere(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> int:
    """End every session of a person and close the mail connections; return how many sessions there were."""
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.SIGN_OUT_EVERYWHERE, user)
        number = sessions.end_all(user, because="signed_out_everywhere", now=now)
        record(EventKind.SESSIONS_ENDED, now=now, subject=user, by=by, origin=origin, details={"number": number})
        return number


def sign_out_own_sessions(
    user: User, *, except_session: Session | None, origin: Origin = NOWHERE, now: datetime
) -> int:
    """End a person's sessions at that person's request, except the one of the present browser; return their number."""
    with transaction.atomic():
        user = lock_person(user)
        number = sessions.end_all(user, because="signed_out_everywhere", now=now, except_session=except_session)
        record(EventKind.SESSIONS_ENDED, now=now, subject=user, by=user, origin=origin, details={"number": number})
        return number


def change_mailbox(
    user: User, name: str, *, by: User | None, takes_over: bool, origin: Origin = NOWHERE, now: datetime
) -> None:
    """Give a person another mailbox and close open connections; for errors see ``directory.mailboxes.set_mailbox``.

    Open connections are closed under the mailbox name with which they were opened.
    """
    with transaction.atomic():
        user = lock_person(user)
        before = user.mailbox_name
        holder = mailboxes.set_mailbox(user, name, by=by, takes_over=takes_over, origin=origin, now=now)
        sessions.close_mail(user, mailbox=before, because="mailbox_changed", now=now)
        if holder is not None:
            sessions.close_mail(holder, mailbox=user.mailbox_name, because="mailbox_changed", now=now)


def unlock_second_factor(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Forget a person's wrong codes and passwords, so that new tries are possible; return False if there were none."""
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.UNLOCK, user)
        if not throttling.unlock(user, now=now):
            return False
        record(EventKind.SECOND_FACTOR_UNLOCKED, now=now, subject=user, by=by, origin=origin)
        return True
