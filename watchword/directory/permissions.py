"""Asks the table of roles before an administrative act."""

from __future__ import annotations

from watchword.directory.models import User
from watchword.directory.roles import Act


class PermissionDenied(Exception):
    """Somebody tried an act that none of their roles allows, or on somebody whom none of them reaches."""

    def __init__(self, act: Act, on: User | None = None) -> None:
        super().__init__(act.value)
        self.act = act
        self.on = on


class NotForYourself(PermissionDenied):
    """Somebody tried for themselves what another administrator must do for them."""


class StaysEnabled(PermissionDenied):
    """An administrator can't be Disabled, whoever asks for it."""


def demand(by: User | None, act: Act, on: User | None = None) -> None:
    """Raise NotAllowed unless ``by`` may do the act; None is the system itself (command line, demo)."""
    if by is not None and not by.may(act, on):
        raise PermissionDenied(act, on)
