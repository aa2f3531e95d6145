"""Count what the rate limits evaluate, and record which messages they permitted and denied."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count

from watchword.core import phone_numbers
from watchword.core.policy import Channel, Limits
from watchword.directory.models import Organisation, User
from watchword.messaging.gateway import Result
from watchword.messaging.limits import daily_totals, pumping, rules
from watchword.messaging.limits.rules import DAY, HOUR, Asked, Budget, LimitRule, Permitted, SendThrottled
from watchword.messaging.models import Delivery, DeniedMessage, SharedNumber

__all__ = [
    "CountedTelephone",
    "LimitRule",
    "Permitted",
    "SendThrottled",
    "budget_of",
    "reserve_send",
    "reserve_warning",
    "telephone_of",
]

REFUSALS_EACH_HOUR = 30
"""Denials with details for the administrator, for each person in an hour; the daily total counts all of them."""
_NUMBER = "messaging.number"
CODES = ("sign_in", "confirm", "register", "recover")
"""Purposes of deliveries that carry a code; the others are warnings and tests."""
_OF_NUMBER = frozenset({LimitRule.NUMBER_DAY, LimitRule.NUMBER_PEOPLE})
MOST_UNTYPED = 1_000
PROVEN_LOOKED_AT = 200
"""How many of the newest typed codes in a block are read, so that a block with many users stays cheap."""


@dataclass(frozen=True, slots=True)
class CountedTelephone:
    """The stored form of a number: keyed hashes, country and last digits."""

    number_keys: tuple[bytes, ...]
    """Keyed hashes, the newest key's first: it is the one that is stored, and all of them find older deliveries."""
    range_keys: tuple[bytes, ...]
    country: str
    kind: phone_numbers.NumberKind
    ends: str
    is_extension: bool = False
    """Whether it is an extension of a switchboard: its neighbours are then that number's other extensions."""

    @property
    def number_key(self) -> bytes:
        """Return the hash that is stored."""
        return self.number_keys[0]

    def row(self) -> dict[str, Any]:
        """Return the columns of a delivery that identify its number."""
        return {
            "number_key": self.number_keys[0],
            "range_key": self.range_keys[0],
            "country": self.country,
            "ends": self.ends,
        }


def telephone_of(e164: str, extension: str = "") -> CountedTelephone:
    """Return the stored form of a number with its extension: keyed hashes and its country, never the number."""
    seen = phone_numbers.classify(e164)
    number = phone_numbers.counted_as(e164)
    is_extension = phone_numbers.line_of(e164, extension) != number
    block = f"{number};ext" if is_extension else phone_numbers.block_of(number)
    return CountedTelephone(
        number_keys=number_keys(e164, extension),
        range_keys=settings.WATCHWORD_KEY_RING.macs("messaging.range", block.encode()),
        country=seen.country,
        kind=seen.kind,
        ends=e164[-2:],
        is_extension=is_extension,
    )


def number_keys(e164: str, extension: str = "") -> tuple[bytes, ...]:
    """Return the keyed hashes by which deliveries to a telephone are found, the newest key's first."""
    return settings.WATCHWORD_KEY_RING.macs(_NUMBER, phone_numbers.line_of(e164, extension).encode())


def budget_of(organisation: Organisation) -> Budget:
    """Return the quotas and the spending cap of an organisation, by its options and its size."""
    return _budget(organisation, people=_people(organisation).count())


def reserve_send(
    user: User, telephone: CountedTelephone, channel: Channel, *, sends_in_attempt: int, is_new: bool, now: datetime
) -> Permitted | SendThrottled:
    """Check the limits for one code to one number and count it if permitted. The caller has locked the user's row.

    ``is_new``: no person has proven yet to own this number.
    """
    _take_turns(user, telephone, is_new=is_new)
    asked = _count(user, telephone, channel, sends_in_attempt=sends_in_attempt, is_new=is_new, now=now)
    return _decide(user, telephone, channel, asked, rules.evaluate)


def reserve_warning(user: User, telephone: CountedTelephone, *, now: datetime) -> Permitted | SendThrottled:
    """Check the limits for one text without a code and count it if permitted. Call it in a transaction."""
    _take_turns(user, telephone, is_new=False)
    asked = _count(user, telephone, Channel.SMS, sends_in_attempt=0, is_new=False, now=now)
    return _decide(user, telephone, Channel.SMS, asked, rules.evaluate_warning)


def _take_turns(user: User, telephone: CountedTelephone, *, is_new: bool) -> None:
    """Take advisory locks until the commit: messages that share a limit are checked one after the other on all nodes.

    The lock on the user's row, which the caller holds, is not enough: a number and its neighbours are counted over all
    people and organisations, a day's cost over a whole organisation. The lock order is always the same, so that no
    deadlock can occur. SQLite has one write transaction at a time anyway (BEGIN IMMEDIATE).
    """
    if connection.vendor != "postgresql":
        return
    # The oldest key is known to all nodes even while a new one is being distributed.
    shared = [telephone.number_keys[-1]]
    if is_new or telephone.is_extension:
        shared.append(telephone.range_keys[-1])
    shared.append(settings.WATCHWORD_KEY_RING.macs("messaging.organisation", str(user.organisation_id).encode())[-1])
    with connection.cursor() as cursor:
        for key in shared:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(key[:8], signed=True)])


