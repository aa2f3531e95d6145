"""How many files and sockets this process may have open (RLIMIT_NOFILE of setrlimit(2))."""

from __future__ import annotations

import resource
from contextlib import suppress

SPARE_FILES = 100
"""Descriptors that are left for everything but connections."""


def raise_open_files(wished: int) -> int | None:
    """Ask the system for as many descriptors as wished, and return how many there are; None for no limit.

    Many systems give 1,024 unless they are asked, and no process gets more than its hard limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    if soft < wished:
        most = wished if hard == resource.RLIM_INFINITY else min(hard, wished)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return soft
