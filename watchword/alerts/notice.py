"""One warning in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One warning in words."""

    subject: str
    what: str
    advice: str
