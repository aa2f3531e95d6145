"""The options to send another code, in the order in which a page offers them: the most promising first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from watchword.core.policy import Channel
from watchword.signin.otp.challenges import CodeOnTheWay
from watchword.signin.sign_in_view import MethodChoice


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: a telephone and a channel. ``method`` is empty if there is only one telephone."""

    method: str
    channel: Channel
    ends: str


@dataclass(frozen=True, slots=True)
class Offer:
    """All buttons in their order, and the option to suggest if a code does not arrive."""

    choices: tuple[Choice, ...]
    instead: Choice | None
    """Another channel to the same telephone; None if there is none."""


def of_methods(methods: Iterable[MethodChoice]) -> list[Choice]:
    """Return a choice for every channel of every method."""
    return [
        Choice(str(method.credential_id), channel, method.ends) for method in methods for channel in method.channels
    ]


def offer(choices: Iterable[Choice], code: CodeOnTheWay | None) -> Offer:
    """Return the choices in order: another channel to the last telephone, other telephones, the last one tried."""
    if code is None:
        return Offer(tuple(choices), None)
    method = str(code.credential_id) if code.credential_id is not None else ""

    def place(choice: Choice) -> int:
        if choice.method != method:
            return 1
        return 2 if choice.channel is code.channel else 0

    ordered = tuple(sorted(choices, key=place))
    is_other = bool(ordered) and place(ordered[0]) == 0
    return Offer(ordered, ordered[0] if is_other else None)
