"""The page that looks like a telephone: texts arrive, calls ring, keys are pressed. Open to everybody, demo only."""

from __future__ import annotations

import hashlib
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from watchword.core.policy import Way
from watchword.delivery.simulator import attendant, speech
from watchword.delivery.simulator.attendant import Call, CallState
from watchword.delivery.simulator.channel import TROUBLE, move, spoken
from watchword.delivery.simulator.models import Arrival
from watchword.signin.service import report_fraud

SHOWN = 20
KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#")


def _only_in_the_demo() -> None:
    if not settings.WATCHWORD_DEMO:
        raise Http404


@login_not_required
@never_cache
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """Show one telephone, or the one that got something last."""
    _only_in_the_demo()
    numbers = _numbers()
    number = request.GET.get("number", "")
    if number not in numbers:
        number = numbers[0] if numbers else ""
    arrivals = list(Arrival.objects.filter(number=number).order_by("-at")[:SHOWN])
    call = next((arrival for arrival in arrivals if arrival.way == Way.CALL and not arrival.call.state.is_over), None)
    context = {
        "numbers": numbers,
        "number": number,
        "arrivals": list(reversed(arrivals)),
        "call": call,
        "says": spoken(call) if call is not None else "",
        "can_be_heard": speech.is_available(),
        "is_ringing": call is not None and call.call.state is CallState.RINGING,
        "keys": KEYS,
        "trouble": TROUBLE,
        "stamp": _stamp(),
    }
    return render(request, "demo/telephone.html", context)


@login_not_required
@never_cache
@require_GET
def newest(_request: HttpRequest) -> HttpResponse:
    """Say whether anything changed, for the page that waits."""
    _only_in_the_demo()
    return JsonResponse({"stamp": _stamp()})


@login_not_required
@require_POST
def act(request: HttpRequest, arrival_id: UUID) -> HttpResponse:
    """Answer, hang up, or press a key."""
    _only_in_the_demo()
    arrival = get_object_or_404(Arrival, pk=arrival_id, way=Way.CALL)
    wish = request.POST.get("do", "")
    if move(arrival, _after(arrival.call, wish)):
        report_fraud(arrival.delivery_id, now=timezone.now())
    return HttpResponseRedirect(f"{reverse('demo:telephone')}?{urlencode({'number': arrival.number})}")


@login_not_required
@never_cache
@require_GET
def speech_of(_request: HttpRequest, arrival_id: UUID) -> HttpResponse:
    """Return what the attendant says at this point, spoken."""
    _only_in_the_demo()
    arrival = get_object_or_404(Arrival, pk=arrival_id, way=Way.CALL)
    words = spoken(arrival)
    if not words:
        raise Http404
    try:
        return HttpResponse(speech.speak(words, arrival.language), content_type="audio/wav")
    except speech.NoSpeech:
        raise Http404 from None


def _after(call: Call, wish: str) -> Call:
    match wish:
        case "answer":
            return attendant.answer(call)
        case "hang_up":
            return attendant.hang_up(call)
        case _:
            return attendant.press(call, wish)


def _numbers() -> list[str]:
    newest_first: dict[str, None] = {}
    for number in Arrival.objects.order_by("-at").values_list("number", flat=True)[:200]:
        newest_first[number] = None
    return list(newest_first)


def _stamp() -> str:
    rows = Arrival.objects.order_by("-at").values_list("pk", "state", "pressed")[:SHOWN]
    return hashlib.sha256(repr(list(rows)).encode()).hexdigest()[:16]
