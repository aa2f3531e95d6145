"""Charts as numbers for a template: nested bars, from sent (the widest) to entered (the narrowest). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from watchword.admincenter.phones.statistics import NONE, Country, Counts

DAY_WIDTH, HEIGHT = 12, 100
MOST_COUNTRIES = 8
_BARS = (("sent", 9.0), ("arrived", 5.5), ("entered", 2.6))
"""Each kind of bar and its width, of the ``DAY_WIDTH`` of a day: widths distinguish the kinds without colours."""
_LYING = (("sent", 10.0), ("arrived", 7.0), ("entered", 3.5))
_ROUND = (2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle; positions and sizes are strings, because a localised decimal comma would break the SVG."""

    kind: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class DayBars:
    """The bars of one day."""

    day: date
    counts: Counts
    x: int
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class DayPlot:
    """All days, the oldest first; ``top`` is the number at the upper edge, always even."""

    days: Sequence[DayBars]
    top: int
    width: int
    height: int = HEIGHT

    @property
    def middle(self) -> int:
        """Return the number at half the height."""
        return self.top // 2


@dataclass(frozen=True, slots=True)
class CountryBars:
    """The bars of one country; an empty code stands for all countries without bars of their own."""

    country: Country
    is_rest: bool
    bars: Sequence[Bar]


def plot_days(days: Mapping[date, Counts]) -> DayPlot:
    """Return the chart of these days."""
    top = round_up(max((_largest(counts) for counts in days.values()), default=0))
    drawn = []
    for position, (day, counts) in enumerate(sorted(days.items())):
        left = position * DAY_WIDTH
        bars = []
        for kind, width in _BARS:
            height = HEIGHT * getattr(counts, kind) / top
            if height:
                bars.append(
                    Bar(kind, _number(left + (DAY_WIDTH - width) / 2), _number(HEIGHT - height), *_size(width, height))
                )
        drawn.append(DayBars(day, counts, left, bars))
    return DayPlot(drawn, top, DAY_WIDTH * len(drawn))


def plot_countries(countries: Sequence[Country]) -> list[CountryBars]:
    """Return the bars of the countries with messages; the smallest beyond ``MOST_COUNTRIES`` share one bar."""
    sent = [one for one in countries if _largest(one.all)]
    rest = sent[MOST_COUNTRIES:]
    shown = [(one, False) for one in sent[:MOST_COUNTRIES]]
    if rest:
        shown.append((Country("", all=sum((one.all for one in rest), NONE)), True))
    top = max((_largest(one.all) for one, _is_rest in shown), default=0)
    return [CountryBars(one, is_rest, _lying(one.all, top)) for one, is_rest in shown]


def _lying(counts: Counts, top: int) -> list[Bar]:
    bars = []
    for kind, width in _LYING:
        length = 100 * getattr(counts, kind) / top
        if length:
            bars.append(Bar(kind, "0", _number((DAY_WIDTH - width) / 2), *_size(length, width)))
    return bars


def round_up(number: int) -> int:
    """Return the next round even number, for the upper edge of a chart."""
    scale = 1
    while number > _ROUND[-1] * scale:
        scale *= 10
    return next(step * scale for step in _ROUND if step * scale >= number)


def _largest(counts: Counts) -> int:
    return max(counts.sent, counts.arrived, counts.entered)


def _size(width: float, height: float) -> tuple[str, str]:
    return _number(width), _number(height)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
