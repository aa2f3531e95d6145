"""The state of the gateways: configuration, the dispatcher's last report, and the measured rate of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q

from watchword.admincenter.phones.labels import CHANNELS, country_words, gateway_words, money
from watchword.core.policy import Channel
from watchword.messaging.config_file import ConfiguredGateway
from watchword.messaging.gateway import Result
from watchword.messaging.models import DeliveryAttempt, GatewayState
from watchword.messaging.worker.persistence import HAS_HAD_TIME, MEASURED_OVER
from watchword.messaging.worker.route_selection import Route

SEEN_WITHIN = timedelta(seconds=30)
"""The dispatcher writes the state of each gateway every ten seconds; after this time it counts as stopped."""
_ARRIVED = [result.value for result in Result if result.has_arrived]


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """One gateway as the page shows it. ``standing`` is up, down or stopped."""

    name: str
    kind: str
    channels: Sequence[str]
    prefixes: Sequence[str]
    weight: int
    prices: Sequence[tuple[str, str]]
    standing: str
    words: str
    is_paused: bool
    """Whether the circuit breaker is open."""
    since: datetime | None
    taken: int
    arrived: int
    carried_today: int
    each_day: int | None

    @property
    def share(self) -> int | None:
        """Return the share of the last hour's messages that arrived, in per cent; None if there were none."""
        return round(100 * self.arrived / self.taken) if self.taken else None


def gateway_rows(*, now: datetime) -> list[GatewayRow]:
    """Return every gateway of the phones file. The messages of all organisations count, as they share the gateways."""
    planned = settings.WATCHWORD_PHONES.gateways
    names = [one.route.name for one in planned]
    states = {state.name: state for state in GatewayState.objects.filter(name__in=names)}
    measured = _measured(names, now)
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    carried = DeliveryAttempt.objects.filter(gateway__in=names, at__gte=today).exclude(reference="")
    carried_today = dict(carried.values_list("gateway").annotate(Count("pk")).order_by())
    return [
        _row(one, states.get(one.route.name), measured, carried_today.get(one.route.name, 0), now=now)
        for one in planned
    ]


def gateway_names() -> list[str]:
    """Return the name of every gateway that a delivery can have used."""
    return [one.route.name for one in settings.WATCHWORD_PHONES.gateways]


def fits(route: Route, number: str) -> bool:
    """Return whether a gateway accepts numbers with this prefix."""
    return not route.prefixes or number.startswith(route.prefixes)


def channel_words(channels: frozenset[Channel]) -> list[str]:
    """Return the labels of the channels, texts first."""
    return [str(CHANNELS[channel]) for channel in Channel if channel in channels]


def _measured(names: Sequence[str], now: datetime) -> dict[str, tuple[int, int]]:
    rows = DeliveryAttempt.objects.filter(gateway__in=names, at__gt=now - MEASURED_OVER, at__lte=now - HAS_HAD_TIME)
    rows = rows.exclude(reference="", result=Result.BAD_NUMBER)
    arrived = Count("pk", filter=Q(result__in=_ARRIVED) | Q(delivery__entered_at__isnull=False))
    counted = rows.values("gateway").annotate(taken=Count("pk"), arrived=arrived).order_by()
    return {row["gateway"]: (row["taken"], row["arrived"]) for row in counted}


def _row(
    one: ConfiguredGateway,
    state: GatewayState | None,
    measured: dict[str, tuple[int, int]],
    carried_today: int,
    *,
    now: datetime,
) -> GatewayRow:
    route = one.route
    taken, arrived = measured.get(route.name, (0, 0))
    standing = "stopped"
    if state is not None and now - state.seen_at <= SEEN_WITHIN:
        standing = "up" if state.is_up else "down"
    currency = settings.WATCHWORD_PHONES.currency
    prices = sorted(route.prices_micros.items(), key=lambda price: (price[0] == "*", country_words(price[0])))
    return GatewayRow(
        name=route.name,
        kind=gateway_words(one.kind),
        channels=channel_words(route.channels),
        prefixes=route.prefixes,
        weight=route.weight,
        prices=[("" if code == "*" else country_words(code), money(micros, currency)) for code, micros in prices],
        standing=standing,
        words=state.words if state is not None else "",
        is_paused=state is not None and standing != "stopped" and not state.is_open,
        since=state.changed_at if state is not None and standing != "stopped" else state.seen_at if state else None,
        taken=taken,
        arrived=arrived,
        carried_today=carried_today,
        each_day=route.each_day,
    )
