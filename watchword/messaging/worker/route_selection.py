"""Rank the gateways for a message: longest prefix first, then by weight and recent delivery rate. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from watchword.core.policy import Channel

LEAST_SHARE = 0.05
"""A gateway with a low delivery rate retains a little traffic, by which its recovery is noticed."""
_DOUBT = 5
"""Arrived messages that are assumed for every gateway in advance: a few losses prove nothing."""


@dataclass(frozen=True, slots=True)
class Route:
    """The operator's options for one gateway."""

    name: str
    channels: frozenset[Channel]
    weight: int = 1
    prefixes: tuple[str, ...] = ()
    """Prefixes of numbers (E.164) that it accepts; empty: all numbers."""
    each_day: int | None = None
    prices_micros: Mapping[str, int] = field(default_factory=dict)
    """Price of one message in millionths, by country; ``*`` for all other countries."""

    def price_micros(self, country: str) -> int:
        """Return the price of one message to a country, in millionths of the currency."""
        return self.prices_micros.get(country, self.prices_micros.get("*", 0))


@dataclass(frozen=True, slots=True)
class Measured:
    """A gateway's results in the last hour: accepted messages, and those known to have arrived."""

    taken: int = 0
    arrived: int = 0

    @property
    def share(self) -> float:
        """Return the share that arrived, between 0 and 1; it is close to 1 where there are few messages."""
        return (self.arrived + _DOUBT) / (self.taken + _DOUBT)


def order(
    routes: Sequence[Route],
    *,
    channel: Channel,
    number: str,
    is_usable: Callable[[str], bool],
    measured: Mapping[str, Measured],
    random_source: Callable[[], float],
) -> list[Route]:
    """Return the gateways for a message in the order in which they are tried.

    The longest matching prefix comes first; among equals one is drawn by weight times the square of its delivery
    rate, so that traffic moves to the healthier. Unusable gateways come last: if no other is left, a gateway that
    has just failed is better than none. ``random_source`` returns 0 <= x < 1.
    """
    fitting = [(_fit(route, number), route) for route in routes if channel in route.channels]
    groups: dict[tuple[bool, int], list[Route]] = {}
    for fit, route in fitting:
        if fit >= 0:
            groups.setdefault((is_usable(route.name), fit), []).append(route)
    ordered: list[Route] = []
    for key in sorted(groups, reverse=True):
        ordered += _drawn(groups[key], measured, random_source)
    return ordered


def _fit(route: Route, number: str) -> int:
    """Return the length of the longest matching prefix; -1 if the gateway doesn't accept the number."""
    if not route.prefixes:
        return 0
    return max((len(prefix) for prefix in route.prefixes if number.startswith(prefix)), default=-1)


def _drawn(routes: list[Route], measured: Mapping[str, Measured], random_source: Callable[[], float]) -> list[Route]:
    left = list(routes)
    drawn = []
    while left:
        weights = [_weight(route, measured.get(route.name, Measured())) for route in left]
        point = random_source() * sum(weights)
        for position, weight in enumerate(weights):
            point -= weight
            if point < 0 or position == len(left) - 1:
                drawn.append(left.pop(position))
                break
    return drawn


def _weight(route: Route, measured: Measured) -> float:
    return max(route.weight, 1) * max(measured.share**2, LEAST_SHARE)
