"""The page that simulates a telephone: texts arrive, calls ring, keys are pressed. Without sign-in, demo only."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
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

from watchword.core.policy import Channel
from watchword.messaging.content.translations import LANGUAGES
from watchword.messaging.gateways.simulator.gateway import arrived, end_what_took_too_long, move, spoken
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.models import Delivery, OutboxMessage
from watchword.messaging.voice import ivr, tts
from watchword.messaging.voice.ivr import Call, CallState
from watchword.signin.otp import delivery_events

SHOWN = 20
ON_THE_WAY_SECONDS = 5.0
"""The maximum time that the page waits for messages in the outbox; an idle machine needs a fifth of a second."""
LOOKED_AT = 200
KEYS = (
    ("1", ""), ("2", "ABC"), ("3", "DEF"),
    ("4", "GHI"), ("5", "JKL"), ("6", "MNO"),
    ("7", "PQRS"), ("8", "TUV"), ("9", "WXYZ"),
    ("*", ""), ("0", "+"), ("#", ""),
)  # fmt: skip
_LAST_WORDS = frozenset({CallState.APPROVED, CallState.MISMATCHED, CallState.FRAUD})
"""The final states of a call in which the voice menu says goodbye."""


def _only_in_the_demo() -> None:
    if not settings.WATCHWORD_DEMO:
        raise Http404


@dataclass(frozen=True, slots=True)
class Telephone:
    """One number that received a message or call, and its owner."""

    number: str
    owner: str


@login_not_required
@never_cache
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """Show the selected telephone, or the one with the latest message or call."""
    _only_in_the_demo()
    _wait_for_what_is_under_way()
    now = timezone.now()
    end_what_took_too_long(now)
    telephones = _telephones(now)
    picked = request.GET.get("number", "")
    number = _number(picked, telephones)
    arrivals = list(arrived(now).filter(number=number).order_by("-at")[:SHOWN])
    call = next((arrival for arrival in arrivals if _is_open(arrival)), None)
    ended = _just_ended(request.GET.get("ended", ""), arrivals[0]) if arrivals else None
    speaking = ended or call
    context = {
        "telephones": telephones,
        "number": number,
        "picked": number if picked == number else "",
        "arrivals": list(reversed(arrivals)),
        "call": speaking,
        "is_over": ended is not None,
        "meanwhile": _meanwhile(call, picked),
        "says": spoken(speaking) if speaking is not None else "",
        "language": _voice(speaking.language) if speaking is not None else "",
        "can_be_heard": tts.is_available(),
        "is_ringing": call is not None and call.call.state is CallState.RINGING,
        "keys": KEYS,
        "stamp": _stamp(number, call, picked),
    }
    return render(request, "demo/telephone.html", context)


def _wait_for_what_is_under_way() -> None:
    """Wait until the process of the gateway has delivered a code that was just requested.

    A person who turns from the page of the code to the telephone finds it there, even in a browser without scripts.
    """
    under_way = OutboxMessage.objects.filter(fetches_voice_script=False).exclude(
        pk__in=Arrival.objects.values("delivery_id")
    )
    deadline = time.monotonic() + ON_THE_WAY_SECONDS
    while under_way.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@login_not_required
@never_cache
@require_GET
def newest(request: HttpRequest) -> HttpResponse:
    """Return a stamp that changes when the page must be reloaded."""
    _only_in_the_demo()
    now = timezone.now()
    end_what_took_too_long(now)
    picked = request.GET.get("number", "")
    number = _number(picked, _telephones(now))
    arrivals = arrived(now).filter(number=number).order_by("-at")[:SHOWN]
    call = next((arrival for arrival in arrivals if _is_open(arrival)), None)
    return JsonResponse({"stamp": _stamp(number, call, picked)})


@login_not_required
@require_POST
def act(request: HttpRequest, arrival_id: UUID) -> HttpResponse:
    """Answer the call, hang up, or press a key."""
    _only_in_the_demo()
    arrival = get_object_or_404(Arrival, pk=arrival_id, channel=Channel.VOICE)
    options = request.POST.get("do", "")
    result = move(arrival, _after(arrival, options))
    if result is not None:
        delivery_events.note(arrival.delivery_id, result, now=timezone.now())
    shown = {"number": request.GET.get("number", ""), "ended": str(arrival.pk) if _says_goodbye(arrival) else ""}
    query = urlencode({name: value for name, value in shown.items() if value})
    return HttpResponseRedirect(reverse("demo:telephone") + (f"?{query}" if query else ""))


@login_not_required
@never_cache
@require_GET
def speech_of(_request: HttpRequest, arrival_id: UUID) -> HttpResponse:
    """Return the audio of what the voice menu says at this point."""
    _only_in_the_demo()
    arrival = get_object_or_404(Arrival, pk=arrival_id, channel=Channel.VOICE)
    words = spoken(arrival)
    if not words:
        raise Http404
    try:
        return HttpResponse(tts.speak(words, _voice(arrival.language)), content_type="audio/wav")
    except tts.NoSpeech:
        raise Http404 from None


def _after(arrival: Arrival, options: str) -> Call:
    call = arrival.call
    match options:
        case "answer":
            return ivr.answer(call)
        case "hang_up":
            return ivr.hang_up(call)
        case _ if arrival.text:
            # A call without a code plays its message and waits for no key.
            return call
        case _:
            return ivr.press(call, options, match=arrival.match)


def _voice(language: str) -> str:
    """Return the language of the speech: English if the requested one has no translations."""
    base = language.partition("-")[0].lower()
    return base if base in LANGUAGES else "en"


def _says_goodbye(arrival: Arrival) -> bool:
    return arrival.call.state in _LAST_WORDS


def _just_ended(named: str, newest_here: Arrival) -> Arrival | None:
    """Return the call whose goodbye is still to be played, unless a newer message or call has arrived."""
    return newest_here if str(newest_here.pk) == named and _says_goodbye(newest_here) else None


def _telephones(now: datetime) -> list[Telephone]:
    """Return every number with a message or call and its owner's name: ringing or active calls first, then by time."""
    deliveries: dict[str, UUID] = {}
    rows = list(arrived(now).order_by("-at").values_list("number", "delivery_id", "channel", "state")[:LOOKED_AT])
    for number, delivery_id, *_call in sorted(rows, key=lambda row: not _rings_or_talks(row[2], row[3])):
        deliveries.setdefault(number, delivery_id)
    names = dict(Delivery.objects.filter(pk__in=deliveries.values()).values_list("pk", "user__display_name"))
    return [Telephone(number, names.get(delivery_id, "")) for number, delivery_id in deliveries.items()]


