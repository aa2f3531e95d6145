"""Checks the table of roles before an administrative act."""

from __future__ import annotations

from watchword.directory.models import User
from watchword.directory.roles import Act


class PermissionDenied(Exception):
    """An act that none of the administrator's roles allows, or none allows on this person."""

    def __init__(self, act: Act, on: User | None = None) -> None:
        super().__init__(act.value)
        self.act = act
        self.on = on


class ForbiddenForYourself(PermissionDenied):
    """An act on the administrator's own account, which another administrator must do."""


class StaysEnabled(PermissionDenied):
    """The act to set an administrator to Disabled, which no role may do."""


class NeedsGlobalAdministrator(PermissionDenied):
    """The act to make an emergency access account of somebody who could repair nothing with it."""


def demand(by: User | None, act: Act, on: User | None = None) -> None:
    """Raise PermissionDenied unless ``by`` may do the act; None is the system itself (command line, demo)."""
    if by is not None and not by.may(act, on):
        raise PermissionDenied(act, on)
