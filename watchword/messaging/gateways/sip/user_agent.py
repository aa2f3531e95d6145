"""A SIP client that places calls: what RFC 3261 asks beyond what the library does (ADR 0036).

That is: an ACK for refusals too, the way back through proxies (Record-Route), a call that is answered in the moment in
which we give it up, proof of who we are for every request, and a word now and then whether somebody is there.
"""

from __future__ import annotations

import asyncio
import logging
import re

from aiosipua import OutgoingCall, SdpMessage, SipDigestAuth, SipRequest, SipResponse, SipUAC, parse_sdp, stringify_uri
from aiosipua.dialog import Dialog
from aiosipua.headers import CSeq, Via, stringify_cseq, stringify_via
from aiosipua.utils import format_addr, generate_branch, generate_call_id, generate_tag

from watchword.core.log_events import log_event
from watchword.messaging.gateways.sip import digest
from watchword.messaging.gateways.sip.config import is_address
from watchword.messaging.gateways.sip.transactions import Transaction, TransactionLayer

logger = logging.getLogger(__name__)

_SUCCESS = range(200, 300)
_REFUSAL = range(300, 700)
_CHALLENGES = frozenset(digest.HEADERS)
MOST_CHALLENGES = 4
"""Of one request: a proxy's, the telephone system's behind it, and a stale nonce of each."""
LONGEST_RETRY_AFTER = 3600
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"
REFUSES_US = "the telephone system refuses the user name or password"


