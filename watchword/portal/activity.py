"""The events of a person's account, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from watchword.audit import repeats
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.messaging.gateway import Result
from watchword.signin import queries
from watchword.signin.queries import CodeRow
from watchword.ui.browsers import browser_in_words

_SERVICES = {"imap": "IMAP", "pop3": "POP", "smtp": "SMTP", "sieve": "Sieve", "dav": "CalDAV", "caldav": "CalDAV"}
_PROGRAMS = frozenset({"mail", "http_basic"})
"""Doors at which programs show a password."""


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One event."""

    id: int
    at: datetime
    what: str
    where: str
    is_warning: bool


def lines_of(user: User, *, number: int, before: int | None = None) -> list[ActivityRow]:
    """Return at most ``number`` of the newest events of a person, older than the event ``before``."""
    events = Event.objects.filter(subject_id=user.pk)
    if before is not None:
        events = events.filter(id__lt=before)
    rows = list(events.order_by("-id")[:number])
    moments = [event.at for event in rows if event.kind == EventKind.CODE_SENT]
    codes = queries.codes_sent_at(user, moments) if moments else {}
    more = repeats.more_times(rows)
    return [
        _line(event, user, codes.get((event.at, str(event.details.get("ends")))), more.get(event.pk, 0))
        for event in rows
    ]


def _line(event: Event, user: User, code: CodeRow | None, more: int) -> ActivityRow:
    kind = EventKind(event.kind)
    words = _WORDS.get(kind)
    what = words(event) if words is not None else kind.value
    if kind is EventKind.CODE_SENT and code is not None:
        what = " · ".join([what, *fate_of(code)])
    if more:
        what += " · " + ngettext("once more within the hour", "%(times)d more times within the hour", more) % {
            "times": more
        }
    by_other = event.actor_id is not None and event.actor_id != user.pk
    if by_other:
        what = _("%(what)s by %(name)s") % {"what": what, "name": event.actor_name}
    where = [browser_in_words(event.agent) if event.agent else "", event.address]
    return ActivityRow(event.id, event.at, what, " · ".join(part for part in where if part), kind in _WARNINGS)


def _signed_in(event: Event) -> str:
    if event.door in _PROGRAMS:
        service = _SERVICES.get(event.service, event.service)
        name = event.details.get("app_password")
        if name:
            return _("A mail program signed in (%(service)s) with the app password “%(name)s”") % {
                "service": service,
                "name": name,
            }
        return _("A mail program signed in (%(service)s)") % {"service": service}
    if (app := event.details.get("app")) is not None:
        return _("Signed in to %(app)s") % {"app": app}
    if event.details.get("purpose") == "confirm":
        return _("You proved again that it was you")
    return _("Signed in")


def _not_signed_in(event: Event) -> str:
    name = event.details.get("app_password")
    if event.door in _PROGRAMS and name and event.reason != "app_password_revoked":
        return _("A mail program with the app password “%(name)s” was refused") % {"name": name}
    if event.door in _PROGRAMS and name:
        # Name the app password of a forgotten device that retries all day, so that its owner can find the device.
        return _("A mail program that uses the stopped app password “%(name)s” was refused") % {"name": name}
    if event.door in _PROGRAMS:
        return _("A mail program was refused (%(service)s)") % {"service": _SERVICES.get(event.service, event.service)}
    if (app := event.details.get("app")) is not None:
        return _("A sign-in to %(app)s was refused") % {"app": app}
    match event.reason:
        case "not_finished":
            return _("Somebody typed your right password and then no code")
        case "app_password_in_browser":
            return _("An app password was typed on the sign-in page, and refused")
        case _:
            return _("A sign-in was refused")


def _said(text: str) -> Callable[[Event], str]:
    return lambda _event: _(text)


def _state(event: Event) -> str:
    return _("Multi-factor authentication was set to %(state)s") % {"state": event.details.get("after", "")}


def _method(said: str) -> Callable[[Event], str]:
    def words(event: Event) -> str:
        details: dict[str, Any] = event.details
        return _(said) % {key: details.get(key, "") for key in ("ends", "name", "app")}

    return words


