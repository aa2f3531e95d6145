"""A SIP user agent client that places calls: what RFC 3261 requires beyond the SIP library (ADR 0036).

It sends the ACK for failure responses, follows Record-Route, hangs up calls that are answered just after they were
abandoned, authenticates every request, and sends OPTIONS to check that the PBX is reachable.
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
"""Most challenges answered for one request: a proxy's, those of the PBX behind it, and a stale nonce of each."""
LONGEST_RETRY_AFTER = 3600
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"
REFUSES_US = "the telephone system refuses the user name or password"


class UserAgent(SipUAC):
    """A user agent client that places calls through one PBX."""

    def __init__(
        self, layer: TransactionLayer, address: tuple[str, int], *, identity: str, auth: SipDigestAuth | None
    ) -> None:
        """``address`` is that of the PBX, ``identity`` our own SIP URI there."""
        super().__init__(layer)
        self._layer = layer
        self.address = address
        self._identity = identity
        self._auth = auth
        self._given_up: set[str] = set()
        self.seen_as: tuple[str, int] | None = None
        """Our own address as the PBX saw it last (received and rport, RFC 3581)."""
        self.refusal = REFUSES_US
        """Why the last challenge could not be answered, or why its answer was rejected."""
        self._has_told_md5 = False
        layer.dialogs = lambda: [call.dialog for call in self._calls.values()]

    def dial(self, from_uri: str, to_uri: str, offer: SdpMessage) -> OutgoingCall:
        """Send the INVITE of a new call."""
        return self.send_invite(from_uri, to_uri, self.address, sdp_offer=offer, user_agent="Watchword")

    def retry_after(self, call: OutgoingCall) -> float:
        """Return how many seconds to wait before a rejected call may be retried (RFC 3261 section 20.33)."""
        transaction = self._layer.transaction_of(call.invite)
        if transaction is None or not transaction.is_over:
            return 0.0
        found = re.match(r"\s*([0-9]+)", transaction.final.result().get_header("retry-after") or "")
        return float(min(int(found[1][:6]), LONGEST_RETRY_AFTER)) if found else 0.0

    def give_up(self, call: OutgoingCall) -> None:
        """End a call in any state. A late 2xx gets an ACK and a BYE at once (RFC 3261 section 9.1)."""
        if call.call_id not in self._calls:
            return
        if call.hangup(self) is not None:
            return
        self._given_up.add(call.call_id)
        asyncio.get_running_loop().call_later(64, self._given_up.discard, call.call_id)
        transaction = self._layer.transaction_of(call.invite)
        if transaction is not None and transaction.answered.is_set():
            call.cancel(self)
        else:
            # No response has come yet, so a CANCEL is not allowed. A late response is handled in ``handle_response``.
            self.remove_call(call.call_id)

    @property
    def is_idle(self) -> bool:
        """Return whether no call is in progress."""
        return not self._calls

    def was_heard(self, call: OutgoingCall) -> bool:
        """Return whether the PBX has sent any response to a call's INVITE."""
        transaction = self._layer.transaction_of(call.invite)
        return transaction is not None and transaction.answered.is_set()

    def handle_response(self, response: SipResponse, addr: tuple[str, int]) -> None:
        """Handle what the SIP library leaves out, then let the library handle the response."""
        cseq = response.cseq
        transaction = self._layer.transaction_of(response)
        if cseq is None or transaction is None:
            return
        call = self.get_call(response.call_id or "")
        self._note_our_address(response)
        # A request that was retransmitted gets two responses, and a challenge that is repeated is no rejection.
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
            self._on_ringing(transaction, response)
            super().handle_response(response, addr)

    async def ask(self, method: str, *, seconds: float) -> SipResponse | None:
        """Send a request outside any dialog (OPTIONS) and return its response, None after the timeout."""
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
        self._layer.send(request, self.address)
        transaction = self._layer.transaction_of(request)
        assert transaction is not None
        try:
            return await asyncio.wait_for(asyncio.shield(transaction.final), seconds)
        except TimeoutError:
            return None

    def _on_ringing(self, transaction: Transaction, response: SipResponse) -> None:
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
        """Resend a challenged request with credentials; return False where that can't help."""
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
        self._layer.send(again, transaction.address)
        following = self._layer.transaction_of(again)
        assert following is not None
        following.challenges = transaction.challenges + 1
        return True

    def _follow(self, again: SipRequest, seq: int) -> None:
        """Tell the library which request replaces the one that was challenged."""
        call_id = again.call_id or ""
        if again.method == "REGISTER" and (registration := self._registrations.get(call_id)) is not None:
            registration._cseq = seq  # noqa: SLF001  (the library has no public method for it)
        elif again.method == "INVITE" and (call := self.get_call(call_id)) is not None:
            call.invite = again
            call.dialog.local_cseq = seq

    def _build_invite(self, dialog: Dialog, *, sdp_offer: SdpMessage | None, user_agent: str | None) -> SipRequest:
        """Return an INVITE without 100rel (RFC 3262): a reliable provisional response would carry the SDP answer."""
        invite = super()._build_invite(dialog, sdp_offer=sdp_offer, user_agent=user_agent)
        invite.headers.remove("Supported")
        invite.headers.set_single("Allow", ALLOW)
        return invite

    def _acknowledge_refusal(self, transaction: Transaction, response: SipResponse) -> None:
        ack = _beside(transaction.request, "ACK")
        # RFC 3261 section 17.1.1.3: the To header is copied from the response.
        ack.headers.set_single("To", response.headers.get_first("to") or "")
        self._layer.send(ack, transaction.address)

    def _hang_up_stray(self, transaction: Transaction, response: SipResponse) -> None:
        """Send ACK and BYE for a late 2xx after a CANCEL, or a second 2xx of a forked INVITE: no call stays open."""
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
        self._layer.send(ack, transaction.address)
        bye = dialog.create_request("BYE", via_host=host, via_port=port)
        self._layer.send(bye, transaction.address)

    def _cancel_late(self, transaction: Transaction) -> None:
        cancel = _beside(transaction.request, "CANCEL")
        if self._layer.transaction_of(cancel) is None:
            self._layer.send(cancel, transaction.address)


