"""A circuit breaker: a carrier that fails again and again is left alone for a while. Pure: time is an argument.

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
"""A trial of which nothing is heard for so long is forgotten."""


@dataclass(slots=True)
class CircuitBreaker:
    """The breaker of one carrier; ``now`` is monotonic, in seconds."""

    failures: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    open_until: float | None = None
    trial_until: float = 0.0
    """Until then one message is out to see whether the carrier is well again; nobody else has to find out."""

    def allows(self, now: float) -> bool:
        """Whether a message may be tried: always when closed, one at a time after the pause. Changes nothing."""
        return self.open_until is None or (now >= self.open_until and now >= self.trial_until)

    @property
    def is_closed(self) -> bool:
        """Whether all is well."""
        return self.open_until is None

    def tries(self, now: float) -> None:
        """A message is handed to the carrier now. Where the breaker is open, the others wait for what becomes of it."""
        if self.open_until is not None and now >= self.open_until:
            self.trial_until = now + TRIAL_SECONDS

    def succeeded(self) -> None:
        """A message was taken."""
        self.failures, self.pause_seconds = 0, FIRST_PAUSE_SECONDS
        self.open_until, self.trial_until = None, 0.0

    def failed(self, now: float) -> None:
        """A message was not taken, for a reason that lies with the carrier."""
        self.failures += 1
        self.trial_until = 0.0
        if self.open_until is not None and now >= self.open_until:
            self.pause_seconds = min(self.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            self.open_until = now + self.pause_seconds
        elif self.open_until is None and self.failures >= FAILURES:
            self.open_until = now + self.pause_seconds
