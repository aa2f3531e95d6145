"""Authenticates each request by its session cookie, and closes every page that isn't explicitly open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from watchword.audit.record import Origin
from watchword.core.policy import Door
from watchword.directory.models import User
from watchword.signin import cookies, sessions
from watchword.signin.client_addresses import client_address
from watchword.signin.models import Session


class AnonymousVisitor:
    """The user of a request without a session."""

    is_authenticated = False
    is_administrator = False

    def __repr__(self) -> str:
        return "Nobody"


ANONYMOUS = AnonymousVisitor()


class SignInMiddleware:
    """The setter of ``request.user`` and ``request.sign_in_session``; closes views without ``login_not_required``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Authenticate and answer one request."""
        session = sessions.find(cookies.session_token(request), now=timezone.now())
        request.sign_in_session = session  # type: ignore[attr-defined]  # our own name for it
        request.user = session.user if session is not None else ANONYMOUS  # type: ignore[assignment]  # a user to pages
        response = self.get_response(request)
        if session is not None and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _arguments: tuple[Any, ...], _named: dict[str, Any]
    ) -> HttpResponse | None:
        """Redirect a request without a session to the sign-in page, unless the view is open to everyone."""
        if request.user.is_authenticated or not getattr(view, "login_required", True):
            return None
        address = reverse("web:sign_in")
        if request.method in {"GET", "HEAD"}:
            address += "?" + urlencode({"next": request.get_full_path()})
        response = HttpResponseRedirect(address)
        add_never_cache_headers(response)
        return response


def request_user(request: HttpRequest) -> User:
    """Return the signed-in user; only for views that require a session."""
    user: object = request.user
    assert isinstance(user, User), "the view is open to everybody"
    return user


def session_or_none(request: HttpRequest) -> Session | None:
    """Return the session of the request, or None."""
    session: object = getattr(request, "sign_in_session", None)
    return session if isinstance(session, Session) else None


def request_session(request: HttpRequest) -> Session:
    """Return the session of the request; only for views that require one."""
    session = session_or_none(request)
    assert session is not None, "the view is open to everybody"
    return session


def origin_of(request: HttpRequest, *, door: Door = Door.WEB) -> Origin:
    """Return the origin of a browser's request at a door."""
    return Origin(address=client_address(request), agent=request.headers.get("User-Agent", ""), door=door.value)


def prove_again(next_url: str) -> HttpResponse:
    """Redirect a signed-in person to the page that asks for a new proof, and from there back to this address."""
    return HttpResponseRedirect(f"{reverse('web:confirm')}?{urlencode({'next': next_url})}")
