"""The two cookies: one for an attempt to sign in, one for a session. Both hold nothing but a random token."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

_ATTEMPT = "watchword-attempt"
_SESSION = "watchword-session"


def _name(bare: str) -> str:
    # The prefix binds a cookie to this very host over TLS: no neighbouring host can plant one (RFC 6265bis, 4.1.3.2).
    return f"__Host-{bare}" if settings.SESSION_COOKIE_SECURE else bare


def _set(response: HttpResponse, bare: str, token: str) -> None:
    response.set_cookie(
        _name(bare), token, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax", path="/"
    )


def set_attempt(response: HttpResponse, token: str) -> None:
    """Bind an attempt to this browser."""
    _set(response, _ATTEMPT, token)


def set_session(response: HttpResponse, token: str) -> None:
    """Bind a session to this browser; the attempt that led to it is over."""
    _set(response, _SESSION, token)
    clear_attempt(response)


def clear_attempt(response: HttpResponse) -> None:
    """Forget the attempt."""
    response.delete_cookie(_name(_ATTEMPT), path="/", samesite="Lax")


def clear(response: HttpResponse) -> None:
    """Forget attempt and session."""
    clear_attempt(response)
    response.delete_cookie(_name(_SESSION), path="/", samesite="Lax")


def attempt_token(request: HttpRequest) -> str:
    """Return the token of the attempt in this browser, or nothing."""
    return request.COOKIES.get(_name(_ATTEMPT), "")


def session_token(request: HttpRequest) -> str:
    """Return the token of the session in this browser, or nothing."""
    return request.COOKIES.get(_name(_SESSION), "")