def _code_sent(event: Event) -> str:
    ends = {"ends": event.details.get("ends", "")}
    if event.details.get("channel") == "voice":
        return _("Call to the number ending %(ends)s") % ends
    return _("Text to the number ending %(ends)s") % ends


def fate_of(code: CodeRow) -> list[str]:
    """Return the status of a code in a word or two each: ``delivered``, ``typed``."""
    if code.result is Result.APPROVED:
        return [_("approved on the phone")]
    fate = str(_FATES[code.result, code.channel] if (code.result, code.channel) in _FATES else _FATE[code.result])
    return [fate, _("typed")] if code.was_entered else [fate]


_FATE: dict[Result, Promise] = {
    Result.WAITING: gettext_lazy("on its way"),
    Result.SENT: gettext_lazy("sent"),
    Result.DELIVERED: gettext_lazy("delivered"),
    Result.FAILED: gettext_lazy("not sent"),
    Result.EXPIRED: gettext_lazy("not sent in time"),
    Result.UNREACHABLE: gettext_lazy("not reached"),
    Result.NO_ANSWER: gettext_lazy("nobody answered"),
    Result.BUSY: gettext_lazy("the line was busy"),
    Result.DECLINED: gettext_lazy("declined"),
    Result.HUNG_UP: gettext_lazy("hung up early"),
    Result.VOICEMAIL: gettext_lazy("answered, no key pressed; nothing left on a machine"),
    Result.BAD_NUMBER: gettext_lazy("the number is not in use"),
    Result.BLOCKED: gettext_lazy("not let through"),
    Result.SIM_CHANGED: gettext_lazy("not sent: the number moved to another SIM card"),
    Result.MISMATCHED: gettext_lazy("wrong digits pressed twice"),
    Result.FRAUD_REPORTED: gettext_lazy("reported: not you"),
}
_FATES: dict[tuple[Result, Channel], Promise] = {
    (Result.SENT, Channel.VOICE): gettext_lazy("rang"),
    (Result.DELIVERED, Channel.VOICE): gettext_lazy("answered"),
}


