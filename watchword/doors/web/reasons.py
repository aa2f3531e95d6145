"""Translates reasons into text for a person; a wrong name and a wrong password get the same sentence."""

from __future__ import annotations

from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from watchword.core.countries import country_name
from watchword.core.decision import DenyReason
from watchword.core.factors import RejectReason
from watchword.core.policy import Channel, Limits
from watchword.messaging.gateway import Result
from watchword.messaging.limits.counters import LimitRule
from watchword.signin.otp.challenges import CodeDenied, CodeOnTheWay
from watchword.signin.results import SignInDenied
from watchword.ui.templatetags.watchword_ui import in_words


def of_name_or_password(refused: SignInDenied) -> str:
    """Return the sentence for a refused name or password; a wait is shown for unknown names too."""
    if refused.reason is DenyReason.PASSWORD_WAITS and refused.until is not None:
        return _("Too many passwords were wrong. Try again in %(wait)s.") % {"wait": in_words(refused.until)}
    if refused.reason in {DenyReason.SECOND_FACTOR_WAITS, DenyReason.SECOND_FACTOR_LOCKED}:
        return of_code(refused)
    if refused.reason is DenyReason.PASSWORD_EXPIRED:
        return _("This initial password is too old. Ask your administrator for a new one.")
    return _("That name or password is not right.")


def of_too_many_begun(until: datetime) -> str:
    """Return the text for too many unfinished sign-ins from one network."""
    return _("Too many sign-ins were begun from your network and not finished. Try again in %(wait)s.") % {
        "wait": in_words(until)
    }


def of_code(refused: SignInDenied) -> str:
    """Return why a code was not accepted, without blame and without a number of tries."""
    if refused.until is not None:
        return _("Too many codes were wrong. Try again in %(wait)s.") % {"wait": in_words(refused.until)}
    match refused.reason:
        case DenyReason.SECOND_FACTOR_LOCKED:
            return _("Your sign-in is locked, to protect it. Ask your administrator to unlock it.")
        case DenyReason.NO_PROOF_LEFT:
            return _("No phone is left to which a code could go. Ask your administrator.")
        case RejectReason.EXPIRED | RejectReason.USED | RejectReason.TOO_MANY_TRIES:
            return _("That code can't be used any more. Get a new one.")
        case RejectReason.TOO_LATE:
            return _("That code came too late. Get a new one.")
        case RejectReason.NOT_APPROVED_YET:
            return _("We are still waiting for the two digits to be pressed on your phone.")
        case RejectReason.EARLIER_CODE:
            return _("That is an earlier code. Only the newest one counts: wait for it, then type that.")
        case RejectReason.NOT_SHAPED:
            return _("A code has six digits. Check it, or get a new one.")
        case _:
            return _("That code didn't work. Check it, or get a new one.")


def of_pass(refused: SignInDenied) -> str:
    """Return why a Temporary Access Pass was not accepted."""
    if refused.until is not None or refused.reason is DenyReason.SECOND_FACTOR_LOCKED:
        return of_code(refused)
    match refused.reason:
        case RejectReason.NOT_SHAPED:
            return _("A pass has twelve signs. Check it.")
        case RejectReason.EXPIRED | RejectReason.USED | RejectReason.NOT_REGISTERED:
            return _("This pass can't be used any more. Ask your administrator for a new one.")
        case _:
            return _("That pass didn't work. Check it, or ask your administrator for a new one.")


def of_not_sent(refusal: CodeDenied, *, is_adding: bool = False) -> str:
    """Return why no code was sent, when one may be sent, and what to do now.

    ``is_adding`` is True if a phone is being added, outside a sign-in.
    """
    reason = refusal.reason
    if reason is LimitRule.ATTEMPT and is_adding:
        return _("No more codes are sent for now. Try again in a few minutes, or ask your administrator.")
    if reason is RejectReason.TOO_MANY_TRIES and refusal.until is not None:
        return _("Too many codes were wrong. Try again in %(wait)s.") % {"wait": in_words(refusal.until)}
    why: str | Promise
    why, way_on = _NOT_SENT.get(reason, _BY_ANOTHER)
    if is_adding and reason in {LimitRule.COUNTRY, LimitRule.COUNTRY_CLOSED}:
        # Only for a person who has just typed the number: many +44 numbers are in Jersey, which surprises their owners.
        place = country_name(refusal.country, get_language() or "en")
        why = _("Your organisation does not send codes to %(place)s.") % {"place": place} if place else why
    when = ""
    if refusal.until is not None and reason is not LimitRule.COUNTRY_CLOSED:
        when = _("You can ask for another one in %(wait)s.") % {"wait": in_words(refusal.until)}
    if when and reason in _SOON:
        return f"{why} {when}"
    return " ".join(part for part in (str(why), when, str(way_on)) if part)


