"""The answers to proxies, given before the host is checked and without Django's other middleware.

A proxy asks for each request of each page, so this is the most frequent question after mail. It writes nothing and sets
no cookie, and one query answers it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from watchword.applications import signing_keys
from watchword.applications.issuer import issuer_of
from watchword.core.assurance import acr
from watchword.core.mail_addresses import is_mail_address
from watchword.directory.models import Organisation
from watchword.doors.forward_auth.host_decision import Pass, SignInFirst, check
from watchword.doors.forward_auth.host_lookup import HostFacts, Visitor, facts_of
from watchword.doors.forward_auth.proxied_requests import PROXIES, ProxiedRequest, read
from watchword.signin.tokens import token_hash

PREFIX = "/forward-auth/"
OWN_PATH = "/_watchword/"
"""Where, at each protected host, the proxy leads to this door."""
IDENTITY_HEADERS = (
    "X-Watchword-User",
    "X-Watchword-Name",
    "X-Watchword-Email",
    "X-Watchword-Groups",
    "X-Watchword-Subject",
    "X-Watchword-JWT",
)
"""Set in every answer that lets a request pass, empty where nobody is known, so that a proxy that copies them replaces
whatever a browser sent."""
JWT_LIFETIME = timedelta(minutes=5)
UNAVAILABLE_STATUS = 503

_CHECKS = {f"{PREFIX}{proxy}/check": proxy for proxy in PROXIES}


class ForwardAuthMiddleware:
    """Answers the questions of proxies; every other request goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to a proxy, or the response to any other request."""
        proxy = _CHECKS.get(request.path)
        if proxy is None:
            return self.get_response(request)
        try:
            return answer(request, proxy, now=timezone.now())
        except (OperationalError, InterfaceError):
            # A proxy takes anything but 2xx, 401 and 403 for an error, and lets nobody in.
            return HttpResponse(status=UNAVAILABLE_STATUS)


def answer(request: HttpRequest, proxy: str, *, now: datetime) -> HttpResponse:
    """Return 200 with who asks, 401 or a redirect to the sign-in, or 403."""
    asked = read(proxy, request.META)
    if asked is None:
        return HttpResponse("The proxy's headers are missing or make no sense.", status=403, content_type="text/plain")
    token = request.COOKIES.get(cookie_name(), "")
    facts = facts_of(asked.host, token_hash(token), now=now)
    if facts is None:
        return HttpResponse(f"{asked.host} is not a protected host.", status=403, content_type="text/plain")
    match check(asked, facts, now=now):
        case Pass(visitor):
            response = HttpResponse(status=200)
            for name, value in _identity(facts, visitor, asked, now).items():
                response[name] = value
            return response
        case SignInFirst(minutes):
            return _sign_in_first(proxy, asked, minutes)
        case _:
            return HttpResponse("You may not see this page.", status=403, content_type="text/plain")


def cookie_name() -> str:
    """Return the name of the cookie at protected hosts; its prefix binds it to one host over TLS (RFC 6265bis)."""
    return f"{settings.WATCHWORD_COOKIE_PREFIX}watchword-app"


def _sign_in_first(proxy: str, asked: ProxiedRequest, minutes: int) -> HttpResponse:
    address = f"{OWN_PATH}start?{urlencode({'to': asked.target, **({'fresh': minutes} if minutes else {})})}"
    if proxy == "nginx" or not asked.is_navigation:
        # nginx passes on no Location of a subrequest; its configuration reads this header.
        response = HttpResponse(status=401)
        response["X-Watchword-Sign-In"] = address
    else:
        response = HttpResponse(status=302)
        response["Location"] = address
    response["Cache-Control"] = "no-store"
    return response


def _identity(facts: HostFacts, visitor: Visitor | None, asked: ProxiedRequest, now: datetime) -> dict[str, str]:
    """Return the identity headers. What is outside ASCII is percent-encoded UTF-8, and so is a comma of a group."""
    values = dict.fromkeys(IDENTITY_HEADERS, "")
    if visitor is None:
        return values
    values["X-Watchword-User"] = quote(visitor.name, safe=_AS_IT_IS)
    values["X-Watchword-Name"] = quote(visitor.display_name, safe=f"{_AS_IT_IS} ")
    values["X-Watchword-Email"] = quote(visitor.name, safe=_AS_IT_IS) if is_mail_address(visitor.name) else ""
    values["X-Watchword-Groups"] = ",".join(quote(name, safe=f"{_AS_IT_IS} ") for name in sorted(visitor.groups))
    values["X-Watchword-Subject"] = str(visitor.id)
    if facts.sends_jwt:
        values["X-Watchword-JWT"] = _jwt(facts, visitor, asked, now)
    return values


_AS_IT_IS = "!#$&'()*+/:;=?@[]_.-~^`{|}\""
"""Printable ASCII but for the percent sign, the comma and the blank."""


def _jwt(facts: HostFacts, visitor: Visitor, asked: ProxiedRequest, now: datetime) -> str:
    organisation = Organisation.objects.get(pk=facts.organisation_id)
    issued = int(now.timestamp())
    claims = {
        "iss": issuer_of(organisation),
        "aud": f"https://{asked.host}",
        "sub": str(visitor.id),
        "iat": issued,
        "exp": issued + int(JWT_LIFETIME.total_seconds()),
        "preferred_username": visitor.name,
        "name": visitor.display_name,
        "groups": sorted(visitor.groups),
        "acr": acr(visitor.evidence),
    }
    return signing_keys.sign(organisation, "ES256", claims, kind="JWT", now=now)
