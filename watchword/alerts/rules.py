"""The notification rules: one pure table from events to warnings, read by worker, mails, pages and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from watchword.audit.events import EventKind
from watchword.audit.record import EMERGENCY_ACCESS
from watchword.core.decision import DenyReason

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
WRONG_CODES = 2
"""The second wrong code of a sign-in causes a warning: one mistyped code is common. A first one causes a warning if no
right code follows it."""


class AlertRule(StrEnum):
    """The subject of a warning; stored with it."""

    CODE_MISSING = "code_missing"
    PASSWORD_IN_MAIL = "password_in_mail"
    APP_PASSWORD_IN_BROWSER = "app_password_in_browser"
    APP_PASSWORD_ELSEWHERE = "app_password_elsewhere"
    APP_PASSWORD_REVOKED = "app_password_revoked"
    APP_PASSWORD_LIMITS = "app_password_limits"
    APP_PASSWORD_CREATED = "app_password_created"
    NEW_BROWSER = "new_browser"
    PHONE_ADDED = "phone_added"
    PHONE_REMOVED = "phone_removed"
    REGISTERED = "registered"
    ACCESS_PASS_MADE = "access_pass_made"
    NO_METHOD_LEFT = "no_method_left"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    ROLE_GIVEN = "role_given"
    MFA_STATE = "mfa_state"
    CONTACT_CHANGED = "contact_changed"
    ADDRESS_SHARED = "address_shared"
    RENAMED = "renamed"
    MAILBOX_CHANGED = "mailbox_changed"
    FRAUD_REPORTED = "fraud_reported"
    LOCKED = "locked"
    SOURCE_CLOSED = "source_closed"
    NOT_ME = "not_me"
    CALL_MISMATCHED = "call_mismatched"
    SIM_CHANGED = "sim_changed"
    COUNTRY_CLOSED = "country_closed"
    NEW_NUMBERS_UNTYPED = "new_numbers_untyped"
    PASSWORD_KNOWN = "password_known"
    PASSWORD_GUESSED = "password_guessed"
    OLD_PASSWORD_TRIED = "old_password_tried"
    WARNING_GIVEN_UP = "warning_given_up"
    METHODS_RESET = "methods_reset"
    PASSWORD_AND_METHODS_RESET = "password_and_methods_reset"
    ACTS_REFUSED = "acts_refused"
    ALERT_RECIPIENTS = "alert_recipients"
    TEXTS_OFF = "texts_off"
    APP_TOKEN_REUSED = "app_token_reused"
    EMERGENCY_ACCESS_USED = "emergency_access_used"
    EMERGENCY_ACCESS_CHANGED = "emergency_access_changed"


@dataclass(frozen=True, slots=True)
class NotificationRule:
    """The recipients of a rule, and its window: within it, repetitions are merged."""

    person: bool = False
    administrators: bool = False
    loud: bool = False
    """Whether it is also sent as a text, to people who chose that."""
    link: bool = False
    """Whether the mail carries *This wasn't me*."""
    window: timedelta = HOUR
    merged: bool = False
    """Whether the organisation gets one alert for all people: a mail server that is down is one problem, not many."""


