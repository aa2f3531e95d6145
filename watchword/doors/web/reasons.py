"""Puts reasons into the words that a person reads; every refusal of a name or password is one sentence."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.core.factors import Reason
from watchword.core.policy import Way
from watchword.core.signin import Because
from watchword.delivery.budget import Rule
from watchword.delivery.channel import Result
from watchword.signin.challenges import CodeOnTheWay, NotSent
from watchword.signin.service import Refused
from watchword.ui.templatetags.watchword_ui import in_words


def of_name_or_password(refused: Refused) -> str:
    """Return the one sentence for a name or password; a wait is told, whoever was named."""
    if refused.reason is Because.PASSWORD_WAITS and refused.until is not None:
        return _("Too many passwords were wrong. Try again in %(wait)s.") % {"wait": in_words(refused.until)}
    if refused.reason in {Because.SECOND_FACTOR_WAITS, Because.SECOND_FACTOR_LOCKED}:
        return of_code(refused)
    if refused.reason is Because.PASSWORD_EXPIRED:
        return _("This initial password is too old. Ask your administrator for a new one.")
    return _("That name or password is not right.")


def of_code(refused: Refused) -> str:
    """Return why a code was not taken, without blame and without a count."""
    if refused.until is not None:
        return _("Too many codes were wrong. Try again in %(wait)s.") % {"wait": in_words(refused.until)}
    match refused.reason:
        case Because.SECOND_FACTOR_LOCKED:
            return _("Too many codes were wrong today. Ask your administrator to unlock your sign-in.")
        case Reason.EXPIRED | Reason.USED | Reason.TOO_MANY_TRIES:
            return _("That code can't be used any more. Get a new one.")
        case Reason.NOT_APPROVED_YET:
            return _("We are still waiting for the two digits to be pressed on your phone.")
        case Reason.NOT_SHAPED:
            return _("A code has six digits. Check it, or get a new one.")
        case _:
            return _("That code didn't work. Check it, or get a new one.")


def of_not_sent(refusal: NotSent) -> str:
    """Return why no code was sent, and the way on."""
    if refusal.reason in {Rule.PAUSE, Rule.QUARTER_HOUR} and refusal.until is not None:
        return _("A code is on its way already. You can ask for another one in %(wait)s.") % {
            "wait": in_words(refusal.until)
        }
    if refusal.reason is Reason.TOO_MANY_TRIES and refusal.until is not None:
        return _("Too many codes were wrong. Try again in %(wait)s.") % {"wait": in_words(refusal.until)}
    return str(_NOT_SENT.get(refusal.reason) or _("No code could be sent by this method. Choose another one."))


_ENOUGH = gettext_lazy("Your organisation has sent as many codes as it allows for now. Ask your administrator.")
_COUNTRY = gettext_lazy(
    "Your organisation does not send codes to this country. Use another phone, or ask your administrator."
)
_TODAY = gettext_lazy("No more codes can be sent to this number today. Use another method, or ask your administrator.")
_NOT_SENT: dict[Rule | Reason, Promise] = {
    Rule.ATTEMPT: gettext_lazy(
        "Three codes were sent for this sign-in. Start again for another one, or ask your administrator."
    ),
    Rule.RANGE_HOUR: _ENOUGH,
    Rule.NEW_COUNTRY_DAY: _ENOUGH,
    Rule.NEW_DAY: _ENOUGH,
    Rule.ORGANISATION_DAY: _ENOUGH,
    Rule.COST_DAY: _ENOUGH,
    Rule.DAY: _TODAY,
    Rule.NUMBER_DAY: _TODAY,
    Rule.NUMBER_PEOPLE: _TODAY,
    Rule.COUNTRY: _COUNTRY,
    Rule.COUNTRY_CLOSED: _COUNTRY,
    Rule.RANGE_KIND: gettext_lazy("No codes are sent to this kind of number. Use a mobile or a fixed-line number."),
    Rule.NEW_NUMBERS: gettext_lazy("You tried several numbers today. Try again tomorrow, or ask your administrator."),
    **dict.fromkeys(
        (Rule.RANGE_HOUR, Rule.NEW_COUNTRY_DAY, Rule.NEW_DAY, Rule.ORGANISATION_DAY, Rule.COST_DAY), _ENOUGH
    ),
    **dict.fromkeys((Rule.DAY, Rule.NUMBER_DAY, Rule.NUMBER_PEOPLE), _TODAY),
    Reason.WAY_NOT_ALLOWED: gettext_lazy(
        "Your organisation does not allow this way for this number. Choose another one."
    ),
    Reason.TOO_MANY_TRIES: gettext_lazy(
        "Too many codes were wrong today. Ask your administrator to unlock your sign-in."
    ),
}


def of_progress(code: CodeOnTheWay) -> str:
    """Return how a code on its way stands, in a few words beside where it went."""
    match code.result, code.way:
        case Result.WAITING, _:
            return _("On its way …")
        case Result.SENT, Way.CALL:
            return _("Ringing …")
        case Result.SENT, _:
            return _("Sent.")
        case Result.DELIVERED, Way.CALL:
            return _("Answered.")
        case Result.DELIVERED, _:
            return _("Delivered.")
        case Result.APPROVED, _:
            return _("Approved on your phone.")
        case _:
            return ""


def of_trouble(result: Result, way: Way) -> str:
    """Return what went wrong with a code on its way; nothing where nothing did."""
    if not result.is_trouble:
        return ""
    if result in _TROUBLE:
        return str(_TROUBLE[result])
    return _("The call did not get through.") if way is Way.CALL else _("The text message did not get through.")


_TROUBLE = {
    Result.NO_ANSWER: gettext_lazy("We called, and nobody answered."),
    Result.BUSY: gettext_lazy("We called, and the line was busy."),
    Result.DECLINED: gettext_lazy("We called, and the call was declined."),
    Result.HUNG_UP: gettext_lazy("We called, and somebody hung up before the code was heard."),
    Result.VOICEMAIL: gettext_lazy("We reached an answering machine, and left nothing on it."),
    Result.MISMATCHED: gettext_lazy("Two wrong pairs of digits were pressed, so the call ended."),
    Result.FRAUD_REPORTED: gettext_lazy(
        "Somebody at this telephone said that they are not signing in. The code is void."
    ),
    Result.BAD_NUMBER: gettext_lazy("This number does not exist."),
    Result.SIM_CHANGED: gettext_lazy(
        "Your carrier says that this number moved to another SIM card lately, so nothing was sent to it."
    ),
    Result.EXPIRED: gettext_lazy("The code could not be sent in time."),
}


_SET_UP = {
    Reason.NOT_A_NUMBER: gettext_lazy("Enter a telephone number that exists in this country."),
    Reason.NUMBER_NOT_ALLOWED: gettext_lazy(
        "This kind of number can't be used. Enter a mobile or a fixed-line number."
    ),
    Reason.NO_TEXT_TO_THIS_NUMBER: gettext_lazy("This number can't get text messages. Choose “Call me”."),
    Reason.WAY_NOT_ALLOWED: gettext_lazy("This way can't be used for this telephone. Choose the other one."),
    Reason.EXTENSION: gettext_lazy("Only an office telephone has an extension, of up to ten digits."),
    Reason.TOO_SHORT: gettext_lazy("This password is too short."),
    Reason.TOO_LONG: gettext_lazy("This password is too long: 1,024 characters are the most."),
    Reason.TOO_COMMON: gettext_lazy("This password is one of the first that others would guess. Choose another one."),
    Reason.CONTAINS_CONTEXT: gettext_lazy(
        "This password is little more than your name or your organisation's. Add words of your own."
    ),
    Reason.SAME_AS_BEFORE: gettext_lazy("This is the password that you have already. Choose another one."),
    Reason.SHAPED_LIKE_APP_PASSWORD: gettext_lazy(
        "This password has exactly 24 letters, as app passwords have. Add a digit or one more letter."
    ),
    Reason.NAME_MISSING: gettext_lazy("Give it a name, such as the device where you will use it."),
    Reason.NAME_TOO_LONG: gettext_lazy("The name is too long: 50 characters are the most."),
    Reason.NAME_NOT_PRINTABLE: gettext_lazy(
        "The name has a character that can't be shown. Use letters, digits and signs."
    ),
    Reason.NAME_TAKEN: gettext_lazy("You have an app password by this name already. Choose another name."),
    Reason.COOLING_OFF: gettext_lazy(
        "Your phone was changed less than a day ago. For your safety app passwords can be made again after a day."
    ),
    Reason.LIMIT: gettext_lazy("You have 40 app passwords, the most that are allowed. Delete one first."),
    Reason.NOT_ENFORCED: gettext_lazy(
        "App passwords are for people with multi-factor authentication. Your administrator can enable it."
    ),
    Reason.NOT_ALLOWED: gettext_lazy(
        "Your organisation does not allow app passwords. Your administrator can change that."
    ),
}


def of_set_up(reason: Reason) -> str:
    """Return why a method, a password or an app password can't be set up so."""
    return str(_SET_UP.get(reason) or _("That didn't work. Check what you have entered."))
