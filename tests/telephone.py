"""A channel that keeps what it is given, so that a test can be the person at the telephone."""

from __future__ import annotations

import pytest

from watchword.core.policy import Channel
from watchword.messaging import send as messaging_send
from watchword.messaging.gateway import DeliveryFailed, Outgoing, Result, Submitted


class Telephone:
    """All telephones of the world at once."""

    name = "telephone"
    channels = frozenset(Channel)

    def __init__(self) -> None:
        self.received: list[Outgoing] = []
        self.broken: DeliveryFailed | None = None
        self.answers = Result.SENT

    def send(self, outgoing: Outgoing, *, timeout_seconds: float) -> Submitted:
        """Keep the message, or fail as the test wishes."""
        assert timeout_seconds > 0
        if self.broken is not None:
            raise self.broken
        self.received.append(outgoing)
        return Submitted(reference=f"ref-{len(self.received)}", result=self.answers)

    @property
    def code(self) -> str:
        """The newest code."""
        return self.received[-1].code

    def wrong_code(self) -> str:
        """A code that was not sent."""
        return f"{(int(self.code) + 1) % 1_000_000:06d}"

    def break_down(self, *, permanent: bool, result: Result = Result.FAILED) -> None:
        """From now on nothing gets through."""
        self.broken = DeliveryFailed(result, permanent=permanent)


@pytest.fixture
def telephone(monkeypatch: pytest.MonkeyPatch) -> Telephone:
    """Codes arrive here, and nowhere else."""
    telephone = Telephone()
    monkeypatch.setattr(messaging_send, "all_gateways", lambda: (telephone,))
    return telephone