class UserAgent(SipUAC):
    """Places calls at one telephone system."""

    def __init__(
        self, wire: TransactionLayer, address: tuple[str, int], *, identity: str, auth: SipDigestAuth | None
    ) -> None:
        """``address`` is the telephone system's, ``identity`` our own SIP URI there."""
        super().__init__(wire)
        self._wire = wire
        self.address = address
        self._identity = identity
        self._auth = auth
        self._given_up: set[str] = set()
        self.seen_as: tuple[str, int] | None = None
        """Our own address as the telephone system saw it last (received and rport, RFC 3581)."""
        self.refusal = REFUSES_US
        """Why the last challenge could not be answered, or why the answer did not help."""
        self._has_told_md5 = False
        wire.dialogs = lambda: [call.dialog for call in self._calls.values()]

    def dial(self, from_uri: str, to_uri: str, offer: SdpMessage) -> OutgoingCall:
        """Begin a call."""
        return self.send_invite(from_uri, to_uri, self.address, sdp_offer=offer, user_agent="Watchword")

    def retry_after(self, call: OutgoingCall) -> float:
        """Return how many seconds a refused call is to wait before it is tried again (RFC 3261 section 20.33)."""
        transaction = self._wire.transaction_of(call.invite)
        if transaction is None or not transaction.is_over:
            return 0.0
        found = re.match(r"\s*([0-9]+)", transaction.final.result().get_header("retry-after") or "")
        return float(min(int(found[1][:6]), LONGEST_RETRY_AFTER)) if found else 0.0

    def give_up(self, call: OutgoingCall) -> None:
        """End a call in whatever state it is. What answers nevertheless is hung up at once (section 9.1)."""
        if call.call_id not in self._calls:
            return
        if call.hangup(self) is not None:
            return
        self._given_up.add(call.call_id)
        asyncio.get_running_loop().call_later(64, self._given_up.discard, call.call_id)
        transaction = self._wire.transaction_of(call.invite)
        if transaction is not None and transaction.answered.is_set():
            call.cancel(self)
        else:
            # Nobody has said anything yet: a CANCEL would have nothing to cancel. The late answer is looked at below.
            self.remove_call(call.call_id)

    @property
    def is_idle(self) -> bool:
        """Whether no call is under way."""
        return not self._calls

    def was_heard(self, call: OutgoingCall) -> bool:
        """Whether the telephone system has said anything about a call."""
        transaction = self._wire.transaction_of(call.invite)
        return transaction is not None and transaction.answered.is_set()

    def handle_response(self, response: SipResponse, addr: tuple[str, int]) -> None:
        """Do what the library leaves out, then what it does."""
        cseq = response.cseq
        transaction = self._wire.transaction_of(response)
        if cseq is None or transaction is None:
            return
        call = self.get_call(response.call_id or "")
        self._note_our_address(response)
        # A request that was sent twice is answered twice, and a challenge that comes again is no refusal.
        is_repeated = transaction.is_over and transaction.final.result() is not response
        if cseq.method.upper() != "INVITE":
            if not is_repeated and not self._is_answered(transaction, response):
                if transaction.request.method == "REGISTER":
                    _leave_out_others(transaction.request, response)
                super().handle_response(response, addr)
        elif response.status_code in _REFUSAL:
            self._acknowledge_refusal(transaction, response)
            if not is_repeated and (call is None or not self._is_answered(transaction, response)):
                super().handle_response(response, addr)
        elif response.status_code in _SUCCESS:
            if call is None or not _is_same_leg(call, response):
                self._hang_up_stray(transaction, response)
                return
            _learn_route(call.dialog, response)
            _take_early_description(transaction, response)
            _leave_out_what_is_not_stored(response)
            super().handle_response(response, addr)
        else:
            self._hear_ringing(transaction, response)
            super().handle_response(response, addr)

    async def ask(self, method: str, *, seconds: float) -> SipResponse | None:
        """Send a request outside any call (OPTIONS) and return its answer, None if none came in time."""
        host, port = self._local_addr()
        request = SipRequest(method=method, uri=self._identity)
        via = Via(transport="UDP", host=host, port=port, params={"branch": generate_branch(), "rport": None})
        request.headers.append("Via", stringify_via(via))
        request.headers.set_single("From", f"<{self._identity}>;tag={generate_tag()}")
        request.headers.set_single("To", f"<{self._identity}>")
        request.headers.set_single("Call-ID", generate_call_id(host))
        request.headers.set_single("CSeq", stringify_cseq(CSeq(seq=1, method=method)))
        request.headers.set_single("Max-Forwards", "70")
        request.headers.set_single("Contact", f"<sip:{format_addr(host, port)}>")
        self._wire.send(request, self.address)
        transaction = self._wire.transaction_of(request)
        assert transaction is not None
        try:
            return await asyncio.wait_for(asyncio.shield(transaction.final), seconds)
        except TimeoutError:
            return None

    def _hear_ringing(self, transaction: Transaction, response: SipResponse) -> None:
        if self.get_call(response.call_id or "") is None and (response.call_id or "") in self._given_up:
            self._cancel_late(transaction)
        elif response.body and response.content_type == "application/sdp":
            transaction.described[_tag_of(response)] = response.body

    def _note_our_address(self, response: SipResponse) -> None:
        vias = response.via
        host = ((vias[0].received or vias[0].host) if vias else "").strip("[]")
        port = (vias[0].rport or "") if vias else ""
        if re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65_536 and is_address(host):
            self.seen_as = host, int(port)

    def _tell_md5_once(self, proof: str) -> None:
        if digest.rests_on_md5(proof) and not self._has_told_md5:
            self._has_told_md5 = True
            logger.warning(
                "%s asks for digest authentication by MD5: keep SIP within your own network",
                self.address[0],
                extra=log_event("messaging.sip.md5"),
            )

    def _is_answered(self, transaction: Transaction, response: SipResponse) -> bool:
        """Send a request once more with the proof that was asked for; False where that is no use."""
        request = transaction.request
        if response.status_code not in _CHALLENGES or request.cseq is None:
            return False
        if self._auth is None:
            self.refusal = "the telephone system wants a password, and this channel has none"
            return False
        proof = digest.answer(self._auth, request, response)
        if proof is None or transaction.challenges >= MOST_CHALLENGES:
            challenges = digest.challenges_of(response)
            is_known = not challenges or any(digest.can_answer(one) for one in challenges)
            self.refusal = REFUSES_US if is_known else "the telephone system wants a proof of a kind that we don't know"
            return False
        again = SipRequest(method=request.method, uri=request.uri, headers=request.headers.copy(), body=request.body)
        name, values = proof
        self._tell_md5_once(values[-1])
        again.headers.remove(name)
        for value in values:
            again.headers.append(name, value)
        seq = request.cseq.seq + 1
        again.headers.set_single("CSeq", stringify_cseq(CSeq(seq=seq, method=request.method)))
        via = again.via[0]
        via.branch = generate_branch()
        again.via = [via]
        self._follow(again, seq)
        self._wire.send(again, transaction.address)
        following = self._wire.transaction_of(again)
        assert following is not None
        following.challenges = transaction.challenges + 1
        return True

    def _follow(self, again: SipRequest, seq: int) -> None:
        """Let the library know the request that stands in the place of the one before."""
        call_id = again.call_id or ""
        if again.method == "REGISTER" and (registration := self._registrations.get(call_id)) is not None:
            registration._cseq = seq  # noqa: SLF001  (it has no other way to be told)
        elif again.method == "INVITE" and (call := self.get_call(call_id)) is not None:
            call.invite = again
            call.dialog.local_cseq = seq

    def _build_invite(self, dialog: Dialog, *, sdp_offer: SdpMessage | None, user_agent: str | None) -> SipRequest:
        """Write an INVITE that wants no reliable ringing (RFC 3262): the answer to our offer would come with it."""
        invite = super()._build_invite(dialog, sdp_offer=sdp_offer, user_agent=user_agent)
        invite.headers.remove("Supported")
        invite.headers.set_single("Allow", ALLOW)
        return invite

    def _acknowledge_refusal(self, transaction: Transaction, response: SipResponse) -> None:
        ack = _beside(transaction.request, "ACK")
        # Section 17.1.1.3: the To is that of the response.
        ack.headers.set_single("To", response.headers.get_first("to") or "")
        self._wire.send(ack, transaction.address)

    def _hang_up_stray(self, transaction: Transaction, response: SipResponse) -> None:
        """Somebody picks up whom we had given up, or a second telephone does: they must not hold a dead line."""
        invite = transaction.request
        sender, target = invite.from_addr, invite.to_addr
        dialog = Dialog(
            call_id=invite.call_id or "",
            local_tag=(sender.tag if sender is not None else "") or "",
            remote_tag=(response.to_addr.tag if response.to_addr is not None else "") or "",
            local_uri=stringify_uri(sender.uri) if sender is not None else self._identity,
            remote_uri=stringify_uri(target.uri) if target is not None else invite.uri,
            local_cseq=(invite.cseq.seq if invite.cseq is not None else 1) + 1,
        )
        _learn_route(dialog, response)
        dialog.confirm()
        host, port = self._local_addr()
        ack = dialog.create_request("ACK", via_host=host, via_port=port)
        seq = response.cseq.seq if response.cseq is not None else 1
        ack.headers.set_single("CSeq", stringify_cseq(CSeq(seq=seq, method="ACK")))
        self._wire.send(ack, transaction.address)
        bye = dialog.create_request("BYE", via_host=host, via_port=port)
        self._wire.send(bye, transaction.address)

    def _cancel_late(self, transaction: Transaction) -> None:
        cancel = _beside(transaction.request, "CANCEL")
        if self._wire.transaction_of(cancel) is None:
            self._wire.send(cancel, transaction.address)


