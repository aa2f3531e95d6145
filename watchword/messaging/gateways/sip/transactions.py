"""Client transactions of SIP over UDP (RFC 3261 section 17): requests are retransmitted until a response comes.

The library (ADR 0036) parses and writes messages and dialogs; it sends every request once, and takes each retransmitted
one for a new request. This layer adds client transactions (section 17.1), as much of server transactions as makes
retransmissions harmless (17.2), and one more rule: packets are exchanged with the PBX only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from aiosipua import SipRequest, SipResponse
from aiosipua.dialog import Dialog, dialog_matches
from aiosipua.message import SipMessage
from aiosipua.transport import UdpSipTransport

from watchword.messaging.gateways.sip.trace import SipTrace

# Both libraries log whole addresses, and so the called numbers.
for _name in ("aiosipua", "aiortp"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

FINAL = 200
"""Responses from this status on are final (RFC 3261 section 7.2)."""
T1_SECONDS = 0.5
T2_SECONDS = 4.0
GIVE_UP_SECONDS = 64 * T1_SECONDS
"""Timers B and F: a request without any response fails after this time."""
LONGEST_RINGING_SECONDS = 300.0
"""How long the final response to an INVITE may take."""

STOP_SECONDS = 0.5
"""How long ``stop`` waits for final responses: an unregistration may have to be resent with credentials."""
ANSWERS_STORED = 200
"""How many of our final responses are cached, for requests that are retransmitted because a response was lost."""

type Key = tuple[str, str]
"""Branch and method."""
type Asked = tuple[str, str, str]
"""Branch, Call-ID and CSeq of a received request."""


@dataclass(slots=True)
class Transaction:
    """One client transaction: a request and its responses."""

    request: SipRequest = field(repr=False)
    address: tuple[str, int]
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by any response, a provisional one too."""
    final: asyncio.Future[SipResponse] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    timer: asyncio.TimerHandle | None = None
    challenges: int = 0
    """How many challenges of this request were answered before, with other credentials."""
    described: dict[str, bytes] = field(default_factory=dict)
    """SDP of provisional responses, by the To tag of their sender."""

    @property
    def is_over(self) -> bool:
        """Return whether the final response came."""
        return self.final.done()


