"""The automated voice attendant as a pure machine: where a call stands, a key, where it stands then.

::

    ringing --answer--> greeting --1--> code <--1--+            (the code is spoken, to be typed)
       |                   |             |         |
    decline              0 #           0 #       (again)
       |                   |             |
       v                   v             v
     missed              fraud         fraud          any state --hang up--> ended

    ringing --answer--> greeting --the two digits--> approved   (number match: nothing is spoken, nothing typed)
                           |  two wrong ones, twice --> mismatched

Nothing is given away before a key was pressed, so that nothing is left on an answering machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

KEYS = frozenset("0123456789*#")
MATCH_TRIES = 2
"""How often two digits may be keyed in one call; a guess is right once in ninety."""
_MATCH_LENGTH = 2


class CallState(StrEnum):
    """Where a call stands; the values are stored."""

    RINGING = "ringing"
    GREETING = "greeting"
    CODE = "code"
    APPROVED = "approved"
    MISMATCHED = "mismatch"
    FRAUD = "fraud"
    ENDED = "ended"
    MISSED = "missed"

    @property
    def is_over(self) -> bool:
        """Whether nobody listens any more."""
        return self not in {CallState.RINGING, CallState.GREETING, CallState.CODE}


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its state, the keys pressed since the last one that meant something, and wrong pairs of digits."""

    state: CallState = CallState.RINGING
    pressed: str = ""
    wrong: int = 0


def answer(call: Call) -> Call:
    """Pick up."""
    return Call(CallState.GREETING) if call.state is CallState.RINGING else call


def hang_up(call: Call) -> Call:
    """Hang up, or decline a call that rings."""
    if call.state is CallState.RINGING:
        return Call(CallState.MISSED)
    return call if call.state.is_over else Call(CallState.ENDED)


def press(call: Call, key: str, *, match: str = "") -> Call:
    """Press one key; ``match`` is the pair of digits that the browser shows, where the organisation wants that.

    Without it ``1`` speaks the code (again); with it the pair approves. ``0`` and then ``#`` always reports fraud.
    """
    if call.state not in {CallState.GREETING, CallState.CODE} or key not in KEYS:
        return call
    if key == "#":
        return Call(CallState.FRAUD) if call.pressed == "0" else replace(call, pressed="")
    if match:
        return _press_for_match(call, key, match)
    if key == "1":
        return Call(CallState.CODE)
    return replace(call, pressed="0" if key == "0" else "")


def _press_for_match(call: Call, key: str, match: str) -> Call:
    pressed = call.pressed + key if call.pressed != "0" else key
    if not key.isdigit() or len(pressed) < _MATCH_LENGTH:
        return replace(call, pressed=pressed if key.isdigit() else "")
    if pressed == match:
        return Call(CallState.APPROVED)
    wrong = call.wrong + 1
    return Call(CallState.MISMATCHED if wrong >= MATCH_TRIES else CallState.GREETING, wrong=wrong)
