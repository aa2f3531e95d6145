"""The cookies: of a sign-in attempt, of a session, and of a known browser.

Each holds only a random token. The third grants no access: it only marks a browser as known to the person. A fourth
exists between opening a personal link and typing the password.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

_ATTEMPT = "watchword-attempt"
_SESSION = "watchword-session"
_BROWSER = "watchword-browser"
_LINK = "watchword-link"
BROWSER_SECONDS = 400 * 86_400
"""The longest life that browsers give a cookie (RFC 6265bis section 5.5)."""


def _name(bare: str) -> str:
    # The prefix binds a cookie to this very host over TLS, so that no neighbouring host can plant one (RFC 6265bis,
    # 4.1.3.2).
    return f"__Host-{bare}" if settings.SESSION_COOKIE_SECURE else bare


def _set(response: HttpResponse, bare: str, token: str) -> None:
    response.set_cookie(
        _name(bare), token, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax", path="/"
    )


def set_attempt(response: HttpResponse, token: str) -> None:
    """Bind an attempt to this browser."""
    _set(response, _ATTEMPT, token)


def set_session(response: HttpResponse, token: str) -> None:
    """Bind a session to this browser, and remove the cookie of the attempt that led to it."""
    _set(response, _SESSION, token)
    clear_attempt(response)


def set_browser(response: HttpResponse, token: str) -> None:
    """Let later sign-ins recognise this browser."""
    response.set_cookie(
        _name(_BROWSER),
        token,
        max_age=BROWSER_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def browser_token(request: HttpRequest) -> str:
    """Return the token by which this browser is recognised, or an empty string."""
    return request.COOKIES.get(_name(_BROWSER), "")


def set_link(response: HttpResponse, token: str) -> None:
    """Store the personal link that was opened in this browser until the password is right."""
    _set(response, _LINK, token)


def link_token(request: HttpRequest) -> str:
    """Return the token of the personal link that was opened in this browser, or an empty string."""
    return request.COOKIES.get(_name(_LINK), "")


def clear_link(response: HttpResponse) -> None:
    """Remove the cookie of the personal link."""
    response.delete_cookie(_name(_LINK), path="/", samesite="Lax")


def clear_attempt(response: HttpResponse) -> None:
    """Remove the attempt's cookie."""
    response.delete_cookie(_name(_ATTEMPT), path="/", samesite="Lax")


def clear_session(response: HttpResponse) -> None:
    """Remove the session's cookie."""
    response.delete_cookie(_name(_SESSION), path="/", samesite="Lax")


def clear(response: HttpResponse) -> None:
    """Remove the cookies of attempt and session."""
    clear_attempt(response)
    clear_session(response)


def attempt_token(request: HttpRequest) -> str:
    """Return the token of the attempt in this browser, or an empty string."""
    return request.COOKIES.get(_name(_ATTEMPT), "")


def session_token(request: HttpRequest) -> str:
    """Return the token of the session in this browser, or an empty string."""
    return request.COOKIES.get(_name(_SESSION), "")
