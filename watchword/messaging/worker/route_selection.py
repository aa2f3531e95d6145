"""Which carrier is asked first: the longest prefix, then weights moved by what really arrives. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from watchword.core.policy import Channel

LEAST_SHARE = 0.05
"""A carrier that does badly keeps a trickle, by which its recovery is seen."""
_DOUBT = 5
"""So many messages that arrived are assumed of every carrier: a few losses are no verdict."""


@dataclass(frozen=True, slots=True)
class Route:
    """What the operator says about one carrier."""

    name: str
    channels: frozenset[Channel]
    weight: int = 1
    prefixes: tuple[str, ...] = ()
    """Beginnings of numbers (E.164) that it carries; none: all of them."""
    each_day: int | None = None
    prices_micros: Mapping[str, int] = field(default_factory=dict)
    """Price of one message by country; ``*`` for the others."""

    def price_micros(self, country: str) -> int:
        """Return what one message costs there."""
        return self.prices_micros.get(country, self.prices_micros.get("*", 0))


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a carrier's messages in the last hour: taken by it, and known to have arrived."""

    taken: int = 0
    arrived: int = 0

    @property
    def share(self) -> float:
        """The share that arrived, between 0 and 1, with some doubt where there is little to go by."""
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
    """Return the carriers for a message in the order in which they are asked.

    Those whose prefix says most about the number come first; among equals one is drawn by weight times the square of
    the share that arrived, so that traffic moves to the healthier. Those that can't be used now come last: when
    nothing else is left, even a carrier that failed a moment ago is better than nobody. ``chance`` gives 0 <= x < 1.
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
    """Return how many digits of the number the carrier's prefixes name; -1 if it doesn't carry it."""
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
