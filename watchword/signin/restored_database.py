"""Makes a database that was restored from a backup safe to serve: nothing that ended since the backup lives again.

Sessions, attempts, codes, one-time links and access passes end without exception, because a copy of each may have been
used since. Credentials, people and roles are compared with an access list that is newer than the backup, where one is
at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from watchword.audit.events import EventKind
from watchword.audit.record import EventDraft, Origin, record_all
from watchword.core.policy import AccountStatus, FactorKind, MfaState
from watchword.directory.mfa_history import write_state
from watchword.directory.models import MfaCause, RoleAssignment, SendAs, User
from watchword.factors import vault
from watchword.signin import access_list, sessions
from watchword.signin.access_list import AccessList, PersonAccess
from watchword.signin.models import CodeChallenge, Invitation, Session, SignInAttempt
from watchword.signin.otp import challenges

BECAUSE = "restored"


@dataclass(frozen=True, slots=True)
class EndedAccess:
    """How many sessions, sign-ins, codes, links and access passes a restore ended."""

    sessions: int
    attempts: int
    codes: int
    links: int
    access_passes: int


@dataclass(slots=True)
class RevokedAgain:
    """What was revoked once more, and what of the time since the backup is lost: names for the operator."""

    blocked: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    without_role: list[str] = field(default_factory=list)
    without_send_as: list[str] = field(default_factory=list)
    app_passwords: list[str] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    needs_second_factor: list[str] = field(default_factory=list)
    lost_app_passwords: list[str] = field(default_factory=list)
    lost_phones: list[str] = field(default_factory=list)
    lost_passwords: list[str] = field(default_factory=list)
    lost_people: list[str] = field(default_factory=list)
    changed_settings: list[str] = field(default_factory=list)


def end_everything(*, now: datetime) -> EndedAccess:
    """End all sessions and attempts, and void all codes, one-time links and access passes, of everybody."""
    alive = CodeChallenge.objects.filter(spent_at=None, void_at=None)
    codes = alive.count()
    challenges.void(alive, now=now)
    passes = [each.id for each in vault.valid_credentials() if each.kind is FactorKind.ACCESS_PASS]
    vault.revoke_many(passes, because=BECAUSE, now=now)
    # Voids every *This wasn't me* link too: it is about an event before now.
    User.objects.update(links_void_at=now)
    return EndedAccess(
        sessions=Session.objects.filter(ended_at=None).update(ended_at=now, ended_because=BECAUSE),
        attempts=SignInAttempt.objects.filter(ended_at=None).update(ended_at=now),
        codes=codes,
        links=Invitation.objects.filter(used_at=None, void_at=None).update(void_at=now),
        access_passes=len(passes),
    )


def pause_app_passwords(*, now: datetime) -> int:
    """Pause every app password until its owner resumes it on a page; return how many were not paused before."""
    valid = [each for each in vault.valid_credentials() if each.kind is FactorKind.APP_PASSWORD and not each.is_paused]
    vault.pause_many([each.id for each in valid], now=now)
    return len(valid)


def revoke_again(newer: AccessList, *, origin: Origin, now: datetime) -> RevokedAgain:
    """Revoke what a list that is newer than the database does not have any more; write an event for each person.

    Nothing is given back: an account that was unblocked since the backup stays blocked.
    """
    found = RevokedAgain()
    here = access_list.current(now=now)
    people = {user.pk: user for user in User.objects.select_related("organisation")}
    revoked: list[UUID] = []
    paused: list[UUID] = []
    events: list[EventDraft] = []
    for pk, before in here.people.items():
        user, since = people[pk], newer.people.get(pk)
        kinds = [
            *_account(user, before, since, found, now=now),
            *_rights(user, before, since, found),
            *_credentials(before, since, found, revoked, paused),
        ]
        if kinds:
            sessions.close_mail(user, because=BECAUSE, now=now)
        for kind, details in kinds:
            events.append(EventDraft(kind, now, user, None, origin, BECAUSE, details=details))
    vault.revoke_many(revoked, because=BECAUSE, now=now)
    vault.pause_many(paused, now=now)
    record_all(events)
    _note_lost(here, newer, found)
    return found


type _Events = Iterable[tuple[EventKind, Mapping[str, object]]]


def _account(
    user: User, before: PersonAccess, since: PersonAccess | None, found: RevokedAgain, *, now: datetime
) -> _Events:
    """Delete, block or raise the state of a person as the list says. A person that it lacks is blocked."""
    if before.status != AccountStatus.DELETED and since is not None and since.status == AccountStatus.DELETED:
        user.deleted_at = now
        user.save(update_fields=["deleted_at"])
        found.deleted.append(before.name)
        yield EventKind.PERSON_DELETED, {}
    elif access_list.is_active(before) and (since is None or not access_list.is_active(since)):
        user.blocked_at = now
        user.save(update_fields=["blocked_at"])
        found.blocked.append(before.name)
        yield EventKind.PERSON_BLOCKED, {}
    if since is None:
        return
    if since.had_second_factor and not before.had_second_factor:
        # Otherwise the account password alone would register a phone, perhaps a stranger's.
        user.had_second_factor_at = now
        user.save(update_fields=["had_second_factor_at"])
        found.needs_second_factor.append(before.name)
    if before.state == MfaState.DISABLED and since.state != MfaState.DISABLED:
        write_state(user, MfaState.ENABLED, MfaCause.PERSON, by=None, now=now)
        yield EventKind.MFA_STATE_CHANGED, {"before": before.state, "after": MfaState.ENABLED.value}


def _rights(user: User, before: PersonAccess, since: PersonAccess | None, found: RevokedAgain) -> _Events:
    for role in sorted(set(before.roles) - set(since.roles if since is not None else ())):
        RoleAssignment.objects.filter(user=user, role=role).delete()
        found.without_role.append(f"{before.name}: {role}")
        yield EventKind.ROLE_TAKEN, {"role": role}
    for key in sorted(set(before.send_as) - set(since.send_as if since is not None else ())):
        SendAs.objects.filter(user=user, address__key=key).delete()
        found.without_send_as.append(f"{before.name}: {key}")
        yield EventKind.SEND_AS_TAKEN, {"address": key}


def _credentials(
    before: PersonAccess,
    since: PersonAccess | None,
    found: RevokedAgain,
    revoked: list[UUID],
    paused: list[UUID],
) -> _Events:
    for credential, (kind, label) in before.valid.items():
        if since is None or credential not in since.valid:
            revoked.append(UUID(credential))
            match FactorKind(kind):
                case FactorKind.APP_PASSWORD:
                    found.app_passwords.append(f"{before.name}: {label}")
                    yield EventKind.APP_PASSWORD_DELETED, {"name": label, "credential": credential}
                case FactorKind.PHONE:
                    found.phones.append(before.name)
                    yield EventKind.METHOD_REMOVED, {"kind": kind, "slot": "", "ends": "", "credential": credential}
                case _:
                    found.passwords.append(before.name)
        elif credential in since.paused and credential not in before.paused:
            paused.append(UUID(credential))
            found.paused.append(f"{before.name}: {label}")


def _note_lost(here: AccessList, newer: AccessList, found: RevokedAgain) -> None:
    """Name what was made since the backup, and is in the list alone."""
    for pk, since in newer.people.items():
        before = here.people.get(pk)
        if before is None:
            found.lost_people.append(since.name)
            continue
        for credential, (kind, label) in since.valid.items():
            if credential in before.valid or not access_list.is_active(since):
                continue
            match FactorKind(kind):
                case FactorKind.APP_PASSWORD:
                    found.lost_app_passwords.append(f"{since.name}: {label}")
                case FactorKind.PHONE:
                    found.lost_phones.append(since.name)
                case _:
                    found.lost_passwords.append(since.name)
    found.changed_settings += [
        name for name, digest in here.settings.items() if newer.settings.get(name) not in (digest, None)
    ]
