"""What an answer at a browser's door can come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from watchword.core.decision import AskFor, DenyReason, SetUpFirst
from watchword.core.factors import RejectReason
from watchword.signin.models import Session


@dataclass(frozen=True, slots=True)
class Continue:
    """Accepted so far; the decision says what is next."""

    decision: AskFor | SetUpFirst


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person is in: put the token into the session cookie and go to ``next_url`` (checked by the door)."""

    token: str = field(repr=False)
    next_url: str
    session: Session
    browser_token: str = field(default="", repr=False)
    """For the cookie by which this browser is known from now on; empty where it has one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No. The page says one sentence; only ``until`` may be told besides."""

    reason: RejectReason | DenyReason
    until: datetime | None = None


type Outcome = Continue | SignedIn | Refused
