"""One of several mail processes at the same sockets is the primary one, by a lock on a file (flock(2)).

The kernel frees the lock when its process ends, however it ends, and the next one takes it within a moment.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

RETRY_SECONDS = 0.2


class PrimaryLock:
    """The lock that makes a process the primary one. Without a file there is one process alone, which always is."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free, and return whether this process has it. Raises OSError."""
        if self._path is None or self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    async def acquire(self) -> None:
        """Wait until this process has the lock."""
        while not self.try_acquire():  # noqa: ASYNC110  (the kernel tells nobody when a lock is free)
            await asyncio.sleep(RETRY_SECONDS)

    def release(self) -> None:
        """Give the lock back, if this process has it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