def _beside(invite: SipRequest, method: str) -> SipRequest:
    """Return a request that goes the way of an INVITE, on its branch, under its number (sections 9.1 and 17.1.1.3)."""
    request = SipRequest(method=method, uri=invite.uri)
    for name in ("Via", "From", "To", "Call-ID", "Max-Forwards"):
        request.headers.set_single(name, invite.headers.get_first(name) or "")
    seq = invite.cseq.seq if invite.cseq is not None else 1
    request.headers.set_single("CSeq", stringify_cseq(CSeq(seq=seq, method=method)))
    for route in invite.headers.get("route"):
        request.headers.append("Route", route)
    return request


def _is_same_leg(call: OutgoingCall, response: SipResponse) -> bool:
    """Whether a success comes from the telephone that answered, or from the first one that does."""
    tag = response.to_addr.tag if response.to_addr is not None else None
    return call.sdp_answer is None or not tag or tag == call.dialog.remote_tag


def _learn_route(dialog: Dialog, response: SipResponse) -> None:
    """Take over where requests of this call go from now on (section 12.1.2)."""
    if response.contact:
        dialog.remote_target = stringify_uri(response.contact[0].uri)
    dialog.route_set = list(reversed(response.headers.get("record-route")))
    tag = response.to_addr.tag if response.to_addr is not None else None
    if tag:
        # A proxy that rang several telephones gave us the tag of one of them before.
        dialog.remote_tag = tag


def _tag_of(response: SipResponse) -> str:
    return (response.to_addr.tag if response.to_addr is not None else None) or ""


def _take_early_description(transaction: Transaction, response: SipResponse) -> None:
    """Take the description that came while it rang, where the success has none (RFC 3261 section 13.2.1)."""
    early = transaction.described
    body = early.get(_tag_of(response)) or (next(iter(early.values())) if len(early) == 1 else b"")
    if not response.body and body:
        response.body = body
        response.headers.set_single("Content-Type", "application/sdp")


def _leave_out_what_is_not_stored(response: SipResponse) -> None:
    """Take out of a success what would end badly: a timer of the session, and a description that can't be read."""
    # Our calls are over before a session has to be refreshed; the library's timer would go on after they hang up.
    response.headers.remove("Session-Expires")
    try:
        parse_sdp(response.text)
    except ValueError:
        response.body = b""


def _leave_out_others(request: SipRequest, response: SipResponse) -> None:
    """Take out of what a registrar says who else is registered so: the library takes the first one's time for ours."""
    ours = {(contact.uri.host, contact.uri.port) for contact in request.contact}
    if stored := [contact for contact in response.contact if (contact.uri.host, contact.uri.port) in ours]:
        response.contact = stored
