"""The headers of every response, and the limit on the size of requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from watchword.audit import tracing
from watchword.core.log_events import log_event
from watchword.directory.people_file import LARGEST_FILE

LARGEST_BODY = LARGEST_FILE + 64 * 1024
"""Bytes: the largest file that a page accepts, and the form fields around it."""
TOO_LARGE = 413
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

HEADERS: Mapping[str, str] = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in (
            "accelerometer",
            "camera",
            "display-capture",
            "geolocation",
            "gyroscope",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "usb",
        )
    ),
    # The default, because most pages hold personal data: names, numbers, secrets that are shown once.
    "Cache-Control": "no-store",
}

logger = logging.getLogger(__name__)


class FrontMiddleware:
    """The outermost middleware: every response passes it, also error pages for bad requests and exceptions."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response with the headers added."""
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if settings.SECURE_HSTS_SECONDS:
            # Whatever the proxy says about this request: browsers reach the public URL over TLS alone.
            response.headers.setdefault(
                "Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"
            )
        return response


class TracingMiddleware:
    """Opens a span for each request, named by its route: a path may hold an id or the secret of a one-time link."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, and tell its status and route."""
        with tracing.span("web.request") as set_attribute:
            set_attribute("http.request.method", request.method if request.method in _METHODS else "_OTHER")
            response = self.get_response(request)
            match = request.resolver_match
            set_attribute("http.route", match.route if match is not None else "")
            set_attribute("http.response.status_code", response.status_code)
        return response


class SizeMiddleware:
    """Refuses a request that is too large before its form is parsed: its body is neither read nor stored."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, or 413 if the request is too large."""
        announced = request.META.get("CONTENT_LENGTH") or "0"
        if not announced.isdecimal() or int(announced) <= LARGEST_BODY:
            return self.get_response(request)
        logger.warning("request body of %s bytes refused", announced, extra=log_event("web.request.too_large"))
        says = _("It sends more than the %(most)d megabytes that fit.") % {"most": LARGEST_FILE // 1024**2}
        return HttpResponse(render_to_string("400.html", {"says": says}), status=TOO_LARGE)


class MessageCookie(CookieStorage):
    """Storage of Django's messages in a cookie that no other host of the domain can set (``__Host-``)."""

    def __init__(self, request: HttpRequest, *arguments: Any, **named: Any) -> None:
        super().__init__(request, *arguments, **named)
        self.cookie_name = f"{settings.WATCHWORD_COOKIE_PREFIX}messages"
