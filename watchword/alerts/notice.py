"""The text of one warning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoticeText:
    """The text of one warning."""

    subject: str
    what: str
    advice: str