def _number(picked: str, telephones: list[Telephone]) -> str:
    numbers = [telephone.number for telephone in telephones]
    return picked if picked in numbers else next(iter(numbers), "")


def _is_open(arrival: Arrival) -> bool:
    return _rings_or_talks(arrival.channel, arrival.state)


def _rings_or_talks(channel: str, state: str) -> bool:
    return channel == Channel.VOICE and not CallState(state).is_over


def _meanwhile(call: Arrival | None, picked: str) -> list[Arrival]:
    """Return the texts that arrived during a call: on the selected telephone, or on any if none was selected."""
    if call is None:
        return []
    texts = Arrival.objects.filter(channel=Channel.SMS, at__gt=call.at, at__lte=timezone.now())
    if picked == call.number:
        texts = texts.filter(number=picked)
    return list(texts.order_by("at")[:SHOWN])


def _stamp(number: str, call: Arrival | None, picked: str) -> str:
    """Return a stamp of what the page shows: other messages must not reload it, which would interrupt the speech."""
    if call is not None:
        shown: object = (call.pk, call.state, call.pressed, [text.pk for text in _meanwhile(call, picked)])
    else:
        come = Arrival.objects.filter(at__lte=timezone.now())
        shown = list(come.order_by("-at").values_list("pk", "state")[:SHOWN])
    return hashlib.sha256(repr((number, shown)).encode()).hexdigest()[:16]
