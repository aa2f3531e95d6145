"""Connect to one PBX and stay connected: resolve its address, register if required, check that it is reachable."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable

from aiosipua import IncomingCall, Registration, SipDigestAuth, SipRequest, SipResponse, SipUAS
from aiosipua.dialog import create_dialog_from_request, dialog_matches, remote_cseq_valid
from aiosipua.transport import MessageCallback
from aiosipua.utils import format_addr

from watchword.core.log_events import log_event
from watchword.messaging.gateway import Condition
from watchword.messaging.gateways.sip import info_dtmf
from watchword.messaging.gateways.sip.config import Keepalive, SipConfig
from watchword.messaging.gateways.sip.trace import SipTrace
from watchword.messaging.gateways.sip.transactions import TransactionLayer
from watchword.messaging.gateways.sip.user_agent import UserAgent

logger = logging.getLogger(__name__)

REGISTERED_FOR = 300
ASK_EVERY_SECONDS = 20.0
ANSWER_SECONDS = 4.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
LOOKED_FOR_EVERY_SECONDS = 300.0
"""How often the address of a PBX that gets no OPTIONS is resolved again."""
_REFUSES_US = frozenset({401, 403, 407})


class SipRegistration:
    """The connection to one PBX, and its registration there where the PBX requires one."""

    def __init__(
        self,
        name: str,
        config: SipConfig,
        *,
        moved: Callable[[IncomingCall], None],
        pressed: Callable[[str, str], None] = lambda _call_id, _key: None,
        trace: SipTrace | None = None,
    ) -> None:
        """``moved`` is called when the PBX wants to move the media of a call (re-INVITE).

        ``pressed`` is called with the Call-ID and each key that comes by SIP INFO.
        """
        self._name = name
        self._config = config
        self._moved = moved
        self._trace = trace
        self._pressed = pressed
        self._server: SipUAS | None = None
        self._registration: Registration | None = None
        self._ended: Callable[[str], None] = lambda _call_id: None
        self._peers: frozenset[str] = frozenset()
        self.agent: UserAgent | None = None
        self.local_host = ""
        self.condition = Condition(is_up=False, words="connecting")
        self._refused = asyncio.Event()
        self.is_up = asyncio.Event()
        self.is_down = asyncio.Event()
        self.is_down.set()

    @property
    def auth(self) -> SipDigestAuth | None:
        """Return the credentials for digest authentication, None where no password is configured."""
        config = self._config
        return SipDigestAuth(config.auth_user or config.user, config.password) if config.password else None

    @property
    def told_host(self) -> str:
        """Return our own address as the PBX is told it; behind NAT it differs from the local one."""
        seen = self.agent.seen_as if self.agent is not None else None
        return self._config.public_host or (seen[0] if seen is not None else "") or self.local_host

    async def keep(self, ended: Callable[[str], None]) -> None:
        """Connect, and reconnect after every failure; ``ended`` is called with the Call-ID of a call that got a BYE."""
        self._ended = ended
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._open()
                await self._register()
                if self._tells_another_address():
                    await self._register()
                self._note(Condition(is_up=True))
                pause = FIRST_PAUSE_SECONDS
                await self._watch()
            except (OSError, UnicodeError) as error:
                self._note(Condition(is_up=False, words=str(error) if isinstance(error, _Trouble) else "no connection"))
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311  (jitter: many nodes, one PBX)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def close(self) -> None:
        """Unregister and close the socket."""
        self.is_up.clear()
        if self._registration is not None and self.agent is not None:
            self._registration.unregister()
        if self._server is not None:
            await self._server.stop()

    def note_refused(self) -> None:
        """Mark the gateway as down, as a call's credentials were rejected; it comes up when the PBX answers again."""
        assert self.agent is not None
        self._note(Condition(is_up=False, words=self.agent.refusal))
        self._refused.set()

    def _note(self, condition: Condition) -> None:
        if condition != self.condition:
            if condition.is_up:
                logger.info("gateway up", extra=log_event("messaging.sip.up", gateway=self._name))
            else:
                words = condition.words
                logger.warning("gateway down: %s", words, extra=log_event("messaging.sip.down", gateway=self._name))
        self.condition = condition
        for event, is_so in ((self.is_up, condition.is_up), (self.is_down, not condition.is_up)):
            if is_so:
                event.set()
            else:
                event.clear()

    async def _open(self) -> None:
        """Resolve the PBX and open a socket; its address or ours may have changed since last time."""
        config = self._config
        try:
            found = await asyncio.get_running_loop().getaddrinfo(config.host, config.port, type=socket.SOCK_DGRAM)
            peers = [str(entry[4][0]) for entry in found]
            local_host = config.local_host or _local_host(peers[0], config.port)
        except OSError:
            if self.agent is None:
                raise
            # The addresses of last time may still work.
            return
        if self.agent is not None:
            is_as_before = (self._peers, self.local_host) == (frozenset(peers), local_host)
            if is_as_before or not self.agent.is_idle:
                return
            await self._leave()
        local = local_host, config.local_port or _free_port(local_host)
        layer = TransactionLayer(local, frozenset(peers), self._trace)
        agent = UserAgent(layer, (peers[0], config.port), identity=f"sip:{config.user}@{config.realm}", auth=self.auth)
        if config.public_host:
            agent.advertised_addr = config.public_host, layer.local_addr[1]
        server = SipUAS(layer, uac=agent, user_agent="Watchword", advertised_addr=agent.advertised_addr)
        server.on_reinvite = self._moved
        server.on_bye = lambda call, _request: self._ended(call.call_id)
        await server.start()
        logger.info(
            "listening on %s (SIP over UDP)",
            format_addr(*local),
            extra=log_event("messaging.sip.listening", gateway=self._name),
        )
        layer.listen_first(self._listening(layer, agent))
        self._peers, self.local_host = frozenset(peers), local_host
        self._server, self.agent = server, agent

    async def _leave(self) -> None:
        if self._server is not None:
            await self._server.stop()
        self._server = self.agent = self._registration = None

    def _tells_another_address(self) -> bool:
        """Adopt our address as the PBX sees it behind NAT (RFC 3581); return whether it changed."""
        assert self.agent is not None
        assert self._server is not None
        seen = self.agent.seen_as
        local_port = self.agent.transport.local_addr[1]
        # A configured local port has a port forwarding on the NAT.
        port = seen[1] if seen is not None and not self._config.local_port else local_port
        told = self.told_host, port
        if told == (self.agent.advertised_addr or self.agent.transport.local_addr):
            return False
        logger.info(
            "Contact address changed to %s",
            format_addr(*told),
            extra=log_event("messaging.sip.nat", gateway=self._name),
        )
        self.agent.advertised_addr = self._server.advertised_addr = told
        if self._registration is not None:
            self._registration.contact_uri = f"sip:{self._config.user}@{format_addr(*told)}"
        return True

    async def _register(self) -> None:
        if not self._config.register:
            if self._config.keepalive is Keepalive.OPTIONS:
                await self._ask()
            return
        assert self.agent is not None
        if self._registration is None:
            self._registration = Registration(
                self.agent,
                f"sip:{self._config.user}@{self._config.realm}",
                self.agent.address,
                expires=REGISTERED_FOR,
                registrar_uri=f"sip:{self._config.realm}",
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
            raise _Trouble(self.agent.refusal)
        if status != 200:
            raise _Trouble(f"the telephone system refuses to register us ({status})")

    async def _watch(self) -> None:
        lost = self._refused
        lost.clear()
        if self._registration is not None:
            self._registration.on_failed = lambda *_why: lost.set()
            self._registration.on_expired = lambda _one: lost.set()
        asks = self._config.keepalive is Keepalive.OPTIONS
        while True:
            try:
                await asyncio.wait_for(lost.wait(), ASK_EVERY_SECONDS if asks else LOOKED_FOR_EVERY_SECONDS)
            except TimeoutError:
                if not asks:
                    return
                await self._ask()
                if self._tells_another_address():
                    # The NAT has assigned a new address: register it at once.
                    return
            else:
                raise _Trouble(self.condition.words or "the telephone system has forgotten us")

    async def _ask(self) -> None:
        """Send OPTIONS; any response shows that the PBX is up, whatever its status (RFC 3261 section 11)."""
        assert self.agent is not None
        if await self.agent.ask("OPTIONS", seconds=ANSWER_SECONDS) is None:
            raise _Trouble('the telephone system does not answer; if it only ignores OPTIONS, say keepalive = "none"')

    def _listening(self, layer: TransactionLayer, agent: UserAgent) -> MessageCallback:
        """Return a handler that declines incoming calls; the library would store each until its ACK, or for ever."""
        inner = layer.on_message
        assert inner is not None

        def take(message: SipRequest | SipResponse, address: tuple[str, int]) -> None:
            method = message.method.upper() if isinstance(message, SipRequest) else ""
            if isinstance(message, SipRequest) and method == "INVITE" and agent.get_call(message.call_id or "") is None:
                layer.send_reply(create_dialog_from_request(message).create_response(message, 603))
            elif isinstance(message, SipRequest) and method == "INFO":
                self._take_info(layer, agent, message)
            else:
                inner(message, address)

        return take

    def _take_info(self, layer: TransactionLayer, agent: UserAgent, info: SipRequest) -> None:
        """Handle a key that comes by SIP INFO, which the library does not support."""
        call = agent.get_call(info.call_id or "")
        if call is None or not dialog_matches(call.dialog, info):
            layer.send_reply(create_dialog_from_request(info).create_response(info, 481))
            return
        if not remote_cseq_valid(call.dialog, info):
            layer.send_reply(call.dialog.create_response(info, 500))
            return
        key = info_dtmf.key_of(info.content_type or "", info.text)
        response = call.dialog.create_response(info, 200 if key is not None else 415)
        if key is None:
            response.headers.set_single("Accept", ", ".join(info_dtmf.KINDS))
        layer.send_reply(response)
        if key:
            self._pressed(call.call_id, key)


class _Trouble(OSError):
    """A connection problem, in words for an administrator."""


def _local_host(peer: str, port: int) -> str:
    """Return our address as a peer sees it; no packet is sent for that."""
    with socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, port))
        return str(probe.getsockname()[0])


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
