"""What carriers tell and ask over HTTP: receipts of texts and calls, and what a call is to say.

No page, no person: a request is the provider's own if its address is one that only the provider was told, and where
the provider signs what it sends, if the signature is right.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from watchword.delivery import queue
from watchword.delivery.channel import Report, Result
from watchword.delivery.http_gateway import receipts, voice_markup
from watchword.delivery.http_gateway.addresses import addresses_of, is_token
from watchword.delivery.http_gateway.wishes import HttpWishes, ReceiptWishes
from watchword.delivery.receipts import note_reports
from watchword.delivery.voice.attendant import Call, CallState
from watchword.signin import phone_reports

FORM = "application/x-www-form-urlencoded"
_MEANS = {
    CallState.FRAUD: Result.FRAUD_REPORTED,
    CallState.APPROVED: Result.APPROVED,
    CallState.MISMATCHED: Result.MISMATCHED,
}


@csrf_exempt
@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def receipt(request: HttpRequest, channel: str, delivery_id: UUID, token: str) -> HttpResponse:
    """Take a receipt. What is not the provider's own is answered like an address that does not exist."""
    wishes = _genuine(request, channel, delivery_id, token)
    result = receipts.result_of(wishes, url=_url(request), body=request.body, is_form=_is_form(request))
    if result is not None:
        _note(channel, delivery_id, result)
    return HttpResponse(status=204)


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def voice(request: HttpRequest, channel: str, delivery_id: UUID, token: str) -> HttpResponse:
    """Say what a call says next, by the keys that were pressed in it."""
    _genuine(request, channel, delivery_id, token)
    found = queue.read_call(delivery_id, now=timezone.now())
    if found is None:
        return HttpResponse("<Response><Hangup/></Response>", content_type="text/xml")
    outgoing, before = found
    after = voice_markup.moved(before, request.POST.get("Digits", ""), match=outgoing.match)
    if after != before and queue.move_call(delivery_id, before, after):
        _tell(channel, delivery_id, before, after)
    _receipts, action = addresses_of(channel, delivery_id)
    return HttpResponse(voice_markup.answer_for(outgoing, after, action=action), content_type="text/xml")


def _genuine(request: HttpRequest, channel: str, delivery_id: UUID, token: str) -> ReceiptWishes:
    planned = settings.WATCHWORD_PHONES.find(channel)
    wishes = planned.wishes.receipts if planned is not None and isinstance(planned.wishes, HttpWishes) else None
    if wishes is None or not is_token(channel, delivery_id, token) or len(request.body) > receipts.LONGEST_BODY:
        raise Http404
    is_genuine = receipts.is_genuine(
        wishes, url=_url(request), headers=request.headers, body=request.body, is_form=_is_form(request)
    )
    if not is_genuine:
        raise Http404
    return wishes


def _url(request: HttpRequest) -> str:
    # As the provider was told it: behind a proxy the request itself names another scheme and host.
    return f"{settings.WATCHWORD_PUBLIC_URL}{request.get_full_path()}"


def _is_form(request: HttpRequest) -> bool:
    return (request.content_type or "") == FORM


def _tell(channel: str, delivery_id: UUID, before: Call, after: Call) -> None:
    if before.state is CallState.RINGING:
        _note(channel, delivery_id, Result.DELIVERED)
    if after.state in _MEANS:
        _note(channel, delivery_id, _MEANS[after.state])


def _note(channel: str, delivery_id: UUID, result: Result) -> None:
    now = timezone.now()
    for changed in note_reports([Report(channel, "", result, delivery_id)], now=now):
        phone_reports.note(changed.delivery_id, changed.result, now=now)
