"""Keeps the way to one telephone system open: finds it, registers there if it wants that, asks whether it is there."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable

from aiosipua import IncomingCall, Registration, SipDigestAuth, SipRequest, SipResponse, SipUAS
from aiosipua.dialog import create_dialog_from_request
from aiosipua.transport import MessageCallback

from watchword.delivery.channel import Condition
from watchword.delivery.sip.agent import Agent
from watchword.delivery.sip.wire import Wire
from watchword.delivery.sip.wishes import SipWishes

logger = logging.getLogger(__name__)

REGISTERED_FOR = 300
ASK_EVERY_SECONDS = 20.0
ANSWER_SECONDS = 4.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
REFUSES_US = "the telephone system refuses the user name or password"
_REFUSES_US = frozenset({401, 403, 407})


class Presence:
    """One telephone system and how we stand with it."""

    def __init__(self, name: str, wishes: SipWishes, *, moved: Callable[[IncomingCall], None]) -> None:
        """``moved`` is told when the telephone system wants the sound of a call elsewhere (re-INVITE)."""
        self._name = name
        self._wishes = wishes
        self._moved = moved
        self._server: SipUAS | None = None
        self._registration: Registration | None = None
        self._ended: Callable[[str], None] = lambda _call_id: None
        self._peers: frozenset[str] = frozenset()
        self.agent: Agent | None = None
        self.local_host = ""
        self.condition = Condition(is_up=False, words="connecting")
        self._refused = asyncio.Event()
        self.is_up = asyncio.Event()
        self.is_down = asyncio.Event()
        self.is_down.set()

    @property
    def auth(self) -> SipDigestAuth | None:
        """What proves who we are, where the telephone system wants proof."""
        return SipDigestAuth(self._wishes.user, self._wishes.password) if self._wishes.password else None

    async def keep(self, ended: Callable[[str], None]) -> None:
        """Come up, and again whenever the way is lost; ``ended`` is told of calls (Call-ID) that they hang up."""
        self._ended = ended
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._open()
                await self._register()
                self._note(Condition(is_up=True))
                pause = FIRST_PAUSE_SECONDS
                await self._watch()
            except (OSError, UnicodeError) as error:
                self._note(Condition(is_up=False, words=str(error) if isinstance(error, _Trouble) else "no connection"))
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311  (many nodes, one telephone system)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def close(self) -> None:
        """Tell the telephone system that we go, and close."""
        self.is_up.clear()
        if self._registration is not None and self.agent is not None:
            self._registration.unregister()
        if self._server is not None:
            await self._server.stop()

    def note_refused(self) -> None:
        """The telephone system did not take our word in a call: nobody can be called until it answers again."""
        self._note(Condition(is_up=False, words=REFUSES_US))
        self._refused.set()

    def _note(self, condition: Condition) -> None:
        if condition != self.condition:
            log = logger.info if condition.is_up else logger.warning
            log("%s: %s", self._name, condition.words or "up")
        self.condition = condition
        for event, is_so in ((self.is_up, condition.is_up), (self.is_down, not condition.is_up)):
            if is_so:
                event.set()
            else:
                event.clear()

    async def _open(self) -> None:
        """Find the telephone system; it may have another address than last time, and we as well."""
        wishes = self._wishes
        try:
            found = await asyncio.get_running_loop().getaddrinfo(wishes.host, wishes.port, type=socket.SOCK_DGRAM)
            peers = [str(entry[4][0]) for entry in found]
            local_host = wishes.local_host or _local_host(peers[0], wishes.port)
        except OSError:
            if self.agent is None:
                raise
            # The addresses of last time may do.
            return
        if self.agent is not None:
            is_as_before = (self._peers, self.local_host) == (frozenset(peers), local_host)
            if is_as_before or not self.agent.is_idle:
                return
            await self._leave()
        wire = Wire((local_host, wishes.local_port or _free_port(local_host)), frozenset(peers))
        agent = Agent(wire, (peers[0], wishes.port), identity=f"sip:{wishes.user}@{wishes.realm}", auth=self.auth)
        server = SipUAS(wire, uac=agent, user_agent="Watchword")
        server.on_reinvite = self._moved
        server.on_bye = lambda call, _request: self._ended(call.call_id)
        await server.start()
        wire.listen_first(_declining(wire, agent))
        self._peers, self.local_host = frozenset(peers), local_host
        self._server, self.agent = server, agent

    async def _leave(self) -> None:
        if self._server is not None:
            await self._server.stop()
        self._server = self.agent = self._registration = None

    async def _register(self) -> None:
        if not self._wishes.register:
            await self._ask()
            return
        assert self.agent is not None
        if self._registration is None:
            self._registration = Registration(
                self.agent,
                f"sip:{self._wishes.user}@{self._wishes.realm}",
                self.agent.address,
                expires=REGISTERED_FOR,
                auth=self.auth,
                registrar_uri=f"sip:{self._wishes.realm}",
                user_agent="Watchword",
            )
        said: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def say(status: int) -> None:
            if not said.done():
                said.set_result(status)

        self._registration.on_registered = lambda _one: say(200)
        self._registration.on_failed = lambda _one, status, _reason: say(status)
        self._registration.register()
        try:
            status = await asyncio.wait_for(said, ANSWER_SECONDS)
        except TimeoutError:
            raise _Trouble("the telephone system does not answer") from None
        if status in _REFUSES_US:
            raise _Trouble(REFUSES_US)
        if status != 200:  # noqa: PLR2004
            raise _Trouble(f"the telephone system refuses to register us ({status})")

    async def _watch(self) -> None:
        lost = self._refused
        lost.clear()
        if self._registration is not None:
            self._registration.on_failed = lambda *_why: lost.set()
            self._registration.on_expired = lambda _one: lost.set()
        while True:
            try:
                await asyncio.wait_for(lost.wait(), ASK_EVERY_SECONDS)
            except TimeoutError:
                await self._ask()
            else:
                raise _Trouble(self.condition.words or "the telephone system has forgotten us")

    async def _ask(self) -> None:
        """Any answer shows that somebody is there; what it says does not matter (RFC 3261 section 11)."""
        assert self.agent is not None
        if await self.agent.ask("OPTIONS", seconds=ANSWER_SECONDS) is None:
            raise _Trouble("the telephone system does not answer")


class _Trouble(OSError):
    """What an administrator reads about the telephone system."""


def _declining(wire: Wire, agent: Agent) -> MessageCallback:
    """Nobody calls us. The library would keep each call that is declined until an ACK comes, or for ever."""
    inner = wire.on_message
    assert inner is not None

    def take(message: SipRequest | SipResponse, address: tuple[str, int]) -> None:
        if (
            isinstance(message, SipRequest)
            and message.method.upper() == "INVITE"
            and agent.get_call(message.call_id or "") is None
        ):
            wire.send_reply(create_dialog_from_request(message).create_response(message, 603))
        else:
            inner(message, address)

    return take


def _local_host(peer: str, port: int) -> str:
    """Return our address as a peer sees it; nothing is sent for that."""
    with socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, port))
        return str(probe.getsockname()[0])


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
