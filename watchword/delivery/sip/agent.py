"""A SIP client that places calls: what RFC 3261 asks beyond what the library does (ADR 0036).

That is: an ACK for refusals too, the way back through proxies (Record-Route), a call that is answered in the moment in
which we give it up, proof of who we are for every request, and a word now and then whether somebody is there.
"""

from __future__ import annotations

import asyncio

from aiosipua import OutgoingCall, SdpMessage, SipDigestAuth, SipRequest, SipResponse, SipUAC, parse_sdp, stringify_uri
from aiosipua.auth import answer_challenge
from aiosipua.dialog import Dialog
from aiosipua.headers import CSeq, Via, stringify_cseq, stringify_via
from aiosipua.utils import format_addr, generate_branch, generate_call_id, generate_tag

from watchword.delivery.sip.wire import Transaction, Wire

_SUCCESS = range(200, 300)
_REFUSAL = range(300, 700)
_CHALLENGES = frozenset({401, 407})


class Agent(SipUAC):
    """Places calls at one telephone system."""

    def __init__(self, wire: Wire, address: tuple[str, int], *, identity: str, auth: SipDigestAuth | None) -> None:
        """``address`` is the telephone system's, ``identity`` our own SIP URI there."""
        super().__init__(wire)
        self._wire = wire
        self.address = address
        self._identity = identity
        self._auth = auth
        self._given_up: set[str] = set()

    def dial(self, from_uri: str, to_uri: str, offer: SdpMessage) -> OutgoingCall:
        """Begin a call."""
        return self.send_invite(
            from_uri, to_uri, self.address, sdp_offer=offer, auth=self._auth, user_agent="Watchword"
        )

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
        # A request that was sent twice is answered twice, and a challenge that comes again is no refusal.
        is_repeated = transaction.is_over and transaction.final.result() is not response
        if cseq.method.upper() != "INVITE":
            if not is_repeated:
                self._prepare_other(transaction, response)
                super().handle_response(response, addr)
            return
        if response.status_code in _REFUSAL:
            self._acknowledge_refusal(transaction, response)
            if is_repeated:
                return
        elif response.status_code in _SUCCESS:
            if call is None or not _is_same_leg(call, response):
                self._hang_up_stray(transaction, response)
                return
            _learn_route(call.dialog, response)
            _leave_out_what_is_not_kept(response)
        elif call is None and (response.call_id or "") in self._given_up:
            self._cancel_late(transaction)
        super().handle_response(response, addr)

    async def ask(self, method: str, *, seconds: float) -> SipResponse | None:
        """Send a request outside any call (OPTIONS) and return its answer, None if none came in time."""
        host, port = self._wire.local_addr
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

    def _prepare_other(self, transaction: Transaction, response: SipResponse) -> None:
        match transaction.request.method:
            case "REGISTER":
                _leave_out_others(transaction.request, response)
            case "BYE" if response.status_code in _CHALLENGES:
                self._answer_challenge(transaction, response)

    def _build_invite(self, dialog: Dialog, *, sdp_offer: SdpMessage | None, user_agent: str | None) -> SipRequest:
        """Write an INVITE that wants no reliable ringing (RFC 3262): the answer to our offer would come with it."""
        invite = super()._build_invite(dialog, sdp_offer=sdp_offer, user_agent=user_agent)
        invite.headers.remove("Supported")
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
        host, port = self._wire.local_addr
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

    def _answer_challenge(self, transaction: Transaction, response: SipResponse) -> None:
        request = transaction.request
        if self._auth is None or request.get_header("authorization") or request.get_header("proxy-authorization"):
            return
        proof = answer_challenge(self._auth, response, response.status_code, request.method, request.uri)
        if proof is None or request.cseq is None:
            return
        request.headers.set_single(*proof)
        request.headers.set_single("CSeq", stringify_cseq(CSeq(seq=request.cseq.seq + 1, method=request.method)))
        via = request.via[0]
        via.branch = generate_branch()
        request.via = [via]
        self._wire.send(request, transaction.address)


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


def _leave_out_what_is_not_kept(response: SipResponse) -> None:
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
    if kept := [contact for contact in response.contact if (contact.uri.host, contact.uri.port) in ours]:
        response.contact = kept
