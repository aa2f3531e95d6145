"""The labels of rules, results, gateways, countries and amounts of phone delivery, for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.admincenter.labels import Words
from watchword.core.countries import country_name
from watchword.core.phone_numbers import NO_COUNTRY, NumberKind
from watchword.core.policy import Channel
from watchword.messaging.gateway import Result
from watchword.messaging.limits.rules import LimitRule

MICROS = 1_000_000

RULES: Mapping[LimitRule, Words] = {
    LimitRule.ATTEMPT: gettext_lazy("Codes in one sign-in"),
    LimitRule.PAUSE: gettext_lazy("Pause between two codes"),
    LimitRule.QUARTER_HOUR: gettext_lazy("Codes for one person in 15 minutes"),
    LimitRule.DAY: gettext_lazy("Codes for one person in a day"),
    LimitRule.NEW_NUMBERS: gettext_lazy("New numbers of one person in a day"),
    LimitRule.NUMBER_DAY: gettext_lazy("Codes to one number in a day"),
    LimitRule.NUMBER_PEOPLE: gettext_lazy("People at one number in a day"),
    LimitRule.SWITCHBOARD: gettext_lazy("Unanswered calls to one switchboard in a day"),
    LimitRule.RANGE_KIND: gettext_lazy("Kind of number"),
    LimitRule.COUNTRY: gettext_lazy("Country not allowed"),
    LimitRule.COUNTRY_CLOSED: gettext_lazy("Country stopped for new numbers"),
    LimitRule.RANGE_HOUR: gettext_lazy("New numbers side by side in an hour"),
    LimitRule.NEW_COUNTRY_DAY: gettext_lazy("Codes to new numbers of one country in a day"),
    LimitRule.NEW_DAY: gettext_lazy("Codes to new numbers in a day"),
    LimitRule.ORGANISATION_DAY: gettext_lazy("Codes of the organisation in a day"),
    LimitRule.COST_DAY: gettext_lazy("Cost of a day"),
}
"""The name of each rule, for filter and list."""

WHY: Mapping[LimitRule, Words] = {
    LimitRule.ATTEMPT: gettext_lazy("One sign-in sends at most %(limit)s codes. Starting again allows more."),
    LimitRule.PAUSE: gettext_lazy("Between two codes there are at least %(limit)s seconds."),
    LimitRule.QUARTER_HOUR: gettext_lazy("One person is sent at most %(limit)s codes in 15 minutes."),
    LimitRule.DAY: gettext_lazy(
        "One person is sent at most %(limit)s codes in a day. If none was entered, somebody else knows the password."
    ),
    LimitRule.NEW_NUMBERS: gettext_lazy("One person may try at most %(limit)s new numbers in a day."),
    LimitRule.NUMBER_DAY: gettext_lazy("One number is sent at most %(limit)s codes in a day, whoever asks for them."),
    LimitRule.NUMBER_PEOPLE: gettext_lazy("One number serves at most %(limit)s people in a day."),
    LimitRule.SWITCHBOARD: gettext_lazy(
        "All extensions of one number get at most %(limit)s calls in a day whose codes nobody enters, and more once "
        "people have entered codes there."
    ),
    LimitRule.RANGE_KIND: gettext_lazy("Nothing is ever sent to this kind of number: %(kind)s."),
    LimitRule.COUNTRY: gettext_lazy("Your rules do not allow this country."),
    LimitRule.COUNTRY_CLOSED: gettext_lazy(
        "Too few codes to new numbers of this country were entered, so they stopped."
    ),
    LimitRule.RANGE_HOUR: gettext_lazy(
        "Numbers that differ in the last four digits only are sent at most %(limit)s codes an hour that nobody enters."
    ),
    LimitRule.NEW_COUNTRY_DAY: gettext_lazy("New numbers of one country are sent at most %(limit)s codes in a day."),
    LimitRule.NEW_DAY: gettext_lazy("New numbers are sent at most %(limit)s codes in a day."),
    LimitRule.ORGANISATION_DAY: gettext_lazy(
        "The organisation sends at most %(limit)s codes in a day. Administrators still get theirs."
    ),
    LimitRule.COST_DAY: gettext_lazy(
        "The organisation spends at most %(limit)s in a day. Administrators still get codes."
    ),
}
"""The explanation of each rule, with the limit that was reached."""

RESULTS: Mapping[Result, Words] = {
    Result.WAITING: gettext_lazy("waiting for a channel"),
    Result.SENT: gettext_lazy("sent"),
    Result.DELIVERED: gettext_lazy("delivered"),
    Result.APPROVED: gettext_lazy("approved by keys"),
    Result.FAILED: gettext_lazy("not sent: no channel took it"),
    Result.EXPIRED: gettext_lazy("not sent in time"),
    Result.UNREACHABLE: gettext_lazy("telephone not reachable"),
    Result.NO_ANSWER: gettext_lazy("nobody answered"),
    Result.BUSY: gettext_lazy("line busy"),
    Result.DECLINED: gettext_lazy("call declined"),
    Result.HUNG_UP: gettext_lazy("hung up early"),
    Result.VOICEMAIL: gettext_lazy("no key pressed, perhaps a machine; nothing left on it"),
    Result.BAD_NUMBER: gettext_lazy("number does not exist"),
    Result.BLOCKED: gettext_lazy("blocked by the network"),
    Result.SIM_CHANGED: gettext_lazy("not sent: SIM card changed lately"),
    Result.MISMATCHED: gettext_lazy("wrong digits keyed"),
    Result.FRAUD_REPORTED: gettext_lazy("fraud reported by keys"),
}

TONES: Mapping[Result, str] = {
    Result.WAITING: "notice",
    Result.SENT: "quiet",
    Result.DELIVERED: "good",
    Result.APPROVED: "good",
}
"""The colours of results; all others are errors."""

PURPOSES: Mapping[str, Words] = {
    "sign_in": gettext_lazy("sign-in"),
    "confirm": gettext_lazy("confirming again"),
    "register": gettext_lazy("new phone"),
    "recover": gettext_lazy("new password"),
    "warning": gettext_lazy("warning"),
    "test": gettext_lazy("test"),
}

CHANNELS: Mapping[Channel, Words] = {Channel.SMS: gettext_lazy("text"), Channel.VOICE: gettext_lazy("call")}

RANGES: Mapping[NumberKind, Words] = {
    NumberKind.ORDINARY: gettext_lazy("an ordinary number"),
    NumberKind.PREMIUM: gettext_lazy("a premium-rate number"),
    NumberKind.SHARED_COST: gettext_lazy("a shared-cost number"),
    NumberKind.SATELLITE: gettext_lazy("a satellite or international network"),
    NumberKind.PERSONAL: gettext_lazy("a follow-me number, whose holder sets the price"),
    NumberKind.SERVICE: gettext_lazy("a pager, voice mail or universal number"),
    NumberKind.UNKNOWN: gettext_lazy("a range that nobody has been given"),
}

GATEWAYS: Mapping[str, str] = {
    "smpp": "SMPP",
    "sip": "SIP",
    "http": "HTTP",
    "46elks": "46elks",
    "kannel": "Kannel",
    "telnyx": "Telnyx",
    "twilio-calls": "Twilio, calls",
    "twilio-messages": "Twilio, texts",
    "vonage-sms": "Vonage",
}
"""Proper names; any other preset is shown under its name in the phones file."""


def gateway_words(kind: str) -> str:
    """Return the name of a kind of gateway in the phones file."""
    return GATEWAYS.get(kind, kind)


def country_words(code: str) -> str:
    """Return the name of a country by the code that deliveries store."""
    if code == NO_COUNTRY:
        return _("no country")
    return country_name(code, "en") or code or _("unknown")


def money(micros: int, currency: str) -> str:
    """Return an amount with two decimals; with up to four below one unit, as prices of texts are that small."""
    amount = Decimal(micros) / MICROS
    shown = f"{amount:,.2f}"
    if 0 < amount < 1:
        shown = f"{amount:.4f}".rstrip("0")
        shown += "0" * (2 - len(shown.partition(".")[2]))
    return f"{shown}\N{NO-BREAK SPACE}{currency}".strip()


def tone_of(result: Result) -> str:
    """Return the colour of a result's tag."""
    return TONES.get(result, "bad")


def why(rule: str, details: Mapping[str, object], limit: str) -> str:
    """Return the explanation why a rule stopped a message; a rule that no longer exists is returned as stored."""
    try:
        words = WHY[LimitRule(rule)]
    except ValueError:
        return rule
    try:
        kind = str(RANGES[NumberKind(str(details.get("kind")))])
    except ValueError:
        kind = _("unknown")
    return str(words) % {"limit": limit or _("what was allowed then"), "kind": kind}


def rule_words(rule: str) -> str:
    """Return the name of a rule."""
    try:
        return str(RULES[LimitRule(rule)])
    except ValueError:
        return rule


def result_words(result: str) -> str:
    """Return the label of a result."""
    return str(RESULTS[Result(result)])
