"""The results of an answer in an interactive sign-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from watchword.core.decision import AskFor, DenyReason, SetUpFirst
from watchword.core.factors import RejectReason
from watchword.core.negative_result import NegativeResult
from watchword.signin.models import Session


@dataclass(frozen=True, slots=True)
class Continue:
    """The answer was accepted; the decision says what is needed next."""

    decision: AskFor | SetUpFirst


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The sign-in is complete: set the session cookie to the token and go to ``next_url`` (the door checks it)."""

    token: str = field(repr=False)
    next_url: str
    session: Session
    browser_token: str = field(default="", repr=False)
    """The token for the known-browser cookie; empty where the browser already has one."""


@dataclass(frozen=True, slots=True)
class SignInDenied(NegativeResult):
    """The answer was refused. The page shows one sentence, and besides that only ``until``."""

    reason: RejectReason | DenyReason
    until: datetime | None = None


type Outcome = Continue | SignedIn | SignInDenied
