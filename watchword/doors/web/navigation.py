"""Maps each stage of a sign-in to its page; a page that is requested out of order redirects there."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from watchword.core.decision import AskFor, Decision, Deny, SetUpFirst
from watchword.core.log_events import ATTEMPT_KEY
from watchword.core.policy import FactorKind
from watchword.doors.web.next_address import safe_next
from watchword.signin import cookies, flow, sessions
from watchword.signin.middleware import origin_of
from watchword.signin.models import SignInAttempt
from watchword.signin.results import SignedIn


def attempt_of(request: HttpRequest) -> SignInAttempt | None:
    """Return the sign-in attempt of this browser, or None if it has none that is still open."""
    attempt = flow.find_attempt(cookies.attempt_token(request), origin=origin_of(request), now=timezone.now())
    if attempt is not None:
        request.META[ATTEMPT_KEY] = str(attempt.pk)
    return attempt


def page_of(decision: Decision) -> str:
    """Return the URL of the page for a decision."""
    match decision:
        case AskFor(methods) if FactorKind.PASSWORD in methods:
            return reverse("web:password")
        case AskFor(methods) if FactorKind.ACCESS_PASS in methods:
            return reverse("web:access_pass")
        case AskFor() | Deny():
            return reverse("web:prove")
        case SetUpFirst(FactorKind.PASSWORD):
            return reverse("web:add", args=[FactorKind.PASSWORD.value])
        case SetUpFirst():
            return reverse("web:register")
        case _:
            return reverse("web:sign_in")


def redirect_to_stage(attempt: SignInAttempt, decision: Decision | None = None) -> HttpResponse:
    """Redirect to the page of an attempt's current stage; pass ``decision`` if the caller knows it already."""
    known = decision if decision is not None else flow.stage(attempt, now=timezone.now())
    return HttpResponseRedirect(page_of(known))


def advance(attempt: SignInAttempt, decision: Decision) -> HttpResponse:
    """Redirect to the page of the next stage, with a new token for the attempt, because a proof was just accepted."""
    response = HttpResponseRedirect(page_of(decision))
    cookies.set_attempt(response, sessions.rotate_attempt(attempt))
    return response


def start_again() -> HttpResponse:
    """Redirect to the first page, which explains why and shows the typed name again."""
    return HttpResponseRedirect(reverse("web:sign_in") + "?over=1")


def complete(arrival: SignedIn, response: HttpResponse | None = None) -> HttpResponse:
    """Set the session's cookie and redirect to the page that the person wanted, or return ``response`` first."""
    answer = response if response is not None else _go_on(safe_next(arrival.next_url))
    cookies.set_session(answer, arrival.token)
    if arrival.browser_token:
        cookies.set_browser(answer, arrival.browser_token)
    add_never_cache_headers(answer)
    return answer


def _go_on(address: str) -> HttpResponse:
    """Return a redirect, or a page that goes on by itself where the next address leads to an app of another site.

    Browsers apply ``form-action`` to every redirect that follows a form, and the app's address is not in ours.
    """
    try:
        leaves = getattr(resolve(address.partition("?")[0]).func, "redirects_outside", False)
    except Resolver404:
        leaves = False
    if not leaves:
        return HttpResponseRedirect(address)
    return HttpResponse(render_to_string("web/continue.html", {"address": address}))
