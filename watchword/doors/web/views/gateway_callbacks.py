"""HTTP callbacks of providers: delivery receipts of texts and calls, and requests for the script of a call.

No person uses these URLs. A request is genuine if its URL contains the secret token given only to the provider and, if
the provider signs its requests, the signature is valid.
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
    """Record the delivery receipt of one message. A request that is not genuine gets 404."""
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
    """Record delivery receipts of any messages of a gateway, for providers with one callback URL for each account."""
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
    """Return the next part of a call's script, according to the keys pressed in the call."""
    message, _config = _genuine(request, gateway, delivery_id, token)
    now = timezone.now()
    found = outbox.read_call(message, now=now)
    if found is None:
        return _hang_up()
    outgoing, before = found
    # Only signed fields count, so a body of another content type is not read as fields.
    digits = webhooks.fields_of(request.body).get("Digits", "") if _is_form(request) else ""
    after = voice_markup.moved(before, digits, match=outgoing.match)
    if after != before:
        with transaction.atomic():
            if after.state in _MEANS:
                delivery_events.hold_person(message)
            # In one transaction: if it fails and the provider retries, the keys are handled again.
            if outbox.move_call(message, before, after):
                _tell(gateway, message, before, after)
    if after.state is CallState.CODE and not delivery_events.may_be_spoken(message, now=now):
        # Keys are handled before this check, so that fraud can be reported for a replaced code too.
        return _hang_up()
    _receipts, action = addresses_of(gateway, message)
    return HttpResponse(voice_markup.answer_for(outgoing, after, action=action), content_type="text/xml")


def _hang_up() -> HttpResponse:
    return HttpResponse("<Response><Hangup/></Response>", content_type="text/xml")


def _genuine(request: HttpRequest, gateway: str, name: str, token: str) -> tuple[UUID, ReceiptConfig]:
    """Return the message and receipt settings of a genuine request; raise Http404 for any other."""
    config, message = _config_of(gateway), delivery_of(name)
    if config is None or message is None or not is_token(gateway, message, token):
        raise Http404
    _check_proof(request, config, longest=webhooks.LONGEST_BODY)
    return message, config


def _config_of(gateway: str) -> ReceiptConfig | None:
    planned = settings.WATCHWORD_PHONES.find(gateway)
    return planned.config.receipts if planned is not None and isinstance(planned.config, HttpConfig) else None


def _check_proof(request: HttpRequest, config: ReceiptConfig, *, longest: int) -> None:
    """Raise Http404 if a body is longer than ``longest`` octets, or lacks the signature of a provider that signs."""
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
    # The URL as given to the provider: behind a proxy the request itself has another scheme and host.
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
        # In one transaction: if it fails and the provider retries, the receipts must still count as new.
        for changed in note_reports(reports, now=now):
            delivery_events.note(changed.delivery_id, changed.result, now=now)
