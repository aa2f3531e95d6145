"""The daemon: opens its sockets, serves until a signal stops it, answers pending requests, removes its sockets."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
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
from watchword.doors.mail.kick import Kick
from watchword.doors.mail.postfix_connections import PolicyConnection, SocketmapConnection
from watchword.doors.mail.primary import PrimaryLock
from watchword.doors.mail.sockets import (
    AUTH_SOCKET,
    DICT_SOCKET,
    POLICY_SOCKET,
    SOCKETMAP_SOCKET,
    Access,
    Places,
    open_sockets,
)
from watchword.doors.open_files import SPARE_FILES, raise_open_files
from watchword.doors.service_manager import ServiceManager, Sockets

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 5
STOP_SECONDS = 15
FLUSH_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """The daemon's settings: where to listen, who may connect, and how to close connections."""

    folder: Path
    access: Access = field(default_factory=Access)
    loopback: tuple[str, int] | None = None
    """An additional TCP address for mail servers that can't reach the folder; see ``Places``."""
    kick: Kick | None = None
    """Closes a person's connections; without it, connections stay open."""
    position: Path | None = None
    """The file that stores which revocations were handled; without one, all are handled again at each start."""
    sockets: Sockets = field(default_factory=dict)
    """Listening sockets from outside, which are used instead of own ones. Other processes may have them too."""
    lock: Path | None = None
    """The file by which processes with the same sockets agree which of them is the primary one."""

    @property
    def places(self) -> Places:
        """Where this daemon listens if no sockets were passed to it."""
        return Places(self.folder, self.access, self.loopback)


async def serve(
    plan: Plan,
    checks: Backend,
    ring: KeyRing,
    *,
    ready: Callable[[Sequence[str]], None] = lambda _places: None,
    heart: ProcessHeart | None = None,
    manager: ServiceManager | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called with the addresses once they listen. Raises CannotListen."""
    raise_open_files(MOST_CONNECTIONS + SPARE_FILES)
    manager = manager or ServiceManager({})
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    batcher = RequestBatcher(checks)
    door = MailDoor(batcher, ring)
    servers: list[asyncio.Server] = []
    tasks: list[asyncio.Task[None]] = []
    primary = PrimaryLock(plan.lock if plan.sockets else None)
    with ExitStack() as opened:
        try:
            sockets = plan.sockets or opened.enter_context(open_sockets(plan.places))
            shared = await _serve_at(
                sockets,
                {
                    DICT_SOCKET: functools.partial(DictConnection, door),
                    SOCKETMAP_SOCKET: functools.partial(SocketmapConnection, door),
                },
            )
            # A message is traced to its sign-in by what one process remembers: one process hears of both.
            alone = await _serve_at(
                sockets,
                {AUTH_SOCKET: door.auth_connection, POLICY_SOCKET: functools.partial(PolicyConnection, door)},
            )
            servers += [*shared, *alone]
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop.set)
            if primary.try_acquire():
                shared += alone
            for server in shared:
                await server.start_serving()
            leading = loop.create_task(_lead(primary, alone, plan, batcher))
            tasks += [leading, *(loop.create_task(task) for task in (_sweep(door), manager.keep_beating()))]
            if heart is not None:
                tasks.append(loop.create_task(heart.keep_beating()))
            places = [place_of(name, one) for name, each in sockets.items() for one in each]
            for place in places:
                logger.info("listening on %s", place, extra=log_event("mail.listening"))
            ready(places)
            manager.ready(f"serving at {len(places)} sockets")
            await _until(stop, leading)
            logger.info("stopping with %d open connections", len(door.connections), extra=log_event("mail.stopping"))
            manager.stopping()
        finally:
            await _stop(door, servers, tasks, primary)


async def _lead(primary: PrimaryLock, alone: Sequence[asyncio.Server], plan: Plan, batcher: RequestBatcher) -> None:
    """Wait until this process is the primary one; then do what only one process may do, until cancelled."""
    await primary.acquire()
    for server in alone:
        await server.start_serving()
    if plan.sockets:
        logger.info("primary mail process", extra=log_event("mail.primary"))
    if plan.kick is None:
        logger.warning(
            "no disconnect command: open connections stay when access ends", extra=log_event("mail.disconnect.off")
        )
        return
    # With passed sockets another process may have let somebody in a moment ago.
    was_let_in = (lambda _mailbox, _moment: True) if plan.sockets else batcher.was_let_in_since
    await Watcher(plan.kick, was_let_in_since=was_let_in, position=plan.position).run()


async def _serve_at(sockets: Sockets, protocols: Mapping[str, Callable[[], asyncio.Protocol]]) -> list[asyncio.Server]:
    """Return servers for the sockets of these names, which do not accept yet."""
    loop = asyncio.get_running_loop()
    # create_unix_server would remove a socket's file as soon as it is closed here, though others may listen there.
    return [
        await loop.create_server(factory, sock=one, start_serving=False)
        for name, factory in protocols.items()
        for one in sockets.get(name, ())
    ]


def place_of(name: str, one: socket) -> str:
    """Return the address of a listening socket: a path, or a host and port with what is spoken there."""
    address = one.getsockname()
    return f"{address[0]} port {address[1]} ({name})" if isinstance(address, tuple) else str(address)


async def _until(stop: asyncio.Event, leading: asyncio.Task[None]) -> None:
    """Wait for the signal to stop; if ``leading`` fails, the daemon ends, because it must not continue without it."""
    waits = asyncio.get_running_loop().create_task(stop.wait())
    try:
        await asyncio.wait([waits, leading], return_when=asyncio.FIRST_COMPLETED)
        if leading.done():
            leading.result()
        await waits
    finally:
        waits.cancel()


async def _sweep(door: MailDoor) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            door.end_idle(asyncio.get_running_loop().time())
        except Exception as error:  # noqa: BLE001  (later sweeps must still run)
            logger.error("idle connections not closed", extra=log_event("mail.sweep.failed", trouble=cause_of(error)))


async def _stop(
    door: MailDoor, servers: Sequence[asyncio.Server], tasks: Sequence[asyncio.Task[None]], primary: PrimaryLock
) -> None:
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # Not accepted connections wait for the next primary process, which need not wait for this one's answers.
    primary.release()
    door.end_all()
    try:
        await asyncio.wait_for(door.batcher.finish(), STOP_SECONDS)
    except TimeoutError:
        logger.warning("requests unanswered %d s after the stop", STOP_SECONDS, extra=log_event("mail.stop.timeout"))
    await door.emptied(FLUSH_SECONDS)
    for connection in list(door.connections):
        connection.abort()