_WORDS: dict[EventKind, Callable[[Event], str]] = {
    EventKind.SIGN_IN_ALLOWED: _signed_in,
    EventKind.SIGN_IN_DENIED: _not_signed_in,
    EventKind.CODE_SENT: _code_sent,
    EventKind.CODE_NOT_SENT: _said("A code was asked for and not sent"),
    EventKind.CALL_MISMATCHED: _said("Wrong digits were pressed twice in a call"),
    EventKind.SIM_CHANGED: _said("No code was sent, because your number moved to another SIM card"),
    EventKind.COUNTRY_CLOSED: _said("Codes to new phones in a country were stopped"),
    EventKind.COUNTRY_REOPENED: _said("Codes to new phones in a country were allowed again"),
    EventKind.NEW_NUMBERS_UNTYPED: _said("Codes to many new phones were not typed"),
    EventKind.NUMBER_SHARED: _said("A phone was allowed more people than others"),
    EventKind.NUMBER_NOT_SHARED: _said("A phone has the limits of every other one again"),
    EventKind.PHONE_TESTED: _said("A test went to a phone"),
    EventKind.PASSWORD_MARKED_KNOWN: _said("A day's codes were asked for and none was typed"),
    EventKind.PASSWORD_GUESSED: _said("Many wrong passwords were tried"),
    EventKind.CODE_ACCEPTED: _said("The code was right"),
    EventKind.CODE_REJECTED: _said("A wrong code was typed"),
    EventKind.FRAUD_REPORTED: _said("Somebody at your phone reported that it was not you"),
    EventKind.SECOND_FACTOR_LOCKED: _said("Sign-in was locked after too many wrong codes"),
    EventKind.SECOND_FACTOR_UNLOCKED: _said("Sign-in was unlocked"),
    EventKind.METHOD_ADDED: _method("The phone number ending %(ends)s was added"),
    EventKind.METHOD_REPLACED: _method("A phone number was replaced by the one ending %(ends)s"),
    EventKind.METHOD_REMOVED: _method("The phone number ending %(ends)s was removed"),
    EventKind.METHODS_RESET: _said("Phones were removed, to be registered again"),
    EventKind.ACCESS_PASS_MADE: _said("A Temporary Access Pass was made"),
    EventKind.ACCESS_PASS_USED: _said("The Temporary Access Pass was used"),
    EventKind.ACCESS_PASS_DELETED: _said("The Temporary Access Pass was deleted"),
    EventKind.APP_PASSWORD_CREATED: _method("The app password “%(name)s” was made"),
    EventKind.APP_PASSWORD_DELETED: _method("The app password “%(name)s” was deleted"),
    EventKind.APP_PASSWORDS_DELETED: _said("All app passwords were deleted"),
    EventKind.APP_PASSWORDS_SUSPENDED: _said("App passwords were suspended"),
    EventKind.APP_PASSWORD_PAUSED: _method("The app password “%(name)s” was frozen"),
    EventKind.APP_PASSWORD_RESUMED: _method("The app password “%(name)s” was thawed"),
    EventKind.APP_PASSWORD_LIMITED: _method("The limits of the app password “%(name)s” were changed"),
    EventKind.WARNING_CHOICE_CHANGED: _said("The choice of how to be warned was changed"),
    EventKind.NOT_ME: _said("“This wasn't me” was pressed: sessions ended, the password is useless"),
    EventKind.WARNING_GIVEN_UP: _said("A warning about the account could not be sent"),
    EventKind.PASSWORD_CHANGED: _said("The password was changed"),
    EventKind.PASSWORD_RESET: _said("The password was reset"),
    EventKind.SESSION_ENDED: _said("A browser was signed out"),
    EventKind.SESSIONS_ENDED: _said("Browsers were signed out"),
    EventKind.MFA_STATE_CHANGED: _state,
    EventKind.PASSWORD_AND_METHODS_RESET: _said("One administrator reset both password and phones"),
    EventKind.ACT_REFUSED: _said("An administrative act on the account was refused"),
    EventKind.ACTS_REFUSED_OFTEN: _said("Administrative acts were refused several times"),
    EventKind.PERSON_CREATED: _said("The account was created"),
    EventKind.PERSON_EDITED: _said("The account's details were changed"),
    EventKind.PERSON_BLOCKED: _said("The account was blocked"),
    EventKind.PERSON_UNBLOCKED: _said("The account was unblocked"),
    EventKind.PERSON_DELETED: _said("The account was deleted"),
    EventKind.PERSON_RESTORED: _said("The account was restored"),
    EventKind.ROLE_GIVEN: _said("An administrative role was given"),
    EventKind.ROLE_TAKEN: _said("An administrative role was taken away"),
    EventKind.EMERGENCY_ACCESS_SET: _said("The account was made an emergency access account"),
    EventKind.EMERGENCY_ACCESS_ENDED: _said("The account is an emergency access account no longer"),
    EventKind.MAILBOX_CHANGED: _said("The account was given another mailbox"),
    EventKind.SEND_AS_GIVEN: _said("You were allowed to write as an address of somebody else"),
    EventKind.ADDRESS_SHARED: _said("Somebody else was allowed to write as one of your addresses"),
    EventKind.SEND_AS_TAKEN: _said("The right to write as an address of somebody else was taken away"),
    EventKind.INVITATION_MADE: _said("A link to choose a password was made"),
    EventKind.INVITATION_USED: _said("A password was chosen by a one-time link"),
    EventKind.APP_SIGN_IN_ENDED: _method("The sign-in to %(app)s was ended"),
    EventKind.APP_TOKEN_REUSED: _method("A token of %(app)s was used twice; the sign-in there was ended"),
    EventKind.CONSENT_GIVEN: _method("%(app)s was allowed to see details of the account"),
    EventKind.CONSENT_WITHDRAWN: _method("%(app)s may no longer see details of the account"),
}
_WARNINGS = frozenset(
    {
        EventKind.SIGN_IN_DENIED,
        EventKind.CODE_REJECTED,
        EventKind.FRAUD_REPORTED,
        EventKind.CALL_MISMATCHED,
        EventKind.SIM_CHANGED,
        EventKind.PASSWORD_MARKED_KNOWN,
        EventKind.SECOND_FACTOR_LOCKED,
        EventKind.NOT_ME,
        EventKind.APP_TOKEN_REUSED,
    }
)
