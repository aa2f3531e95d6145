"""The automated voice attendant as a pure machine: where a call stands, a key, where it stands then.

::

    ringing --answer--> greeting --1--> code <--1--+
       |                   |             |         |
    decline              0 #           0 #       (again)
       |                   |             |
       v                   v             v
     missed              fraud         fraud          any state --hang up--> ended

The code is spoken only after a key was pressed, so that nothing is left on an answering machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KEYS = frozenset("0123456789*#")


class CallState(StrEnum):
    """Where a call stands; the values are stored."""

    RINGING = "ringing"
    GREETING = "greeting"
    CODE = "code"
    FRAUD = "fraud"
    ENDED = "ended"
    MISSED = "missed"

    @property
    def is_over(self) -> bool:
        """Whether nobody listens any more."""
        return self in {CallState.FRAUD, CallState.ENDED, CallState.MISSED}


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its state, and the keys pressed since the last one that meant something."""

    state: CallState = CallState.RINGING
    pressed: str = ""


def answer(call: Call) -> Call:
    """Pick up."""
    return Call(CallState.GREETING) if call.state is CallState.RINGING else call


def hang_up(call: Call) -> Call:
    """Hang up, or decline a call that rings."""
    if call.state is CallState.RINGING:
        return Call(CallState.MISSED)
    return call if call.state.is_over else Call(CallState.ENDED)


def press(call: Call, key: str) -> Call:
    """Press one key; ``1`` speaks the code (again), ``0`` and then ``#`` reports fraud, all else is ignored."""
    if call.state not in {CallState.GREETING, CallState.CODE} or key not in KEYS:
        return call
    if key == "1":
        return Call(CallState.CODE)
    if key == "#" and call.pressed == "0":
        return Call(CallState.FRAUD)
    return Call(call.state, "0" if key == "0" else "")
