"""Proving again, within a session, before something dangerous."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from watchword.doors.web.next_address import safe_next
from watchword.signin import cookies, service, sessions
from watchword.signin.middleware import origin_of, session_of


@never_cache
def confirm(request: HttpRequest) -> HttpResponse:
    """Begin to prove again, and come back to ``next``; at once where the proof is fresh enough."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        # A link on somebody else's page must not replace what is being confirmed here (Fetch Metadata).
        return HttpResponseRedirect(safe_next(""))
    next_url = safe_next(request.GET.get("next", ""))
    session = session_of(request)
    now = timezone.now()
    if not sessions.needs_proof(session, now=now):
        return HttpResponseRedirect(next_url)
    token = service.begin_confirmation(session, origin=origin_of(request), next_url=next_url, now=now)
    response = HttpResponseRedirect(reverse("web:password"))
    cookies.set_attempt(response, token)
    return response


def ask_again(next_url: str) -> HttpResponse:
    """Go to prove again, and come back."""
    return HttpResponseRedirect(f"{reverse('web:confirm')}?{urlencode({'next': next_url})}")