# "If one is offered", because many people have only one telephone, and there is no other kind of method yet.
_IF_OFFERED = gettext_lazy("Choose another way if one is offered, or ask your administrator.")
_BY_ANOTHER = (gettext_lazy("No code could be sent by this method."), _IF_OFFERED)
_ASK = gettext_lazy("If you can't wait, ask your administrator.")
_OTHER_PHONE = gettext_lazy("Use another phone, or ask your administrator.")
_ENOUGH = (gettext_lazy("Your organisation has sent as many codes as it allows for now."), _ASK)
_COUNTRY = (gettext_lazy("Your organisation does not send codes to this country."), _OTHER_PHONE)
_NUMBER = (gettext_lazy("No more codes can be sent to this number today."), _OTHER_PHONE)
_SOON = frozenset({LimitRule.PAUSE, LimitRule.QUARTER_HOUR})
"""Rules whose wait is short."""
_NOT_SENT: dict[LimitRule | RejectReason, tuple[Promise, Promise]] = {
    LimitRule.PAUSE: (gettext_lazy("A code is on its way already."), _IF_OFFERED),
    LimitRule.QUARTER_HOUR: (gettext_lazy("Several codes were sent already."), _IF_OFFERED),
    LimitRule.ATTEMPT: (
        gettext_lazy("No more codes are sent in this sign-in."),
        gettext_lazy("Start again to get another one, or ask your administrator."),
    ),
    LimitRule.DAY: (gettext_lazy("No more codes can be sent to you today."), _ASK),
    LimitRule.NEW_NUMBERS: (gettext_lazy("You tried several numbers today."), _ASK),
    LimitRule.NUMBER_DAY: _NUMBER,
    LimitRule.NUMBER_PEOPLE: (gettext_lazy("Too many people use this number today."), _OTHER_PHONE),
    LimitRule.SWITCHBOARD: (
        gettext_lazy("Too many calls to this switchboard were in vain today."),
        _OTHER_PHONE,
    ),
    LimitRule.RANGE_KIND: (
        gettext_lazy("No codes are sent to this kind of number."),
        gettext_lazy("Use a mobile or a fixed-line number, or ask your administrator."),
    ),
    LimitRule.COUNTRY: _COUNTRY,
    LimitRule.COUNTRY_CLOSED: _COUNTRY,
    LimitRule.RANGE_HOUR: _ENOUGH,
    LimitRule.NEW_COUNTRY_DAY: _ENOUGH,
    LimitRule.NEW_DAY: _ENOUGH,
    LimitRule.ORGANISATION_DAY: _ENOUGH,
    LimitRule.COST_DAY: _ENOUGH,
    RejectReason.NOT_CARRIED: (
        gettext_lazy("Your organisation can't send codes this way at the moment."),
        _IF_OFFERED,
    ),
    RejectReason.CHANNEL_NOT_ALLOWED: (
        gettext_lazy("Your organisation does not allow this way for this number."),
        _IF_OFFERED,
    ),
    RejectReason.TOO_MANY_TRIES: (
        gettext_lazy("Your sign-in is locked, to protect it."),
        gettext_lazy("Ask your administrator to unlock it."),
    ),
}
"""The reason and what to do now. For numbers, countries and budgets the text reveals no more than what to do."""


def of_progress(code: CodeOnTheWay) -> str:
    """Return the delivery state of a code in a few words, shown beside its destination; empty if delivery failed."""
    match code.result, code.channel:
        case Result.WAITING, Channel.VOICE:
            return _("Dialling…")
        case Result.WAITING, _:
            return _("Sending…")
        case Result.SENT, Channel.VOICE:
            return _("Ringing…")
        case Result.SENT, _:
            return _("Sent.")
        case Result.DELIVERED, Channel.VOICE:
            return _("Answered.")
        case Result.DELIVERED, _:
            return _("Delivered.")
        case Result.APPROVED, _:
            return _("Approved on your phone.")
        case _:
            return ""


def of_trouble(code: CodeOnTheWay) -> str:
    """Return why the delivery of a code failed; empty if it did not.

    Only administrators see which gateway refused and why, or that a number moved to another SIM card: an attacker who
    knows only the password can see this page.
    """
    if not code.result.is_trouble:
        return ""
    if code.result in _FAILURES:
        return str(_FAILURES[code.result])
    if code.channel is Channel.SMS:
        return _("The text message did not get through.")
    if code.result is Result.HUNG_UP and code.match:
        return _("We called, and the call ended before the two digits were pressed.")
    return str(_TROUBLE_IN_CALLS.get(code.result) or _("The call did not get through."))