class TransactionLayer(UdpSipTransport):
    """The socket and the transactions with one PBX."""

    def __init__(self, local: tuple[str, int], peers: frozenset[str], trace: SipTrace | None = None) -> None:
        """``peers`` are the addresses of the PBX; packets from other addresses are dropped without parsing.

        Requests within a dialog are the exception: a trunk with several hosts may send its BYE from another host than
        the one that was called. Only a host of the trunk knows the Call-ID and both tags.
        """
        super().__init__(local_addr=local)
        self._peers = peers
        self._trace = trace
        self._answers_to = ""
        self.dialogs: Callable[[], Iterable[Dialog]] = tuple
        """Return the dialogs of the calls in progress."""
        self._transactions: dict[Key, Transaction] = {}
        self._answers: dict[Asked, tuple[SipResponse, tuple[str, int]]] = {}

    def send(self, message: SipRequest | SipResponse, addr: tuple[str, int]) -> None:
        """Send a message, and retransmit a request until it is answered; an ACK gets no response."""
        if isinstance(message, SipResponse) and message.status_code >= FINAL:
            self._answers[_asked(message)] = message, addr
            if len(self._answers) > ANSWERS_STORED:
                del self._answers[next(iter(self._answers))]
        if isinstance(message, SipRequest) and message.method != "ACK":
            key = key_of(message)
            if key is not None and key not in self._transactions:
                transaction = Transaction(message, addr)
                self._transactions[key] = transaction
                self._again_after(key, transaction, T1_SECONDS)
                lifetime = LONGEST_RINGING_SECONDS if message.method == "INVITE" else GIVE_UP_SECONDS
                asyncio.get_running_loop().call_later(lifetime, self._transactions.pop, key, None)
        self._put(message, addr)

    def transaction_of(self, message: SipRequest | SipResponse) -> Transaction | None:
        """Return the transaction of a request or response, as long as it is stored."""
        key = key_of(message)
        return self._transactions.get(key) if key is not None else None

    def listen_first(self, inner: Callable[[SipRequest | SipResponse, tuple[str, int]], None] | None) -> None:
        """Process every received message before it is passed to ``inner``."""

        def take(message: SipRequest | SipResponse, address: tuple[str, int]) -> None:
            if self._trace is not None:
                self._trace.received(message, address)
            if isinstance(message, SipResponse):
                self._note(message)
            elif (said := self._answers.get(_asked(message))) is not None:
                # RFC 3261 section 17.2: a retransmitted request gets the cached response again.
                self._put(*said)
                return
            if inner is not None:
                inner(message, address)

        self.on_message = take

    def _note(self, response: SipResponse) -> None:
        transaction = self.transaction_of(response)
        if transaction is None:
            return
        transaction.answered.set()
        if response.status_code >= FINAL and not transaction.final.done():
            transaction.final.set_result(response)
        is_done = transaction.is_over or transaction.request.method == "INVITE"
        if is_done and transaction.timer is not None:
            transaction.timer.cancel()

    def _again_after(self, key: Key, transaction: Transaction, seconds: float) -> None:
        def again() -> None:
            if key not in self._transactions or self._udp_transport is None:
                return
            self._put(transaction.request, transaction.address)
            if transaction.request.method != "INVITE":
                self._again_after(key, transaction, min(seconds * 2, T2_SECONDS))
            elif seconds * 2 < GIVE_UP_SECONDS:
                self._again_after(key, transaction, seconds * 2)

        transaction.timer = asyncio.get_running_loop().call_later(seconds, again)

    def _put(self, message: SipRequest | SipResponse, address: tuple[str, int]) -> None:
        # A request's Via says where its response goes: never to a stranger, nor to a port for which asyncio closes the
        # socket permanently.
        is_known = address[0] in self._peers or address[0] == self._answers_to
        if self._udp_transport is not None and is_known and 0 < address[1] < 65_536:
            if self._trace is not None:
                self._trace.sent(message, address)
            super().send(message, address)

    def _dispatch(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr[0] in self._peers:
            super()._dispatch(data, addr)
        elif self._is_within_a_call(data, addr[0]):
            self._answers_to = addr[0]
            try:
                super()._dispatch(data, addr)
            finally:
                self._answers_to = ""

    def _is_within_a_call(self, data: bytes, host: str) -> bool:
        """Return whether a packet from an unknown address belongs to a known call. Others are not even parsed."""
        if any(said[0] == host and call_id.encode() in data for (_, call_id, _), (_, said) in self._answers.items()):
            # A retransmission of a request that was answered before.
            return True
        named = [one for one in self.dialogs() if one.remote_tag and one.call_id.encode() in data]
        if not named:
            return False
        try:
            message = SipMessage.parse(data)
        except ValueError:
            return False
        return isinstance(message, SipRequest) and any(
            message.call_id == dialog.call_id and dialog_matches(dialog, message) for dialog in named
        )

    async def stop(self) -> None:
        """Close after every request got its final response, or after STOP_SECONDS; nothing is sent any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while waiting := [one.final for one in self._transactions.values() if not one.is_over]:
                    await asyncio.wait(waiting)
        for transaction in self._transactions.values():
            if transaction.timer is not None:
                transaction.timer.cancel()
        await super().stop()


def key_of(message: SipRequest | SipResponse) -> Key | None:
    """Return the key that matches a response to its request: branch of the topmost Via, and method of the CSeq."""
    vias, cseq = message.via, message.cseq
    branch = vias[0].branch if vias else None
    return (branch, cseq.method.upper()) if branch and cseq is not None else None


def _asked(message: SipRequest | SipResponse) -> Asked:
    vias = message.via
    branch = (vias[0].branch if vias else None) or ""
    return branch, message.call_id or "", message.headers.get_first("cseq") or ""
