"""The answers to web servers and mail proxies, given before the host is checked and without Django's other middleware.

::

    /http-basic/check    a web server asks about the Authorization header of a request (RFC 7617)
    /mail-proxy/auth     nginx's mail proxy asks about a login (its protocol of ``auth_http``)

Both need the secret of an app in ``X-Watchword-Secret``: whoever shows it is believed about the program's address, and
nobody else can try passwords here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from watchword.core.codes import LONGEST_TYPED
from watchword.core.policy import Door
from watchword.directory.models import App
from watchword.doors.http_basic.asking_servers import SECRET_HEADER, app_of, check
from watchword.signin.client_addresses import address_of
from watchword.signin.non_interactive import AuthRequest, AuthResult, Secret, Unavailable

BASIC_PATH = "/http-basic/check"
MAIL_PATH = "/mail-proxy/auth"
SERVICE = "dav"
"""The kind of program, by which an app password can be limited: calendars and address books."""
MAIL_PROTOCOLS = frozenset({"imap", "pop3", "smtp"})
WAIT_SECONDS = 3
"""How long nginx lets a program wait after a wrong password."""
LONGEST_HEADER = 4_096
UNAVAILABLE_STATUS = 503


class PasswordMiddleware:
    """Answers the questions of web servers and mail proxies; every other request goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to a server, or the response to any other request."""
        answer = {BASIC_PATH: basic, MAIL_PATH: mail}.get(request.path)
        if answer is None:
            return self.get_response(request)
        try:
            app = app_of(request.META.get(SECRET_HEADER) or "")
            if app is None:
                return _text(403, "The secret of an app is missing or wrong.")
            return answer(app, request.META, now=timezone.now())
        except (OperationalError, InterfaceError):
            return HttpResponse(status=UNAVAILABLE_STATUS)


def basic(app: App, environ: Mapping[str, Any], *, now: datetime) -> HttpResponse:
    """Return 200 with who it is, 401 for a wrong or missing password, 503 where it can't be decided now."""
    credentials = read_basic(environ.get("HTTP_AUTHORIZATION") or "")
    if credentials is None:
        return _unauthorized(app)
    name, secret = credentials
    question = AuthRequest(Door.HTTP_BASIC, name, Secret(secret), SERVICE, address_of(environ))
    try:
        result, user = check(app, question, now=now)
    except Unavailable:
        return HttpResponse(status=UNAVAILABLE_STATUS)
    if result.is_later:
        return HttpResponse(status=UNAVAILABLE_STATUS)
    if user is None:
        return _unauthorized(app)
    response = HttpResponse(status=200)
    response["X-Watchword-User"] = quote(user.sign_in_name, safe=_AS_IT_IS)
    response["X-Watchword-Mailbox"] = quote(result.mailbox, safe=_AS_IT_IS)
    response["X-Watchword-Subject"] = str(user.pk)
    return response


def read_basic(header: str) -> tuple[str, str] | None:
    """Return name and password of an Authorization header (RFC 7617, UTF-8); None for any other header."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > LONGEST_HEADER:
        return None
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, secret) if colon and name and len(secret) <= LONGEST_TYPED and "\x00" not in name + secret else None


def mail(app: App, environ: Mapping[str, Any], *, now: datetime) -> HttpResponse:
    """Return what nginx's mail proxy understands: always 200, and the result in ``Auth-Status``."""
    protocol = environ.get("HTTP_AUTH_PROTOCOL") or ""
    server, _, port = (environ.get("HTTP_X_WATCHWORD_BACKEND") or "").rpartition(":")
    if protocol not in MAIL_PROTOCOLS or not server or not port.isdecimal():
        return _text(400, "Auth-Protocol or X-Watchword-Backend is missing or makes no sense.")
    question = AuthRequest(
        Door.MAIL,
        # nginx encodes blanks, percent signs and line ends in both, and nothing else.
        unquote(environ.get("HTTP_AUTH_USER") or "", errors="surrogateescape"),
        Secret(unquote(environ.get("HTTP_AUTH_PASS") or "", errors="surrogateescape")),
        protocol,
        environ.get("HTTP_CLIENT_IP") or "",
    )
    if environ.get("HTTP_AUTH_METHOD") not in {"plain", "login"}:
        return _mail_refused(protocol, "This server takes plain passwords over TLS.", "535 5.7.8")
    try:
        result, _ = check(app, question, now=now)
    except Unavailable:
        result = AuthResult(allowed=False, is_later=True)
    if result.is_later:
        return _mail_refused(protocol, "Temporary server problem, try again later.", "454 4.7.0")
    if not result.allowed:
        return _mail_refused(protocol, "Invalid login or password.", "535 5.7.8", wait=WAIT_SECONDS)
    response = HttpResponse(status=200)
    response["Auth-Status"] = "OK"
    response["Auth-User"] = quote(result.mailbox, safe=_AS_IT_IS)
    response["Auth-Server"], response["Auth-Port"] = server, port
    return response


_AS_IT_IS = "!#$&'()*+,/:;=?@[]_.-~^`{|}"
"""Printable ASCII but for the percent sign, the quotation mark and the blank."""


def _mail_refused(protocol: str, words: str, code: str, *, wait: int = 0) -> HttpResponse:
    response = HttpResponse(status=200)
    response["Auth-Status"] = words
    if protocol == "smtp":
        response["Auth-Error-Code"] = code
    if wait:
        response["Auth-Wait"] = str(wait)
    return response


def _unauthorized(app: App) -> HttpResponse:
    response = HttpResponse(status=401)
    realm = "".join(sign for sign in app.name if " " <= sign <= "~" and sign not in '"\\')
    response["WWW-Authenticate"] = f'Basic realm="{realm}", charset="UTF-8"'
    return response


def _text(status: int, words: str) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain")