_FAILURES = {
    Result.FRAUD_REPORTED: gettext_lazy(
        "Somebody at this phone told us that they are not signing in, so the code is void."
    ),
    Result.BAD_NUMBER: gettext_lazy("This number can't be reached: it is not in use."),
    Result.SIM_CHANGED: gettext_lazy(
        "For your safety nothing was sent to this number. Use another phone, or ask your administrator."
    ),
    Result.EXPIRED: gettext_lazy("The code could not be sent in time."),
}
_TROUBLE_IN_CALLS = {
    Result.NO_ANSWER: gettext_lazy("We called, and nobody answered."),
    Result.BUSY: gettext_lazy("We called, and the line was busy."),
    Result.DECLINED: gettext_lazy("We called, and the call was declined."),
    Result.HUNG_UP: gettext_lazy("We called, and the call ended before the code was heard."),
    Result.VOICEMAIL: gettext_lazy(
        "The call was answered, but no key was pressed. If it was a machine, nothing was left on it."
    ),
    Result.MISMATCHED: gettext_lazy("Wrong digits were pressed twice, so the call ended."),
}


_SET_UP = {
    RejectReason.NOT_A_NUMBER: gettext_lazy("Enter a telephone number that exists in this country."),
    RejectReason.AMBIGUOUS_NUMBER: gettext_lazy(
        "This could be two different numbers. Write it with + and the code of the country in front."
    ),
    RejectReason.MOBILE_WITHOUT_9: gettext_lazy(
        "In Argentina this is a fixed line, which gets no text messages. A mobile number has a 9 after +54. "
        "Correct it, or choose “Call me”."
    ),
    RejectReason.NUMBER_NOT_ALLOWED: gettext_lazy(
        "This kind of number can't be used. Enter a mobile or a fixed-line number."
    ),
    RejectReason.VOIP_NOT_ALLOWED: gettext_lazy(
        "This is an Internet telephone number (VoIP). Your organisation allows mobile and fixed-line numbers only."
    ),
    RejectReason.NO_TEXT_TO_THIS_NUMBER: gettext_lazy("This number can't get text messages. Choose “Call me”."),
    RejectReason.CHANNEL_NOT_ALLOWED: gettext_lazy("This way can't be used for this telephone. Choose the other one."),
    RejectReason.EXTENSION: gettext_lazy(
        "Only an office telephone has an extension: up to six digits, with commas for pauses."
    ),
    RejectReason.TOO_SHORT: gettext_lazy("This password is too short."),
    RejectReason.TOO_LONG: gettext_lazy("This password is too long: 1,024 characters are the most."),
    RejectReason.TOO_COMMON: gettext_lazy(
        "This password is one of the first that others would guess. Choose another one."
    ),
    RejectReason.CONTAINS_CONTEXT: gettext_lazy(
        "This password is little more than names and words of you or your organisation. Add words of your own."
    ),
    RejectReason.BREACHED: gettext_lazy(
        "This password is in a list of passwords that were stolen elsewhere; others try it first. Choose another one."
    ),
    RejectReason.NOT_CURRENT: gettext_lazy("That is not your current password."),
    RejectReason.SAME_AS_BEFORE: gettext_lazy("This is the password that you have already. Choose another one."),
    RejectReason.SHAPED_LIKE_APP_PASSWORD: gettext_lazy(
        "This password has exactly 24 letters, as app passwords have. Add a digit or one more letter."
    ),
    RejectReason.NAME_MISSING: gettext_lazy("Give it a name, such as the device where you will use it."),
    RejectReason.NAME_TOO_LONG: gettext_lazy("The name is too long: 50 characters are the most."),
    RejectReason.NAME_NOT_PRINTABLE: gettext_lazy(
        "The name has a character that can't be shown. Use letters, digits and signs."
    ),
    RejectReason.NAME_TAKEN: gettext_lazy("You have an app password by this name already. Choose another name."),
    RejectReason.COOLING_OFF: gettext_lazy(
        "Your phone was changed less than a day ago. For your safety app passwords can be made again after a day."
    ),
    RejectReason.WAITS: gettext_lazy(
        "You registered your phone lately. Your organisation lets some time pass before app passwords can be made; "
        "until then your own password works in mail programs."
    ),
    RejectReason.LIMIT: gettext_lazy("You have %(most)d app passwords, the most that are allowed. Delete one first."),
    RejectReason.NOT_ENFORCED: gettext_lazy(
        "App passwords are for people with multi-factor authentication. Your administrator can enable it."
    ),
    RejectReason.NOT_ALLOWED: gettext_lazy(
        "Your organisation does not allow app passwords. Your administrator can change that."
    ),
}


def of_app_password(reason: RejectReason, limits: Limits) -> str:
    """Return why an app password can't be created, with the organisation's own limit."""
    words = _SET_UP.get(reason)
    return str(words) % {"most": limits.app_passwords} if reason is RejectReason.LIMIT and words else of_set_up(reason)


def of_set_up(reason: RejectReason) -> str:
    """Return why a method, a password or an app password can't be set up with the entered values."""
    return str(_SET_UP.get(reason) or _("That didn't work. Check what you have entered."))