NOTIFICATION_RULES: Mapping[AlertRule, NotificationRule] = {
    AlertRule.CODE_MISSING: NotificationRule(person=True, administrators=True, loud=True, link=True),
    AlertRule.PASSWORD_IN_MAIL: NotificationRule(person=True, link=True, window=DAY),
    AlertRule.APP_PASSWORD_IN_BROWSER: NotificationRule(person=True, administrators=True, link=True),
    AlertRule.APP_PASSWORD_ELSEWHERE: NotificationRule(person=True, link=True, window=DAY),
    AlertRule.APP_PASSWORD_REVOKED: NotificationRule(person=True, window=WEEK),
    AlertRule.APP_PASSWORD_LIMITS: NotificationRule(person=True, administrators=True, link=True, window=DAY),
    AlertRule.APP_PASSWORD_CREATED: NotificationRule(person=True, link=True, window=timedelta(0)),
    AlertRule.NEW_BROWSER: NotificationRule(person=True, link=True, window=timedelta(0)),
    AlertRule.PHONE_ADDED: NotificationRule(person=True, loud=True, link=True, window=timedelta(0)),
    AlertRule.PHONE_REMOVED: NotificationRule(person=True, loud=True, link=True, window=timedelta(0)),
    AlertRule.REGISTERED: NotificationRule(person=True, administrators=True, loud=True, link=True, window=timedelta(0)),
    AlertRule.ACCESS_PASS_MADE: NotificationRule(person=True, administrators=True, link=True, window=timedelta(0)),
    AlertRule.NO_METHOD_LEFT: NotificationRule(person=True, administrators=True, link=True, window=DAY),
    AlertRule.PASSWORD_CHANGED: NotificationRule(person=True, link=True, window=timedelta(0)),
    AlertRule.PASSWORD_RESET: NotificationRule(person=True, window=timedelta(0)),
    AlertRule.ROLE_GIVEN: NotificationRule(person=True, administrators=True, window=timedelta(0)),
    AlertRule.MFA_STATE: NotificationRule(person=True, window=timedelta(0)),
    AlertRule.CONTACT_CHANGED: NotificationRule(person=True, link=True, window=timedelta(0)),
    AlertRule.RENAMED: NotificationRule(person=True, administrators=True, link=True, window=timedelta(0)),
    AlertRule.MAILBOX_CHANGED: NotificationRule(person=True, administrators=True, window=timedelta(0)),
    AlertRule.ADDRESS_SHARED: NotificationRule(person=True, window=timedelta(0)),
    AlertRule.FRAUD_REPORTED: NotificationRule(person=True, administrators=True, link=True),
    AlertRule.LOCKED: NotificationRule(person=True, administrators=True, loud=True, link=True, window=DAY),
    AlertRule.SOURCE_CLOSED: NotificationRule(administrators=True),
    AlertRule.NOT_ME: NotificationRule(person=True, administrators=True, loud=True, window=timedelta(0)),
    AlertRule.CALL_MISMATCHED: NotificationRule(person=True, link=True),
    AlertRule.SIM_CHANGED: NotificationRule(person=True, administrators=True, link=True, window=DAY),
    AlertRule.COUNTRY_CLOSED: NotificationRule(administrators=True, window=timedelta(0)),
    AlertRule.NEW_NUMBERS_UNTYPED: NotificationRule(administrators=True, window=DAY, merged=True),
    AlertRule.PASSWORD_KNOWN: NotificationRule(person=True, administrators=True, link=True, window=DAY),
    AlertRule.PASSWORD_GUESSED: NotificationRule(administrators=True, window=DAY),
    AlertRule.OLD_PASSWORD_TRIED: NotificationRule(person=True, window=WEEK),
    AlertRule.WARNING_GIVEN_UP: NotificationRule(administrators=True, window=DAY, merged=True),
    AlertRule.METHODS_RESET: NotificationRule(
        person=True, administrators=True, loud=True, link=True, window=timedelta(0)
    ),
    AlertRule.PASSWORD_AND_METHODS_RESET: NotificationRule(administrators=True, window=timedelta(0)),
    AlertRule.ACTS_REFUSED: NotificationRule(administrators=True),
    AlertRule.TEXTS_OFF: NotificationRule(person=True, link=True, window=timedelta(0)),
    AlertRule.APP_TOKEN_REUSED: NotificationRule(person=True, administrators=True, link=True, window=DAY),
    AlertRule.ALERT_RECIPIENTS: NotificationRule(administrators=True, window=timedelta(0)),
    AlertRule.EMERGENCY_ACCESS_USED: NotificationRule(administrators=True, loud=True, window=timedelta(0)),
    AlertRule.EMERGENCY_ACCESS_CHANGED: NotificationRule(administrators=True, loud=True, window=timedelta(0)),
}
"""A window of zero notifies of each event. All other rules have a window, as strangers can trigger them repeatedly: for
an emergency access account a stranger needs its password, and then each try shall be heard."""