def _decide(
    user: User,
    telephone: CountedTelephone,
    channel: Channel,
    asked: Asked,
    evaluate: Callable[[Asked, Limits, Budget], Permitted | SendThrottled],
) -> Permitted | SendThrottled:
    organisation, now = user.organisation, asked.now
    limits = organisation.policy.limits
    verdict = _evaluate(organisation, asked, limits, evaluate)
    if isinstance(verdict, SendThrottled) and verdict.rule in _OF_NUMBER:
        named = _limits_at(organisation, telephone, limits)
        if named is not None:
            verdict = _evaluate(organisation, asked, named, evaluate)
    is_new = asked.is_new
    if isinstance(verdict, Permitted):
        daily_totals.add(organisation.pk, now, telephone.country, channel, is_new=is_new, asked=1)
    elif verdict.rule not in {LimitRule.ATTEMPT, LimitRule.PAUSE}:
        note_refusal(user, telephone, channel, verdict, is_new=is_new, now=now)
    return verdict


def _evaluate(
    organisation: Organisation,
    asked: Asked,
    limits: Limits,
    evaluate: Callable[[Asked, Limits, Budget], Permitted | SendThrottled],
) -> Permitted | SendThrottled:
    # Counting people costs milliseconds in a large organisation: it is done only when the decision depends on it.
    verdict = evaluate(asked, limits, _budget(organisation, people=0))
    if isinstance(verdict, SendThrottled) and verdict.rule.grows_with_people:
        verdict = evaluate(asked, limits, _budget(organisation, people=_enough_people(organisation, asked)))
    return verdict


def _limits_at(organisation: Organisation, telephone: CountedTelephone, limits: Limits) -> Limits | None:
    """Return the limits of a telephone that an administrator named as shared; None for any other one."""
    for row in SharedNumber.objects.filter(organisation=organisation).exclude(number=b"").order_by("pk"):
        if telephone.number_key in number_keys(row.number):
            return dataclasses.replace(
                limits,
                people_each_number_and_day=max(limits.people_each_number_and_day, row.people_each_day),
                sends_each_number_and_day=max(limits.sends_each_number_and_day, row.codes_each_day),
            )
    return None


def _budget(organisation: Organisation, *, people: int) -> Budget:
    return Budget.of(
        region=organisation.region,
        people=people,
        countries=list(organisation.phone_countries),
        config=organisation.phone_budget,
        price_micros=price_at_home(organisation),
    )


def _people(organisation: Organisation) -> Any:
    return User.objects.filter(organisation=organisation, deleted_at=None).order_by()


