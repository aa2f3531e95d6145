"""The base class of every result that means *no*."""

from __future__ import annotations

from typing import Literal


class NegativeResult:
    """A result that is false, so that ``if not result`` finds every no: denied, rejected, throttled, failed."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False
