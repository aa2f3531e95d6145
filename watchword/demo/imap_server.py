"""The embedded IMAP server: pymap's maildir backend, with every login checked by the mail door."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from proxyprotocol.sock import SocketInfo
from pymap.backend.maildir import Config, FilterSet, Identity, Login, MaildirBackend, Session
from pymap.backend.maildir.mailbox import MailboxSet
from pymap.concurrent import Subsystem
from pymap.context import socket_info
from pymap.exceptions import InvalidAuth, TemporaryFailure
from pymap.imap import IMAPServer
from pymap.interfaces.login import IdentityInterface
from pysasl.creds.server import ServerCredentials

from watchword.demo.auth_client import CannotAsk, ask
from watchword.demo.auth_client import Login as Shown
from watchword.demo.mailbox_store import folder_of


class AskingLogin(Login):
    """A login backend that asks the mail door, and tracks the open connections of each person."""

    def __init__(self, config: Config, door: Path) -> None:
        super().__init__(config)
        self._door = door
        self.connections: dict[str, set[asyncio.Task[Any]]] = defaultdict(set)

    async def authenticate(self, credentials: ServerCredentials) -> Identity:
        """Return the identity of the person if the mail door accepts the credentials."""
        secret = getattr(credentials, "_secret", "")
        peer = socket_info.get().peername
        shown = Shown(credentials.authcid, secret, "imap", str(peer[0]) if peer else "")
        try:
            name = await asyncio.to_thread(ask, self._door, shown)
        except CannotAsk:
            raise TemporaryFailure("The mail door says: later.") from None
        if name is None:
            raise InvalidAuth
        task = asyncio.current_task()
        if task is not None:
            self.connections[name].add(task)
            task.add_done_callback(self.connections[name].discard)
        return MaildirIdentity(self.config, self.tokens, name, None, frozenset())

    async def authorize(self, authenticated: IdentityInterface, authzid: str) -> Identity:  # noqa: ARG002  (pymap's)
        """Return the authenticated identity: no person may act for another."""
        assert isinstance(authenticated, Identity)
        return authenticated

    def close(self, name: str) -> int:
        """Close the open connections of a person and return how many there were."""
        tasks = list(self.connections.get(name, ()))
        for task in tasks:
            task.cancel()
        return len(tasks)


class MaildirIdentity(Identity):
    """A person whose mailbox is created at the first login."""

    @property
    def roles(self) -> frozenset[str]:
        """Return no roles: no person has special rights here."""
        return frozenset()

    @asynccontextmanager
    async def new_session(self) -> AsyncIterator[Session]:
        """Open the person's own maildir."""
        maildir, layout = self._load_maildir(folder_of(self.name))
        yield Session(self.name, self.config, MailboxSet(maildir, layout), FilterSet(layout.path))


def make_backend(base: Path, host: str, port: int, door: Path) -> tuple[MaildirBackend, AskingLogin, Config]:
    """Return the parts of pymap, assembled without its command line."""
    arguments = Namespace(passlib_cfg=None, proxy_protocol=None, inherited_sockets=None)
    config = Config(
        arguments,
        base_dir=str(base),
        layout="++",
        colon=None,
        host=host,
        port=port,
        # Loopback only: no third party can read the traffic between mail program and server.
        tls_enabled=False,
        # A single event loop, so that the authenticating task is the task of the connection: cancelling it closes that.
        subsystem=Subsystem.for_executor(None),
    )
    login = AskingLogin(config, door)
    return MaildirBackend(login, config), login, config


async def start(backend: MaildirBackend, config: Config, stack: AsyncExitStack) -> None:
    """Serve IMAP until the stack is closed."""
    config.apply_context()
    await backend.start(stack)
    answer = IMAPServer(backend.login, config)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Awaited here and not started as a task of its own: asyncio holds only weak references to tasks, and a
        # connection that waits for its mail program would be garbage-collected in the middle of a session.
        await answer(reader, writer, SocketInfo.get(writer, None, unique_id=uuid4().bytes))

    server = await asyncio.start_server(connected, config.host, config.port)
    stack.callback(server.close)