_SIMPLE: Mapping[EventKind, AlertRule] = {
    EventKind.APP_PASSWORD_CREATED: AlertRule.APP_PASSWORD_CREATED,
    EventKind.METHOD_REMOVED: AlertRule.PHONE_REMOVED,
    EventKind.METHODS_RESET: AlertRule.METHODS_RESET,
    EventKind.ACCESS_PASS_MADE: AlertRule.ACCESS_PASS_MADE,
    EventKind.PASSWORD_CHANGED: AlertRule.PASSWORD_CHANGED,
    EventKind.PASSWORD_RESET: AlertRule.PASSWORD_RESET,
    EventKind.INVITATION_USED: AlertRule.PASSWORD_CHANGED,
    EventKind.ROLE_GIVEN: AlertRule.ROLE_GIVEN,
    EventKind.PERSON_CREATED: AlertRule.ROLE_GIVEN,
    EventKind.ADDRESS_SHARED: AlertRule.ADDRESS_SHARED,
    EventKind.MAILBOX_CHANGED: AlertRule.MAILBOX_CHANGED,
    EventKind.FRAUD_REPORTED: AlertRule.FRAUD_REPORTED,
    EventKind.SECOND_FACTOR_LOCKED: AlertRule.LOCKED,
    EventKind.SOURCE_CLOSED: AlertRule.SOURCE_CLOSED,
    EventKind.NOT_ME: AlertRule.NOT_ME,
    EventKind.CALL_MISMATCHED: AlertRule.CALL_MISMATCHED,
    EventKind.SIM_CHANGED: AlertRule.SIM_CHANGED,
    EventKind.COUNTRY_CLOSED: AlertRule.COUNTRY_CLOSED,
    EventKind.NEW_NUMBERS_UNTYPED: AlertRule.NEW_NUMBERS_UNTYPED,
    EventKind.PASSWORD_MARKED_KNOWN: AlertRule.PASSWORD_KNOWN,
    EventKind.PASSWORD_GUESSED: AlertRule.PASSWORD_GUESSED,
    EventKind.WARNING_GIVEN_UP: AlertRule.WARNING_GIVEN_UP,
    EventKind.PASSWORD_AND_METHODS_RESET: AlertRule.PASSWORD_AND_METHODS_RESET,
    EventKind.ACTS_REFUSED_OFTEN: AlertRule.ACTS_REFUSED,
    EventKind.APP_TOKEN_REUSED: AlertRule.APP_TOKEN_REUSED,
    EventKind.EMERGENCY_ACCESS_SET: AlertRule.EMERGENCY_ACCESS_CHANGED,
    EventKind.EMERGENCY_ACCESS_ENDED: AlertRule.EMERGENCY_ACCESS_CHANGED,
}
_WITHOUT_A_PASSWORD_BEFORE = frozenset({"register", "recover"})
"""Purposes of a code: while adding a phone, or choosing a new password after *This wasn't me*, no right password came
before it."""
_OF_REFUSALS: Mapping[str, AlertRule] = {
    DenyReason.NOT_FINISHED: AlertRule.CODE_MISSING,
    DenyReason.NO_METHOD_LEFT: AlertRule.NO_METHOD_LEFT,
    DenyReason.APP_PASSWORD_NEEDED: AlertRule.PASSWORD_IN_MAIL,
    DenyReason.ACCOUNT_PASSWORD_CLOSED: AlertRule.PASSWORD_IN_MAIL,
    DenyReason.APP_PASSWORD_IN_BROWSER: AlertRule.APP_PASSWORD_IN_BROWSER,
    DenyReason.APP_PASSWORD_REVOKED: AlertRule.APP_PASSWORD_REVOKED,
    DenyReason.APP_PASSWORD_OUTSIDE_LIMITS: AlertRule.APP_PASSWORD_LIMITS,
}


