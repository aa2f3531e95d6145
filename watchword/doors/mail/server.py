"""The daemon: opens its sockets, answers until it is told to stop, finishes what was asked, removes its sockets."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from watchword.audit.outbox import cause_of
from watchword.core.keyring import KeyRing
from watchword.doors.mail.batching import Backend, RequestBatcher
from watchword.doors.mail.connection_limits import MOST_CONNECTIONS
from watchword.doors.mail.connections import Door
from watchword.doors.mail.dict_connections import DictConnection
from watchword.doors.mail.disconnects import Watcher
from watchword.doors.mail.postfix_connections import PolicyConnection, SocketmapConnection
from watchword.doors.mail.sockets import Access, UnixListener, listen_on_loopback, listen_on_path
from watchword.doors.open_files import SPARE_FILES, raise_open_files

log = logging.getLogger(__name__)

DICT_SOCKET = "dict"
"""The file that Dovecot's dict protocol is spoken at."""

AUTH_SOCKET = "auth"
"""The file that Dovecot's authentication protocol is spoken at."""

SOCKETMAP_SOCKET = "socketmap"
"""The file that Postfix's socketmap protocol is spoken at."""

POLICY_SOCKET = "policy"
"""The file that Postfix's policy protocol is spoken at."""

type Spoken = tuple[str, Callable[[], asyncio.Protocol]]
"""The file of a socket, and what answers each connection to it."""

SWEEP_SECONDS = 5
STOP_SECONDS = 15
FLUSH_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to listen, for whom, and how to close connections."""

    folder: Path
    access: Access = field(default_factory=Access)
    loopback: tuple[str, int] | None = None
    """An additional address for programs that can't reach the folder: the authentication protocol is spoken at this
    port, socketmap at the next one, the policy protocol at the one after."""
    kick: tuple[str, ...] = ()
    """The command that closes a person's connections; none: they stay open."""
    position: Path | None = None
    """The file that remembers which ended accesses were acted on; none: all are, again at each start."""


async def serve(
    plan: Plan, checks: Backend, ring: KeyRing, *, ready: Callable[[Sequence[str]], None] = lambda _places: None
) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is told the places once they answer. Raises CannotListen."""
    raise_open_files(MOST_CONNECTIONS + SPARE_FILES)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    batcher = RequestBatcher(checks)
    door = Door(batcher, ring)
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
            for offset, (_name, factory) in enumerate(for_postfix):
                tcp: socket = listen_on_loopback(host, port + offset)
                servers.append(await loop.create_server(factory, sock=tcp))
            places.append(f"{host} ports {port} to {port + len(for_postfix) - 1}")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        tasks.append(loop.create_task(_sweep(door)))
        if plan.kick:
            watcher = Watcher(plan.kick, was_let_in_since=batcher.was_let_in_since, position=plan.position)
            tasks.append(loop.create_task(watcher.run()))
        else:
            log.warning("no command closes open connections: they stay when somebody's access ends")
        ready(places)
        await stop.wait()
        log.info("stopping; %d connections are open", len(door.connections))
    finally:
        await _stop(door, servers, tasks)
        for listener in listeners:
            listener.socket.close()
            listener.remove()


async def _sweep(door: Door) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            door.end_idle(asyncio.get_running_loop().time())
        except Exception as error:  # noqa: BLE001  (idle connections must go on ending)
            log.error("idle connections could not be ended: %s", cause_of(error))


async def _stop(door: Door, servers: Sequence[asyncio.Server], tasks: Sequence[asyncio.Task[None]]) -> None:
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    door.end_all()
    try:
        await asyncio.wait_for(door.batcher.finish(), STOP_SECONDS)
    except TimeoutError:
        log.warning("some questions were still unanswered after %d seconds", STOP_SECONDS)
    await door.emptied(FLUSH_SECONDS)
    for connection in list(door.connections):
        connection.abort()
