"""A circuit breaker: a gateway that fails repeatedly is not used for a while. Pure: time is an argument.

::

    closed --5 failures in a row--> open --after the pause--> half open --success--> closed
                                      ^                          |
                                      +------- failure ----------+   (the pause doubles, up to five minutes)
"""

from __future__ import annotations

from dataclasses import dataclass

FAILURES = 5
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
TRIAL_SECONDS = 30.0
"""A trial without a result after this time is forgotten."""


@dataclass(slots=True)
class CircuitBreaker:
    """The circuit breaker of one gateway; ``now`` is monotonic, in seconds."""

    failures: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    open_until: float | None = None
    trial_until: float = 0.0
    """Until then one trial message tests whether the gateway has recovered; no other message is sent to it."""

    def allows(self, now: float) -> bool:
        """Return whether a message may be tried: always when closed, one at a time after the pause. No side effects."""
        return self.open_until is None or (now >= self.open_until and now >= self.trial_until)

    @property
    def is_closed(self) -> bool:
        """Return whether the circuit is closed: the gateway is used normally."""
        return self.open_until is None

    def tries(self, now: float) -> None:
        """Record that a message is being sent. While the circuit is open, other messages wait for its result."""
        if self.open_until is not None and now >= self.open_until:
            self.trial_until = now + TRIAL_SECONDS

    def succeeded(self) -> None:
        """Record that the gateway took a message."""
        self.failures, self.pause_seconds = 0, FIRST_PAUSE_SECONDS
        self.open_until, self.trial_until = None, 0.0

    def failed(self, now: float) -> None:
        """Record that a message was not taken, for a reason that lies with the gateway."""
        self.failures += 1
        self.trial_until = 0.0
        if self.open_until is not None and now >= self.open_until:
            self.pause_seconds = min(self.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            self.open_until = now + self.pause_seconds
        elif self.open_until is None and self.failures >= FAILURES:
            self.open_until = now + self.pause_seconds
