"""What carriers tell and ask over HTTP: receipts of texts and calls, and what a call is to say.

No page, no person: a request is the provider's own if its address is one that only the provider was told, and where
the provider signs what it sends, if the signature is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from watchword.messaging.gateway import Report, Result
from watchword.messaging.gateways.http import voice_markup, webhooks
from watchword.messaging.gateways.http.callback_urls import addresses_of, delivery_of, is_gateway_token, is_token
from watchword.messaging.gateways.http.config import HttpConfig, ReceiptConfig
from watchword.messaging.voice.ivr import Call, CallState
from watchword.messaging.worker import outbox
from watchword.messaging.worker.delivery_receipts import note_reports
from watchword.signin.otp import delivery_events

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
def receipt(request: HttpRequest, gateway: str, delivery_id: str, token: str) -> HttpResponse:
    """Take a receipt. What is not the provider's own is answered like an address that does not exist."""
    message, config = _genuine(request, gateway, delivery_id, token)
    result = webhooks.result_of(config, url=_url(request), body=request.body, is_form=_is_form(request))
    if result is not None:
        _note([Report(gateway, "", result, message)])
    return _taken(config)


@csrf_exempt
@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def receipts_of_gateway(request: HttpRequest, gateway: str, token: str) -> HttpResponse:
    """Take receipts of any messages of a channel, for providers that are told one address for the account."""
    config = _config_of(gateway)
    if config is None or not config.reference or not is_gateway_token(gateway, token):
        raise Http404
    _check_proof(request, config, longest=webhooks.LONGEST_LIST_BODY)
    found = webhooks.results_of(config, url=_url(request), body=request.body, is_form=_is_form(request))
    _note([Report(gateway, reference, result) for reference, result in found])
    return _taken(config)


def _taken(config: ReceiptConfig) -> HttpResponse:
    if config.answer:
        return HttpResponse(config.answer, content_type="text/plain; charset=utf-8")
    return HttpResponse(status=204)


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def voice(request: HttpRequest, gateway: str, delivery_id: str, token: str) -> HttpResponse:
    """Say what a call says next, by the keys that were pressed in it."""
    message, _config = _genuine(request, gateway, delivery_id, token)
    now = timezone.now()
    found = outbox.read_call(message, now=now)
    if found is None:
        return _hang_up()
    outgoing, before = found
    # Only what is signed counts: other kinds of bodies are not read as fields.
    digits = webhooks.fields_of(request.body).get("Digits", "") if _is_form(request) else ""
    after = voice_markup.moved(before, digits, match=outgoing.match)
    if after != before:
        with transaction.atomic():
            if after.state in _MEANS:
                delivery_events.hold_person(message)
            # Both or neither: a provider that asks again after trouble is heard again.
            if outbox.move_call(message, before, after):
                _tell(gateway, message, before, after)
    if after.state is CallState.CODE and not delivery_events.may_be_spoken(message, now=now):
        # Keys are heard until the end: who reports fraud may do so of a code that was replaced.
        return _hang_up()
    _receipts, action = addresses_of(gateway, message)
    return HttpResponse(voice_markup.answer_for(outgoing, after, action=action), content_type="text/xml")


def _hang_up() -> HttpResponse:
    return HttpResponse("<Response><Hangup/></Response>", content_type="text/xml")


def _genuine(request: HttpRequest, gateway: str, name: str, token: str) -> tuple[UUID, ReceiptConfig]:
    """Return which message a request is about, if it is the provider's own; raises Http404."""
    config, message = _config_of(gateway), delivery_of(name)
    if config is None or message is None or not is_token(gateway, message, token):
        raise Http404
    _check_proof(request, config, longest=webhooks.LONGEST_BODY)
    return message, config


def _config_of(gateway: str) -> ReceiptConfig | None:
    planned = settings.WATCHWORD_PHONES.find(gateway)
    return planned.config.receipts if planned is not None and isinstance(planned.config, HttpConfig) else None


def _check_proof(request: HttpRequest, config: ReceiptConfig, *, longest: int) -> None:
    """Raise Http404 unless a request is as long as a provider's, and signed by it where it signs."""
    if len(request.body) > longest:
        raise Http404
    is_genuine = webhooks.is_genuine(
        config,
        url=_url(request),
        headers=request.headers,
        body=request.body,
        is_form=_is_form(request),
        now=timezone.now(),
    )
    if not is_genuine:
        raise Http404


def _url(request: HttpRequest) -> str:
    # As the provider was told it: behind a proxy the request itself names another scheme and host.
    return f"{settings.WATCHWORD_PUBLIC_URL}{request.get_full_path()}"


def _is_form(request: HttpRequest) -> bool:
    return (request.content_type or "") == FORM


def _tell(gateway: str, delivery_id: UUID, before: Call, after: Call) -> None:
    if before.state is CallState.RINGING:
        _note([Report(gateway, "", Result.DELIVERED, delivery_id)])
    if after.state in _MEANS:
        _note([Report(gateway, "", _MEANS[after.state], delivery_id)])


def _note(reports: Sequence[Report]) -> None:
    now = timezone.now()
    with transaction.atomic():
        # Both or neither: what a provider says again after trouble must still be news.
        for changed in note_reports(reports, now=now):
            delivery_events.note(changed.delivery_id, changed.result, now=now)
