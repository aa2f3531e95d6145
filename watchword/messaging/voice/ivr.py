"""The IVR as a pure state machine: a call's state and a key give the next state.

::

    ringing --answer--> greeting --1--> code <--1--+            (the code is spoken, to be typed)
       |                   |             |         |
    decline              0 #           0 #       (again)
       |                   |             |
       v                   v             v
     missed              fraud         fraud          any state --hang up--> ended

    ringing --answer--> greeting --the two digits--> approved   (number match: nothing is spoken, nothing typed)
                           |  two wrong ones, twice --> mismatched

No code is spoken before a key was pressed, so that none is recorded by an answering machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

KEYS = frozenset("0123456789*#")
MATCH_TRIES = 2
"""How many pairs of digits may be pressed in one call; a guess is right once in ninety."""
_MATCH_LENGTH = 2


class CallState(StrEnum):
    """The state of a call; the values are stored."""

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
        """Return whether the call takes no more keys."""
        return self not in {CallState.RINGING, CallState.GREETING, CallState.CODE}


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its state, the keys pressed since the last complete input, and the number of wrong pairs of digits."""

    state: CallState = CallState.RINGING
    pressed: str = ""
    wrong: int = 0


def answer(call: Call) -> Call:
    """Return the state after pick-up."""
    return Call(CallState.GREETING) if call.state is CallState.RINGING else call


def hang_up(call: Call) -> Call:
    """Return the state after hanging up, or after declining a call that rings."""
    if call.state is CallState.RINGING:
        return Call(CallState.MISSED)
    return call if call.state.is_over else Call(CallState.ENDED)


def press(call: Call, key: str, *, match: str = "") -> Call:
    """Return the state after one key; ``match`` is the pair of digits in the browser, where the organisation uses that.

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