def rule_of(
    kind: EventKind, *, door: str, reason: str, details: Mapping[str, object], by_another_person: bool
) -> AlertRule | None:
    """Return the warning that an event causes, or None.

    The use of an app password from another address is only a candidate: the worker compares the known networks.
    """
    if EMERGENCY_ACCESS in details and _was_password_right(kind, reason, details):
        return AlertRule.EMERGENCY_ACCESS_USED
    return _of_anybody(kind, door, reason, details, by_another_person)


def _of_anybody(
    kind: EventKind, door: str, reason: str, details: Mapping[str, object], by_another_person: bool
) -> AlertRule | None:
    match kind:
        case EventKind.CODE_REJECTED:
            return _of_wrong_code(details)
        case EventKind.SIGN_IN_DENIED:
            if reason == DenyReason.WRONG_PROOF and "same_password" in details:
                return AlertRule.OLD_PASSWORD_TRIED
            return _OF_REFUSALS.get(reason)
        case EventKind.SIGN_IN_ALLOWED:
            return _of_sign_in(door, details)
        case EventKind.METHOD_ADDED | EventKind.METHOD_REPLACED:
            return AlertRule.REGISTERED if details.get("registration") else AlertRule.PHONE_ADDED
        case EventKind.MFA_STATE_CHANGED:
            # An administrator who enables may choose to inform the people personally.
            # At the end of a waiting time mail programs stop, and no page tells the person about it.
            is_news = by_another_person or details.get("waited") is True
            return AlertRule.MFA_STATE if is_news and details.get("told") is not False else None
        case EventKind.WARNING_CHOICE_CHANGED:
            return AlertRule.TEXTS_OFF if details.get("by_text") is False else None
        case EventKind.SETTINGS_CHANGED:
            return AlertRule.ALERT_RECIPIENTS if "alert_recipients" in details else None
        case EventKind.PERSON_EDITED:
            return _of_edit(_list(details.get("fields")))
        case _:
            return _SIMPLE.get(kind)


_WITHOUT_THE_PASSWORD = frozenset(
    {
        DenyReason.WRONG_PROOF,
        DenyReason.PASSWORD_WAITS,
        DenyReason.APP_PASSWORD_IN_BROWSER,
        DenyReason.APP_PASSWORD_REVOKED,
        DenyReason.APP_PASSWORD_OUTSIDE_LIMITS,
        DenyReason.APP_PASSWORD_PAUSED,
        DenyReason.APP_PASSWORD_SUSPENDED,
    }
)
"""Reasons of a denial that don't mean that the account password was typed."""


def _was_password_right(kind: EventKind, reason: str, details: Mapping[str, object]) -> bool:
    """Return whether an event of a sign-in came after the right password (or app password, if it was allowed)."""
    match kind:
        case EventKind.SIGN_IN_ALLOWED:
            return True
        case EventKind.SIGN_IN_DENIED:
            return reason not in _WITHOUT_THE_PASSWORD
        case _:
            return details.get("purpose") not in _WITHOUT_A_PASSWORD_BEFORE


def _of_edit(fields: Sequence[object]) -> AlertRule | None:
    if "contact_mail" in fields:
        return AlertRule.CONTACT_CHANGED
    return AlertRule.RENAMED if "sign_in_name" in fields else None


def _of_sign_in(door: str, details: Mapping[str, object]) -> AlertRule | None:
    if door in {"mail", "http_basic"}:
        return AlertRule.APP_PASSWORD_ELSEWHERE
    # A sign-in in an app rests on one in the browser, which has its own event.
    return None if door in {"oidc", "forward_auth"} else _of_browser(details)


def _of_browser(details: Mapping[str, object]) -> AlertRule | None:
    return AlertRule.NEW_BROWSER if details.get("browser") != "known" else None


def _of_wrong_code(details: Mapping[str, object]) -> AlertRule | None:
    if details.get("purpose") in _WITHOUT_A_PASSWORD_BEFORE:
        return None
    wrong = details.get("wrong")
    return AlertRule.CODE_MISSING if isinstance(wrong, int) and wrong >= WRONG_CODES else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def texts_in(value: object) -> list[str]:
    """Return the strings of a list in an event's details; an empty list for any other value."""
    return [text for text in _list(value) if isinstance(text, str)]
