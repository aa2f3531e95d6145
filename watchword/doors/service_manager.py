"""The service manager above this process: what it is told, and the listening sockets that it passes on.

The protocols are systemd's: sd_notify(3) for READY, RELOADING, STOPPING and the watchdog, sd_listen_fds(3) for
sockets. Without a service manager everything here does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from watchword.core.log_events import log_event

logger = logging.getLogger(__name__)

FIRST_SOCKET = 3
"""The first passed descriptor (SD_LISTEN_FDS_START)."""

NOTIFY_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
SOCKET_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

type Sockets = Mapping[str, Sequence[socket.socket]]
"""Listening sockets by the name of what is spoken there; several may have one name."""


class InvalidSockets(Exception):
    """Passed sockets that can't be used; the message says which and what to do."""


class ServiceManager:
    """Tells the service manager of this process how it is; does nothing where none asked to be told."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.address = environment.get("NOTIFY_SOCKET", "")
        self.environment = {name: environment[name] for name in NOTIFY_VARIABLES if name in environment}
        """What the program needs that replaces this one in the same process (execve(2))."""
        self._pause = _watchdog_seconds(environment) / 3
        self._next_beat = 0.0

    @property
    def beat_seconds(self) -> float:
        """The pause between two heartbeats, a third of what the watchdog allows; 0 without a watchdog."""
        return self._pause

    def tell(self, *lines: str) -> None:
        """Send assignments such as ``READY=1``; an error is logged, because the process works without."""
        if not self.address:
            return
        # A leading @ stands for the NUL of an abstract address (unix(7)).
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1)
                channel.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            trouble = error.strerror or type(error).__name__
            logger.warning("service manager not told", extra=log_event("serve.notify.failed", trouble=trouble))

    def ready(self, status: str) -> None:
        """Tell that this process serves, and in a few words what."""
        self.tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Tell that a reload began; ``ready`` ends it."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tell that this process is about to end."""
        self.tell("STOPPING=1", "STATUS=stopping")

    def beat(self) -> None:
        """Send a heartbeat if it is due. Call it from the loop whose standstill is to be noticed."""
        if self._pause and (now := time.monotonic()) >= self._next_beat:
            self._next_beat = now + self._pause
            self.tell("WATCHDOG=1")

    async def keep_beating(self) -> None:
        """Send heartbeats from the event loop until cancelled: a loop that stands still sends none."""
        while self._pause:
            self.beat()
            await asyncio.sleep(self._pause)


def passed_sockets(environment: Mapping[str, str], pid: int) -> Sockets:
    """Return the listening sockets that the service manager passed to the process ``pid``, by their names.

    Raises InvalidSockets. The descriptors are not inherited by programs that this process runs.
    """
    if environment.get("LISTEN_PID") != str(pid):
        return {}
    try:
        count = int(environment.get("LISTEN_FDS", ""))
    except ValueError:
        raise InvalidSockets("LISTEN_FDS is no number; it is set by the service manager alone") from None
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    if len(names) != count:
        names = [""] * count
    return _by_name((name, FIRST_SOCKET + number) for number, name in enumerate(names))


def inherited_sockets(text: str) -> Sockets:
    """Return the listening sockets that ``socket_words`` of the parent described; raises InvalidSockets."""
    try:
        pairs = [word.partition("=") for word in text.split(",") if word]
        return _by_name((name, int(descriptor)) for name, _, descriptor in pairs)
    except ValueError:
        raise InvalidSockets(f"{text!r} is not NAME=DESCRIPTOR,…; it is passed by `watchword serve` alone") from None


def socket_words(sockets: Sockets) -> str:
    """Return a description of sockets for a child process that inherits their descriptors."""
    return ",".join(f"{name}={one.fileno()}" for name, each in sockets.items() for one in each)


def only(sockets: Sockets, names: Sequence[str]) -> Sockets:
    """Return the sockets, all of which must have one of these names; raises InvalidSockets."""
    for name in sockets:
        if name not in names:
            raise InvalidSockets(
                f"a socket named {name or 'nothing'!r} was passed; FileDescriptorName= of its socket unit must be "
                f"{' or '.join(names)}"
            )
    return sockets


def _by_name(descriptors: Iterable[tuple[str, int]]) -> Sockets:
    found: dict[str, list[socket.socket]] = {}
    for name, descriptor in descriptors:
        try:
            one = socket.socket(fileno=descriptor)
            if one.type != socket.SOCK_STREAM or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                one.detach()
                raise InvalidSockets(f"the passed descriptor {descriptor} ({name}) does not listen: use ListenStream=")
        except OSError as error:
            raise InvalidSockets(
                f"the passed descriptor {descriptor} ({name}) is no socket: {error.strerror}"
            ) from None
        one.set_inheritable(False)
        one.setblocking(False)
        found.setdefault(name, []).append(one)
    return found


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Return within what time the service manager wants a heartbeat (sd_watchdog_enabled(3)); 0 for never."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    with suppress(ValueError):
        return max(int(environment.get("WATCHDOG_USEC", "0")), 0) / 1_000_000
    return 0.0
