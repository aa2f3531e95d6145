"""SIP over UDP as RFC 3261 wants it of a client: requests are sent again until somebody answers.

The library (ADR 0036) reads and writes messages and dialogs; it sends every request once, and takes each copy of one
for a new one. Here is the client's side of transactions (section 17.1), as much of the server's as makes copies
harmless (17.2), and one rule more: nothing is heard that doesn't come from the telephone system, nor said to others.
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

# Both write whole addresses, and so the numbers that are called.
for _name in ("aiosipua", "aiortp"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

FINAL = 200
"""Responses from here on are the last ones to a request (section 7.2)."""
T1_SECONDS = 0.5
T2_SECONDS = 4.0
GIVE_UP_SECONDS = 64 * T1_SECONDS
"""Timers B and F: after so long without any answer nobody is there."""
LONGEST_RINGING_SECONDS = 300.0
"""So long the last answer to an INVITE may take."""

STOP_SECONDS = 0.5
"""So long the last answers are waited for: a goodbye may have to be said again, with proof of who we are."""
ANSWERS_STORED = 200
"""So many of our last answers are kept, for requests that come again since the answer was lost."""

type Key = tuple[str, str]
"""Branch and method."""
type Asked = tuple[str, str, str]
"""Branch, Call-ID and CSeq of a request that came."""


@dataclass(slots=True)
class Transaction:
    """One request and what came back."""

    request: SipRequest = field(repr=False)
    address: tuple[str, int]
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Any answer came, a provisional one too."""
    final: asyncio.Future[SipResponse] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    timer: asyncio.TimerHandle | None = None
    challenges: int = 0
    """How often this request was sent before, with less proof of who we are."""
    described: dict[str, bytes] = field(default_factory=dict)
    """Descriptions of sessions that came with provisional answers, by the tag of who sent them."""

    @property
    def is_over(self) -> bool:
        """Whether the last answer came."""
        return self.final.done()


class TransactionLayer(UdpSipTransport):
    """A socket at which one telephone system is spoken to."""

    def __init__(self, local: tuple[str, int], peers: frozenset[str], trace: SipTrace | None = None) -> None:
        """``peers`` are the addresses of the telephone system; what others send is dropped unread.

        But for requests within a call: a trunk of several machines hangs up from another one than it was called at. Who
        knows Call-ID and both tags of a call is one of them.
        """
        super().__init__(local_addr=local)
        self._peers = peers
        self._trace = trace
        self._answers_to = ""
        self.dialogs: Callable[[], Iterable[Dialog]] = tuple
        """Returns the calls that are under way."""
        self._transactions: dict[Key, Transaction] = {}
        self._answers: dict[Asked, tuple[SipResponse, tuple[str, int]]] = {}

    def send(self, message: SipRequest | SipResponse, addr: tuple[str, int]) -> None:
        """Send, and a request again until it is answered; an ACK has no answer."""
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
                lasts = LONGEST_RINGING_SECONDS if message.method == "INVITE" else GIVE_UP_SECONDS
                asyncio.get_running_loop().call_later(lasts, self._transactions.pop, key, None)
        self._put(message, addr)

    def transaction_of(self, message: SipRequest | SipResponse) -> Transaction | None:
        """Return the transaction that a request began or a response belongs to, as long as it is remembered."""
        key = key_of(message)
        return self._transactions.get(key) if key is not None else None

    def listen_first(self, inner: Callable[[SipRequest | SipResponse, tuple[str, int]], None] | None) -> None:
        """Look at everything that comes before ``inner`` does."""

        def take(message: SipRequest | SipResponse, address: tuple[str, int]) -> None:
            if self._trace is not None:
                self._trace.received(message, address)
            if isinstance(message, SipResponse):
                self._note(message)
            elif (said := self._answers.get(_asked(message))) is not None:
                # Section 17.2: a request that comes again is not a second request.
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
        # A request says where its answer goes: never to others, nor to a port that closes the socket for good.
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
        """Whether a stranger speaks of a call that only its telephone system knows. Others are not even parsed."""
        if any(said[0] == host and call_id.encode() in data for (_, call_id, _), (_, said) in self._answers.items()):
            # It asks again what was answered to it.
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
        """Close, once all that was asked is answered or a moment has passed; nothing is sent any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while waiting := [one.final for one in self._transactions.values() if not one.is_over]:
                    await asyncio.wait(waiting)
        for transaction in self._transactions.values():
            if transaction.timer is not None:
                transaction.timer.cancel()
        await super().stop()


def key_of(message: SipRequest | SipResponse) -> Key | None:
    """Return what joins a response to its request: the branch of the topmost Via, and the method of CSeq."""
    vias, cseq = message.via, message.cseq
    branch = vias[0].branch if vias else None
    return (branch, cseq.method.upper()) if branch and cseq is not None else None


def _asked(message: SipRequest | SipResponse) -> Asked:
    vias = message.via
    branch = (vias[0].branch if vias else None) or ""
    return branch, message.call_id or "", message.headers.get_first("cseq") or ""
