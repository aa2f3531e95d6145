"""The way from a protected host to the sign-in and back, each end at its own host with a cookie of its own.

::

    protected host                          Watchword
    /_watchword/start   sets a state cookie
                        ------------------> /forward-auth/sign-in   who is it, may they?
    /_watchword/return  <------------------ a ticket for one use
      takes the ticket, if the state cookie is the one that began, and sets the app's cookie

The state cookie keeps somebody from sending their own ticket to another browser, whose owner would then work in a
stranger's account without noticing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from watchword.applications.models import HostCookie, HostTicket, ProtectedHost
from watchword.core.decision import Allow, AskFor, Deny, SetUpFirst
from watchword.core.local_address import is_local_address
from watchword.core.path_rules import LONGEST_FRESH_MINUTES
from watchword.core.policy import Door
from watchword.doors.forward_auth.answers import OWN_PATH, cookie_name
from watchword.doors.forward_auth.proxied_requests import read
from watchword.signin import app_access
from watchword.signin.app_access import Demand
from watchword.signin.middleware import origin_of, request_session
from watchword.signin.tokens import new_token, token_hash

TICKET_LIFETIME = timedelta(seconds=60)
STATE_SECONDS = 3_600


@login_not_required
@never_cache
@require_safe
def start(request: HttpRequest, proxy: str) -> HttpResponse:
    """Begin a sign-in at a protected host: remember this browser, and go to Watchword's own host."""
    host = _host(request, proxy)
    state = new_token()
    parameters = {
        "host": host.host,
        "state": token_hash(state).hex(),
        "to": _target(request.GET.get("to", "")),
        **({"fresh": request.GET["fresh"]} if "fresh" in request.GET else {}),
    }
    address = f"{settings.WATCHWORD_PUBLIC_URL}{reverse('forward_auth:sign_in')}"
    response = HttpResponseRedirect(f"{address}?{urlencode(parameters)}")
    _set_cookie(response, _state_cookie(), state, max_age=STATE_SECONDS)
    return response


@never_cache
@require_safe
def sign_in(request: HttpRequest) -> HttpResponse:
    """Decide on the signed-in person, and send them back with a ticket."""
    session, now = request_session(request), timezone.now()
    host = (
        ProtectedHost.objects.select_related("app__organisation")
        .filter(host=request.GET.get("host", ""), app__organisation=session.user.organisation_id)
        .first()
    )
    state = _state(request.GET.get("state", ""))
    if host is None or state is None:
        raise Http404
    minutes = _minutes(request.GET.get("fresh", ""))
    since = now - timedelta(minutes=minutes) if minutes else None
    demand = Demand(second_factor=bool(minutes), not_before=since)
    origin = origin_of(request, door=Door.FORWARD_AUTH)
    decision = app_access.decide_app(session, host.app, demand, door=Door.FORWARD_AUTH, now=now)
    match decision:
        case Allow(evidence):
            with transaction.atomic():
                row = app_access.begin(session, host.app, evidence=evidence, is_offline=False, origin=origin, now=now)
                ticket = new_token()
                HostTicket.objects.create(
                    ticket_hash=token_hash(ticket),
                    host=host,
                    sign_in=row,
                    state_hash=state,
                    target=_target(request.GET.get("to", "")),
                    expires_at=now + TICKET_LIFETIME,
                )
            return HttpResponseRedirect(f"{_scheme()}://{host.host}{OWN_PATH}return?{urlencode({'ticket': ticket})}")
        case AskFor():
            asked = {"next": request.get_full_path(), "since": str((since or now).timestamp())}
            return HttpResponseRedirect(f"{reverse('web:confirm')}?{urlencode(asked)}")
        case SetUpFirst(because=because) | Deny(because=because):
            app_access.note_denied(session.user, host.app, because, origin=origin, now=now)
            context = {"app": host.app, "name": session.user.sign_in_name, "because": because.value}
            return render(request, "ui/app_closed.html", context, status=403)
        case _:
            assert_never(decision)


sign_in.redirects_outside = True  # type: ignore[attr-defined]  # read by the web door after a sign-in


@login_not_required
@never_cache
@require_safe
def take_ticket(request: HttpRequest, proxy: str) -> HttpResponse:
    """Take a ticket at the protected host, set the app's cookie, and go to the page that was asked for."""
    host = _host(request, proxy)
    now = timezone.now()
    state = request.COOKIES.get(_state_cookie(), "")
    with transaction.atomic():
        row = (
            HostTicket.objects.select_related("sign_in")
            .filter(
                ticket_hash=token_hash(request.GET.get("ticket", "")),
                host=host,
                state_hash=token_hash(state),
                used_at=None,
                expires_at__gt=now,
            )
            .first()
        )
        if row is None or not HostTicket.objects.filter(pk=row.pk, used_at=None).update(used_at=now):
            return HttpResponse("This sign-in is over. Open the app again.", status=400, content_type="text/plain")
        token = new_token()
        HostCookie.objects.create(
            token_hash=token_hash(token), host=host, sign_in=row.sign_in, expires_at=row.sign_in.expires_at
        )
    response = HttpResponse(status=302)
    response["Location"] = row.target
    _set_cookie(response, cookie_name(), token)
    response.delete_cookie(_state_cookie(), path="/", samesite="Lax")
    return response


def _host(request: HttpRequest, proxy: str) -> ProtectedHost:
    asked = read(proxy, request.META)
    host = ProtectedHost.objects.filter(host=asked.host).first() if asked is not None else None
    if host is None:
        raise Http404
    return host


def _set_cookie(response: HttpResponse, name: str, token: str, *, max_age: int | None = None) -> None:
    response.set_cookie(
        name, token, max_age=max_age, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax", path="/"
    )


def _state_cookie() -> str:
    return f"{settings.WATCHWORD_COOKIE_PREFIX}watchword-start"


def _state(text: str) -> bytes | None:
    try:
        state = bytes.fromhex(text)
    except ValueError:
        return None
    return state if len(state) == 32 else None  # noqa: PLR2004  (octets of SHA-256)


def _minutes(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 6  # noqa: PLR2004  (digits)
    return min(int(text), LONGEST_FRESH_MINUTES) if is_number else 0


def _target(text: str) -> str:
    return text if is_local_address(text) else "/"


def _scheme() -> str:
    return "https" if settings.SESSION_COOKIE_SECURE else "http"
