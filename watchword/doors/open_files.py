"""The limit of open files and sockets of this process (RLIMIT_NOFILE of setrlimit(2))."""

from __future__ import annotations

import resource
from contextlib import suppress

SPARE_FILES = 100
"""Descriptors reserved for everything except connections."""


def raise_open_files(requested: int) -> int | None:
    """Raise the soft limit to ``wished`` descriptors and return the resulting limit; None means no limit.

    Many systems set a soft limit of 1,024 by default, and no process can go above its hard limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    if soft < requested:
        most = requested if hard == resource.RLIM_INFINITY else min(hard, requested)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return soft
