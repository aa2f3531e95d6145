"""The daemon: opens its sockets, serves until a signal stops it, answers pending requests, removes its sockets."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from watchword.audit.heartbeats import ProcessHeart
from watchword.audit.retries import cause_of
from watchword.core.keyring import KeyRing
from watchword.core.log_events import log_event
from watchword.doors.mail.batching import Backend, RequestBatcher
from watchword.doors.mail.connection_limits import MOST_CONNECTIONS
from watchword.doors.mail.connections import MailDoor
from watchword.doors.mail.dict_connections import DictConnection
from watchword.doors.mail.disconnects import Watcher
from watchword.doors.mail.postfix_connections import PolicyConnection, SocketmapConnection
from watchword.doors.mail.sockets import Access, UnixListener, listen_on_loopback, listen_on_path
from watchword.doors.open_files import SPARE_FILES, raise_open_files

logger = logging.getLogger(__name__)

DICT_SOCKET = "dict"
"""The socket's file for Dovecot's dict protocol."""

AUTH_SOCKET = "auth"
"""The socket's file for Dovecot's authentication protocol."""

SOCKETMAP_SOCKET = "socketmap"
"""The socket's file for Postfix's socketmap protocol."""

POLICY_SOCKET = "policy"
"""The socket's file for Postfix's policy protocol."""

type Spoken = tuple[str, Callable[[], asyncio.Protocol]]
"""A socket's file, and the factory of the protocol object for each connection to it."""

SWEEP_SECONDS = 5
STOP_SECONDS = 15
FLUSH_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """The daemon's settings: where to listen, who may connect, and how to close connections."""

    folder: Path
    access: Access = field(default_factory=Access)
    loopback: tuple[str, int] | None = None
    """An additional TCP address for mail servers that can't reach the folder: this port is for the authentication
    protocol, the next one for socketmap, the one after for the policy protocol."""
    kick: tuple[str, ...] = ()
    """The command that closes a person's connections; if empty, connections stay open."""
    position: Path | None = None
    """The file that stores which revocations were handled; without one, all are handled again at each start."""


async def serve(
    plan: Plan,
    checks: Backend,
    ring: KeyRing,
    *,
    ready: Callable[[Sequence[str]], None] = lambda _places: None,
    heart: ProcessHeart | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called with the addresses once they listen. Raises CannotListen."""
    raise_open_files(MOST_CONNECTIONS + SPARE_FILES)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    batcher = RequestBatcher(checks)
    door = MailDoor(batcher, ring)
    listeners: list[UnixListener] = []
    servers: list[asyncio.Server] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        for_dovecot: list[Spoken] = [(DICT_SOCKET, functools.partial(DictConnection, door))]
        for_postfix: list[Spoken] = [
            (AUTH_SOCKET, door.auth_connection),
            (SOCKETMAP_SOCKET, functools.partial(SocketmapConnection, door)),
            (POLICY_SOCKET, functools.partial(PolicyConnection, door)),
        ]
        for name, factory in (*for_dovecot, *for_postfix):
            listener = listen_on_path(plan.folder / name, plan.access)
            listeners.append(listener)
            servers.append(await loop.create_unix_server(factory, sock=listener.socket))
        places = [str(listener.path) for listener in listeners]
        if plan.loopback is not None:
            host, port = plan.loopback
            for offset, (name, factory) in enumerate(for_postfix):
                tcp: socket = listen_on_loopback(host, port + offset)
                servers.append(await loop.create_server(factory, sock=tcp))
                places.append(f"{tcp.getsockname()[0]} port {port + offset} ({name})")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        tasks.append(loop.create_task(_sweep(door)))
        if heart is not None:
            tasks.append(loop.create_task(heart.keep_beating()))
        if plan.kick:
            watcher = Watcher(plan.kick, was_let_in_since=batcher.was_let_in_since, position=plan.position)
            tasks.append(loop.create_task(watcher.run()))
        else:
            logger.warning(
                "no disconnect command: open connections stay when access ends", extra=log_event("mail.disconnect.off")
            )
        for place in places:
            logger.info("listening on %s", place, extra=log_event("mail.listening"))
        ready(places)
        await stop.wait()
        logger.info("stopping with %d open connections", len(door.connections), extra=log_event("mail.stopping"))
    finally:
        await _stop(door, servers, tasks)
        for listener in listeners:
            listener.socket.close()
            listener.remove()


async def _sweep(door: MailDoor) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            door.end_idle(asyncio.get_running_loop().time())
        except Exception as error:  # noqa: BLE001  (later sweeps must still run)
            logger.error("idle connections not closed", extra=log_event("mail.sweep.failed", trouble=cause_of(error)))


async def _stop(door: MailDoor, servers: Sequence[asyncio.Server], tasks: Sequence[asyncio.Task[None]]) -> None:
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    door.end_all()
    try:
        await asyncio.wait_for(door.batcher.finish(), STOP_SECONDS)
    except TimeoutError:
        logger.warning("requests unanswered %d s after the stop", STOP_SECONDS, extra=log_event("mail.stop.timeout"))
    await door.emptied(FLUSH_SECONDS)
    for connection in list(door.connections):
        connection.abort()