def _beside(invite: SipRequest, method: str) -> SipRequest:
    """Return an ACK or CANCEL for an INVITE, with its branch and CSeq number (sections 9.1 and 17.1.1.3)."""
    request = SipRequest(method=method, uri=invite.uri)
    for name in ("Via", "From", "To", "Call-ID", "Max-Forwards"):
        request.headers.set_single(name, invite.headers.get_first(name) or "")
    seq = invite.cseq.seq if invite.cseq is not None else 1
    request.headers.set_single("CSeq", stringify_cseq(CSeq(seq=seq, method=method)))
    for route in invite.headers.get("route"):
        request.headers.append("Route", route)
    return request


def _is_same_leg(call: OutgoingCall, response: SipResponse) -> bool:
    """Return whether a 2xx belongs to the dialog of the first telephone that answered, or is itself the first."""
    tag = response.to_addr.tag if response.to_addr is not None else None
    return call.sdp_answer is None or not tag or tag == call.dialog.remote_tag


def _learn_route(dialog: Dialog, response: SipResponse) -> None:
    """Update remote target, route set and remote tag from a response (RFC 3261 section 12.1.2)."""
    if response.contact:
        dialog.remote_target = stringify_uri(response.contact[0].uri)
    dialog.route_set = list(reversed(response.headers.get("record-route")))
    tag = response.to_addr.tag if response.to_addr is not None else None
    if tag:
        # A forking proxy may have given us the tag of another telephone before.
        dialog.remote_tag = tag


def _tag_of(response: SipResponse) -> str:
    return (response.to_addr.tag if response.to_addr is not None else None) or ""


def _take_early_description(transaction: Transaction, response: SipResponse) -> None:
    """Use the SDP of a provisional response where the 2xx has none (RFC 3261 section 13.2.1)."""
    early = transaction.described
    body = early.get(_tag_of(response)) or (next(iter(early.values())) if len(early) == 1 else b"")
    if not response.body and body:
        response.body = body
        response.headers.set_single("Content-Type", "application/sdp")


def _leave_out_what_is_not_stored(response: SipResponse) -> None:
    """Remove from a 2xx what the library would handle badly: a session timer, and SDP that can't be parsed."""
    # Our calls end before a session has to be refreshed; the library's timer would go on after the hang-up.
    response.headers.remove("Session-Expires")
    try:
        parse_sdp(response.text)
    except ValueError:
        response.body = b""


def _leave_out_others(request: SipRequest, response: SipResponse) -> None:
    """Remove other devices' contacts from a REGISTER response: the library takes the first one's expiry for ours."""
    ours = {(contact.uri.host, contact.uri.port) for contact in request.contact}
    if stored := [contact for contact in response.contact if (contact.uri.host, contact.uri.port) in ours]:
        response.contact = stored