def _enough_people(organisation: Organisation, asked: Asked) -> int:
    """Return the number of people, or a lower number that is enough to reach no limit that depends on it."""
    by_all = (asked.organisation_today - rules.ORGANISATION_BASE) // rules.ORGANISATION_EACH
    by_new = max(asked.new_today, asked.new_in_country_today) - rules.NEW_BASE
    by_range = len(asked.unproven_in_range)
    # Registrations may spend half of a day's spending cap.
    spent, price = asked.cost_micros_today + asked.price_micros, price_at_home(organisation)
    by_cost = (2 * spent // price + 1 - rules.COST_BASE) // rules.COST_EACH + 1 if price else 0
    return int(_people(organisation)[: max(by_all, by_new, by_range, by_cost, 0) + 1].count())


def note_refusal(
    user: User, telephone: CountedTelephone, channel: Channel, verdict: SendThrottled, *, is_new: bool, now: datetime
) -> None:
    """Count a denied message, and record the rule that decided, for the administrator.

    Repeated requests by one person fill neither the database nor the administrator's page.
    """
    daily_totals.add(user.organisation_id, now, telephone.country, channel, is_new=is_new, refused=1)
    if DeniedMessage.objects.filter(user=user, at__gt=now - HOUR).count() >= REFUSALS_EACH_HOUR:
        return
    DeniedMessage.objects.create(
        organisation_id=user.organisation_id,
        user=user,
        at=now,
        channel=channel,
        country=telephone.country,
        ends=telephone.ends,
        rule=verdict.rule,
        details=dict(verdict.details),
    )


def _count(
    user: User, telephone: CountedTelephone, channel: Channel, *, sends_in_attempt: int, is_new: bool, now: datetime
) -> Asked:
    if is_new:
        pumping.tell_of_untyped(user, now)
    day = Delivery.objects.filter(created_at__gt=now - DAY).order_by("-created_at")
    # An administrator's tests and warnings don't count towards the limits of codes.
    sent = list(day.filter(user=user).values_list("created_at", "number_key", "purpose", "result"))
    mine = [row for row in sent if row[2] in CODES]
    tried = [(bytes(key), at) for at, key, purpose, _result in mine if purpose == "register"]
    to_number = list(day.filter(number_key__in=telephone.number_keys).values_list("created_at", "user_id", "purpose"))
    counted = CODES if is_new else tuple(purpose for purpose in CODES if purpose != "register")
    others = [(whose, at) for at, whose, purpose in to_number if whose != user.pk and purpose in counted]
    return Asked(
        now=now,
        kind=telephone.kind,
        country=telephone.country,
        is_new=is_new,
        is_administrator=user.is_administrator,
        sends_in_attempt=sends_in_attempt,
        mine=tuple(row[0] for row in mine),
        last_was_trouble=bool(mine) and Result(mine[0][3]).is_trouble,
        other_new_numbers=_newest_of_each((key, at) for key, at in tried if key not in telephone.number_keys),
        my_warnings=tuple(at for at, _key, purpose, _result in sent if purpose == "warning"),
        to_number=tuple(at for at, _whose, _purpose in to_number),
        new_to_number=tuple(at for at, _whose, purpose in to_number if purpose == "register"),
        warnings_to_number=tuple(at for at, _whose, purpose in to_number if purpose == "warning"),
        others_at_number=_newest_of_each(others),
        unproven_in_range=_unproven_in_range(telephone, now) if is_new and not telephone.is_extension else (),
        proven_in_range=_proven_in_range(user, telephone) if is_new or telephone.is_extension else 0,
        untyped_at_switchboard=_untyped_at_switchboard(telephone, now) if telephone.is_extension else (),
        closed_until=pumping.close_if_pumped(user, telephone.country, now) if is_new else None,
        price_micros=_price_of(channel, telephone.country),
        **_today(user.organisation, telephone.country, now),
    )


def _newest_of_each(rows: Iterable[tuple[Any, datetime]]) -> tuple[datetime, ...]:
    """Return the newest time of each key; ``rows`` and the result are newest first."""
    newest: dict[Any, datetime] = {}
    for key, at in rows:
        newest.setdefault(key, at)
    return tuple(newest.values())


def _unproven_in_range(telephone: CountedTelephone, now: datetime) -> tuple[datetime, ...]:
    return _untyped(telephone, now - HOUR, purpose="register")


def _untyped_at_switchboard(telephone: CountedTelephone, now: datetime) -> tuple[datetime, ...]:
    return _untyped(telephone, now - DAY)


def _untyped(telephone: CountedTelephone, since: datetime, **which: str) -> tuple[datetime, ...]:
    """Return times of messages to the neighbours of a telephone whose codes were not typed, in time or late."""
    rows = Delivery.objects.filter(
        range_key__in=telephone.range_keys, created_at__gt=since, entered_at=None, typed_late_at=None, **which
    )
    # Messages that failed at the gateway are no sign of an attack.
    rows = rows.exclude(result__in=[Result.FAILED, Result.EXPIRED])
    return tuple(rows.order_by("-created_at").values_list("created_at", flat=True)[:MOST_UNTYPED])


def _proven_in_range(user: User, telephone: CountedTelephone) -> int:
    """Return how many people of an organisation have recently typed a code sent to the neighbours of a telephone."""
    rows = Delivery.objects.filter(
        range_key__in=telephone.range_keys, organisation=user.organisation_id, entered_at__isnull=False
    )
    return len(set(rows.order_by("-created_at").values_list("user_id", flat=True)[:PROVEN_LOOKED_AT]))


def _price_of(channel: Channel, country: str) -> int:
    """Return the highest price of a message, over the gateways that could send it."""
    routes = [planned.route for planned in settings.WATCHWORD_PHONES.gateways if channel in planned.route.channels]
    return max((route.price_micros(country) for route in routes), default=0)


def price_at_home(organisation: Organisation) -> int:
    """Return the highest price of a message in the organisation's own country; 0 without prices."""
    return max(_price_of(channel, organisation.region) for channel in Channel)


def _on_its_way(organisation: Organisation, now: datetime) -> int:
    """Return the cost of messages that no gateway has taken yet: fast requests can't exceed the spending cap."""
    waiting = Delivery.objects.filter(
        organisation=organisation, created_at__gt=now - rules.SETTLED_AFTER, result=Result.WAITING
    )
    rows = waiting.order_by().values_list("channel", "country").annotate(Count("pk"))
    return sum(_price_of(Channel(channel), country) * number for channel, country, number in rows)


def _today(organisation: Organisation, country: str, now: datetime) -> dict[str, int]:
    today = daily_totals.today(organisation.pk, country, now)
    if organisation.phone_budget.get("cost_each_day") or price_at_home(organisation):
        today["cost_micros_today"] += _on_its_way(organisation, now)
    return today
