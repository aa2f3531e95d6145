"""The page docs/limits.md, with numbers from the code and descriptions from here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.forms import DecimalField

from watchword.admincenter import settings_views
from watchword.admincenter.phones import forms, shared_numbers
from watchword.alerts import recipients
from watchword.core.policy import LONGEST_APP_PASSWORD_WAIT_HOURS, SHARED_TIMES, STRICTEST, Limits
from watchword.messaging.limits import counters, pumping, rules
from watchword.messaging.limits.rules import Budget, LimitRule

FIXED = "fixed"
_WAIT = "the next try has to wait; the page says until when"
_LOCK = "the second proof is locked until an administrator unlocks it; the person and administrators are told"
_ADMINISTRATORS = "administrators with a proven phone still get codes"


@dataclass(frozen=True, slots=True)
class LimitWords:
    """The meaning of a limit, and the effect when it is reached."""

    meaning: str
    reached: str


SIGN_IN: Mapping[str, LimitWords] = {
    "code_seconds": LimitWords(
        "how long a code is valid", "the code opens nothing any more; another one can be asked for"
    ),
    "code_tries": LimitWords("tries of one code", "the code opens nothing any more; another one can be asked for"),
    "attempt_seconds": LimitWords("how long a sign-in may take", "it ends, and begins again with the name"),
    "recent_seconds": LimitWords(
        "how old a proof may be before a dangerous change", "the person proves again who they are"
    ),
    "session_seconds": LimitWords("the longest session, however busy", "the session ends; the person signs in again"),
    "session_idle_seconds": LimitWords("the longest pause in a session", "the session ends; the person signs in again"),
    "app_passwords": LimitWords("app passwords of one person", "no other one is made until one is deleted"),
    "initial_password_seconds": LimitWords(
        "how long an initial password, and a link for choosing one, is valid at most",
        "it opens nothing any more; an administrator makes another one",
    ),
    "cooling_off_seconds": LimitWords(
        "how long no app password is made after a phone number was replaced", "app passwords can be made again"
    ),
}
GUESSING: Mapping[str, LimitWords] = {
    "burst_failures": LimitWords("wrong passwords for one name from one source, or wrong codes of one person", _WAIT),
    "burst_seconds": LimitWords("the time within which they count", "the oldest failures no longer count"),
    "first_wait_seconds": LimitWords("the first wait", "each further failure doubles it"),
    "longest_wait_seconds": LimitWords("the longest wait", "it grows no further"),
    "day_failures": LimitWords("wrong codes of one person in 24 hours", _LOCK),
    "failures_in_a_row": LimitWords("wrong codes of one person since the last right one, however slowly", _LOCK),
    "name_failures": LimitWords(
        "wrong passwords for one name in 24 hours, from all sources together", "administrators get an alert"
    ),
    "source_failures": LimitWords(
        f"wrong passwords from one source, for all names together; {SHARED_TIMES} times as many from a shared address",
        "every try from there has to wait; from a trusted network none waits",
    ),
    "source_seconds": LimitWords("the time within which they count", "the oldest failures no longer count"),
    "source_longest_wait_seconds": LimitWords("the longest wait of a source", "it grows no further"),
}
_PERSON_WAITS = "no further code is sent; the page says from when on"
MESSAGES: Mapping[LimitRule, LimitWords] = {
    LimitRule.RANGE_KIND: LimitWords(
        "numbers of kinds that cost more, or whose kind is unknown", "nothing is ever sent there"
    ),
    LimitRule.COUNTRY: LimitWords("countries to which codes may go", "nothing is sent to other countries"),
    LimitRule.ATTEMPT: LimitWords("codes in one sign-in", "no further code is sent in it; the person starts again"),
    LimitRule.DAY: LimitWords(
        f"codes for one person in 24 hours; apart from them {rules.WARNINGS_EACH_DAY} warnings by text", _PERSON_WAITS
    ),
    LimitRule.QUARTER_HOUR: LimitWords("codes for one person in 15 minutes", _PERSON_WAITS),
    LimitRule.PAUSE: LimitWords("the pause before another code; none after a failed delivery", _PERSON_WAITS),
    LimitRule.NEW_NUMBERS: LimitWords(
        "new numbers that one person may try in 24 hours", "other new numbers get no code"
    ),
    LimitRule.NUMBER_DAY: LimitWords(
        "messages to one number in 24 hours, from all organisations; half of them at most for registering it, and half "
        "at most for warnings",
        "nothing is sent to it",
    ),
    LimitRule.NUMBER_PEOPLE: LimitWords(
        "people for whom codes go to one number in 24 hours", "other people get no code at this number"
    ),
    LimitRule.SWITCHBOARD: LimitWords(
        "calls in 24 hours to all extensions of one number whose codes were not entered", "no extension is called"
    ),
    LimitRule.COUNTRY_CLOSED: LimitWords(
        "codes to new numbers of one country, of which next to none were entered",
        "codes to new numbers there stop, and administrators get an alert; *Reopen* ends it",
    ),
    LimitRule.RANGE_HOUR: LimitWords(
        "codes in an hour to new numbers that differ in their last four digits, and that were not entered; "
        f"{rules.RANGE_EACH_PROVEN} more for each person with a proven number among them, and within five minutes one "
        f"more for each person of the organisation, {rules.MOST_BURST} at most",
        "new numbers of this block get no code",
    ),
    LimitRule.NEW_COUNTRY_DAY: LimitWords(
        "codes to new numbers of one country in a day", "new numbers there get no code"
    ),
    LimitRule.NEW_DAY: LimitWords("codes to new numbers in a day", "new numbers get no code"),
    LimitRule.ORGANISATION_DAY: LimitWords(
        "messages of the organisation in a day", f"nothing is sent; {_ADMINISTRATORS}"
    ),
    LimitRule.COST_DAY: LimitWords(
        "cost of a day by the prices of the phones file; half of it at most for new numbers",
        f"nothing is sent; {_ADMINISTRATORS}",
    ),
}
"""In the order in which the rules are evaluated; the first that forbids a message decides."""

type Row = tuple[str, str, str, str, str]
"""Name, meaning, default, bounds, what happens."""

_PAGE = """\
# Limits

