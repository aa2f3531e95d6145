"""The preview of a change: which people it affects and how, computed before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from watchword.admincenter.labels import STATES
from watchword.admincenter.mfa.bulk_actions import Change
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Door, FactorKind, MfaState
from watchword.directory.models import User
from watchword.directory.roles import Act
from watchword.signin import queries

LATELY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Consequence:
    """The effect of a change on one person; ``skipped`` says why there is none."""

    person: User
    after: MfaState | None
    notes: tuple[str, ...]
    skipped: str = ""
    stops_mail: bool = False


def consequences(requested: Change, people: Sequence[User], by: User | None, *, now: datetime) -> list[Consequence]:
    """Return the effect on each of these people, the strongest effects first, with two queries.

    ``by`` None is the command line.
    """
    holdings = queries.holdings_of([user.pk for user in people])
    with_account_password = _use_account_password_in_mail(people, now) if requested.state is not None else set()
    found = [_one(requested, user, by, holdings[user.pk], user.pk in with_account_password, now) for user in people]
    return sorted(found, key=lambda row: (bool(row.skipped), not row.stops_mail, not row.notes))


def summary(rows: Sequence[Consequence]) -> list[str]:
    """Return one line for each kind of effect, with the number of people."""
    lines = []
    for state in MfaState:
        number = sum(1 for row in rows if not row.skipped and row.after is state)
        if number:
            become = ngettext("%(number)d person becomes %(state)s", "%(number)d people become %(state)s", number)
            lines.append(become % {"number": number, "state": STATES[state]})
    stops = sum(1 for row in rows if row.stops_mail and not row.skipped)
    if stops:
        stop = ngettext(
            "for %(number)d of them, a mail program stops", "for %(number)d of them, mail programs stop", stops
        )
        lines.append(stop % {"number": stops})
    skipped = sum(1 for row in rows if row.skipped)
    if skipped:
        left = ngettext("%(number)d person is not changed", "%(number)d people are not changed", skipped)
        lines.append(left % {"number": skipped})
    return lines


def _one(
    requested: Change, user: User, by: User | None, holdings: dict[FactorKind, int], uses_mail: bool, now: datetime
) -> Consequence:
    if by is not None and not by.may(requested.act, user):
        return Consequence(user, None, (), skipped=_("your role doesn't reach this person"))
    you = (_("This is you: you will be signed out."),) if by is not None and user.pk == by.pk else ()
    if requested.act is Act.RESET_METHODS and by is not None and user.pk == by.pk:
        return Consequence(user, None, (), skipped=_("another administrator must do this for you"))
    if requested.state is MfaState.DISABLED and user.is_administrator:
        return Consequence(user, None, (), skipped=_("is an administrator, and they are at least Enabled"))
    if requested.state is None:
        return Consequence(user, None, (*requested.notes(holdings), *you))
    is_registered = bool(holdings.get(FactorKind.PHONE))
    jumps = requested.state is MfaState.ENABLED and is_registered and not user.waits_for_app_password(now)
    after = MfaState.ENFORCED if jumps else requested.state
    if user.state is after:
        return Consequence(user, after, (), skipped=_("is %(state)s already") % {"state": STATES[after]})
    app_passwords = holdings.get(FactorKind.APP_PASSWORD, 0)
    leaves_disabled = user.state is MfaState.DISABLED
    notes = _notes(after, jumps=jumps, is_registered=is_registered, uses_mail=uses_mail, app_passwords=app_passwords)
    if after is not MfaState.DISABLED and not is_registered and user.had_second_factor_at is not None:
        notes.append(_("had a phone before: needs a Temporary Access Pass from you to register one again"))
    return Consequence(
        user,
        after,
        (*notes, *(you if leaves_disabled else ())),
        stops_mail=uses_mail and after is MfaState.ENFORCED,
    )


def _notes(after: MfaState, *, jumps: bool, is_registered: bool, uses_mail: bool, app_passwords: int) -> list[str]:
    notes = []
    if jumps:
        notes.append(_("has a phone already, so becomes Enforced at once"))
    if after is MfaState.ENABLED:
        notes.append(_("registers a phone at the next sign-in"))
    if after is MfaState.ENFORCED and not is_registered:
        notes.append(_("has no phone: must register first, and mail programs stop until then"))
    if uses_mail and after is MfaState.ENFORCED:
        notes.append(_("a mail program used the account's password lately: it stops, and needs an app password"))
    elif uses_mail and after is MfaState.ENABLED:
        notes.append(_("a mail program uses the account's password: it will need an app password after registering"))
    if after is MfaState.DISABLED and app_passwords:
        suspended = ngettext(
            "%(number)d app password is suspended for good",
            "%(number)d app passwords are suspended for good",
            app_passwords,
        )
        notes.append(suspended % {"number": app_passwords})
    return notes


def _use_account_password_in_mail(people: Sequence[User], now: datetime) -> set[UUID]:
    # Mail programs sign in every few minutes: Exists() looks for one event per person and does not read them all. No
    # Enforced person can have signed in with the account password.
    asked = [user.pk for user in people if user.state is not MfaState.ENFORCED]
    lately = Event.objects.filter(
        subject_id=OuterRef("pk"), kind=EventKind.SIGN_IN_ALLOWED, door=Door.MAIL, at__gte=now - LATELY
    ).exclude(details__has_key="app_password")
    return set(User.objects.filter(Exists(lately), pk__in=asked).values_list("pk", flat=True))