<!-- Written by `watchword limit_table`; a test holds it to the numbers that the code uses. -->

What one organisation may use, how far an administrator can change it, and what happens when it is reached. Changes
hold at once, for this organisation alone. Where the column *bounds* names no page, the limit has no field in the admin
center yet; what is *fixed* is the same for every organisation. Settings of the installation are in
[Settings](settings.md).

A limit of security goes from Watchword's own value to the strictest one with which people can still sign in; it can be
made stricter and never weaker. A budget goes either way.

## Sign-in, sessions and app passwords

{sign_in}

## Wrong passwords and codes

A source is a network address, or the /64 of an IPv6 address. Account passwords wait and are never locked; see
[Shared addresses](admin/service-settings.md#shared-addresses).

{guessing}

## Messages to phones

In the order in which the rules are asked: the first one that forbids a message decides. *New* is a number that somebody
registers and nobody has proven yet. 24 hours, an hour and 15 minutes slide; a day is one of UTC. What was not sent is
listed under *Phone delivery*, *Blocked*, with the rule, up to {blocked} of one person in an hour.
[What may go to a phone](security/phone-guard.md) says what each rule is for.

{messages}

A country is closed for {abroad} hours, the organisation's own for {home}, and that one only where codes that were not
entered went to as many numbers as there are people, {numbers} at most.

## Lists and other service settings

{lists}
"""


def markdown() -> str:
    """Return the page ``docs/limits.md``."""
    alarm = Budget(frozenset())
    return _PAGE.format(
        sign_in=_table(_limit_row(name, words) for name, words in SIGN_IN.items()),
        guessing=_table(_limit_row(name, words) for name, words in GUESSING.items()),
        messages=_table(_message_row(rule, words) for rule, words in MESSAGES.items()),
        lists=_table(_list_rows()),
        blocked=counters.REFUSALS_EACH_HOUR,
        abroad=alarm.alarm_closes // rules.HOUR,
        home="an hour" if alarm.alarm_closes_home == rules.HOUR else f"{alarm.alarm_closes_home // rules.HOUR} hours",
        numbers=pumping.NUMBERS_AT_HOME,
    )


def _limit_row(name: str, words: LimitWords) -> Row:
    weakest, strictest = (_amount(name, getattr(limits, name)) for limits in (Limits(), STRICTEST))
    bounds = f"{weakest} to {strictest}"
    if name in settings_views.LIMITS:
        bounds += "; *Service settings*"
    return f"`{name}`", words.meaning, weakest, bounds, words.reached


def _message_row(rule: LimitRule, words: LimitWords) -> Row:
    if rule.value in {field.name for field in dataclasses.fields(Limits)}:
        return _limit_row(rule.value, words)
    default, bounds = _budget(rule) if rule in (*forms.BUDGETS, LimitRule.COST_DAY) else _fixed(rule)
    return f"`{rule.value}`", words.meaning, default, bounds, words.reached


def _budget(rule: LimitRule) -> tuple[str, str]:
    """Return default and bounds of a budget; the default is computed by the code, for none and for one person."""
    if rule is LimitRule.COST_DAY:
        base, one = (_default_budget(people).cost_micros_each_day or 0 for people in (0, 1))
        field = forms.RulesForm.base_fields["cost_each_day"]
        assert isinstance(field, DecimalField)
        most = 10 ** ((field.max_digits or 0) - (field.decimal_places or 0))
        default = (
            f"without prices none; with prices what {base} messages cost, and {one - base} for each person, at the "
            "dearest price of the organisation's own country"
        )
        return default, f"{field.min_value} to less than {most:,}; *Phone delivery*, *Rules*"
    base, one = (getattr(_default_budget(people), rule.value) for people in (0, 1))
    default = f"{base}, and {_each(one - base)} for each person" if one > base else str(base)
    bounds = f"1 to {forms.MOST:,}; *Phone delivery*, *Rules*"
    if rule in {LimitRule.NEW_DAY, LimitRule.NEW_COUNTRY_DAY}:
        bounds += f"; half of `{LimitRule.ORGANISATION_DAY.value}` at most"
    return default, bounds


def _default_budget(people: int) -> Budget:
    return Budget.of(region="US", people=people, countries=[], config={}, price_micros=1)


def _fixed(rule: LimitRule) -> tuple[str, str]:
    alarm = Budget(frozenset())
    match rule:
        case LimitRule.RANGE_KIND:
            return "always", FIXED
        case LimitRule.COUNTRY:
            return "the organisation's own", "any list of countries; *Phone delivery*, *Rules*"
        case LimitRule.SWITCHBOARD:
            more = _each(rules.SWITCHBOARD_EACH_PROVEN)
            return f"{rules.SWITCHBOARD_UNTYPED}, and {more} for each person who has entered a code there", FIXED
        case LimitRule.COUNTRY_CLOSED:
            newest = f"{alarm.alarm_sends} to {pumping.LOOKED_AT}"
            return f"fewer than {alarm.alarm_share:.0%} entered of the newest {newest}", FIXED
        case _:
            raise AssertionError(rule)


def _list_rows() -> Iterable[Row]:
    together = "a /8 of IPv4 and a /16 of IPv6 together at most"
    networks = f"0 to {settings_views.MOST_NETWORKS} networks, {together}; *Service settings*"
    refused = "the page refuses to save more, and says so"
    letters = f"{settings_views.SHORTEST_WORD} to {settings_views.LONGEST_WORD}"
    wait = f"0 to {LONGEST_APP_PASSWORD_WAIT_HOURS}; *Service settings*"
    yield (
        "`app_password_wait_hours`",
        "hours that a registration which nothing vouched for waits for its app password",
        "0",
        wait,
        "the person becomes Enforced and can make app passwords",
    )
    yield (
        "`trusted_networks`",
        "networks without codes in a browser",
        "none",
        f"{networks}; *Service settings*",
        refused,
    )
    yield "`shared_networks`", "addresses of offices", "none", networks, refused
    words = f"0 to {settings_views.MOST_WORDS:,} words of {letters} letters; *Service settings*"
    yield "`banned_words`", "words that add nothing to a password", "none", words, refused
    addresses = f"0 to {recipients.MOST} addresses; *Service settings*"
    yield "`alert_recipients`", "addresses that alerts are mailed to", "the Global Administrators", addresses, refused
    numbers = f"0 to {shared_numbers.MOST} numbers; *Phone delivery*, *Rules*"
    yield "shared telephones", "numbers with limits of their own", "none", numbers, refused
    for name, most, rule in (
        ("people at a shared telephone", shared_numbers.MOST_PEOPLE, LimitRule.NUMBER_PEOPLE),
        ("codes to a shared telephone", shared_numbers.MOST_CODES, LimitRule.NUMBER_DAY),
    ):
        initial = shared_numbers.SharedNumberForm.base_fields["people" if "people" in name else "codes"].initial
        bounds = f"1 to {most}; *Phone delivery*, *Rules*"
        yield name, f"in 24 hours, where this is more than `{rule.value}`", str(initial), bounds, MESSAGES[rule].reached


def _amount(name: str, value: int) -> str:
    return _duration(value) if name.endswith("_seconds") else str(value)


def _duration(seconds: int) -> str:
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % length == 0:
            return f"{seconds // length} {unit}{'' if seconds == length else 's'}"
    raise AssertionError(seconds)


def _each(number: int) -> str:
    return {1: "one"}.get(number, str(number))


def _table(rows: Iterable[Row]) -> str:
    head = ("limit", "meaning", "default", "bounds", "when it is reached")
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows))
