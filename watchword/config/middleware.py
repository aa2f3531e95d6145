"""What every answer to a browser carries, and what is refused before anybody looks at it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from watchword.directory.people_file import LARGEST_FILE

LARGEST_BODY = LARGEST_FILE + 64 * 1024
"""Bytes: the largest file that any page takes, and the fields around it."""
TOO_LARGE = 413

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
    # What says nothing about itself is somebody's own: names, numbers, what was shown once.
    "Cache-Control": "no-store",
}

_log = logging.getLogger(__name__)


class FrontMiddleware:
    """The outermost room: answers of every kind pass here, those to bad requests and to our own mistakes too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if settings.SECURE_HSTS_SECONDS:
            # Whatever the proxy says about the way here: people reach this address over TLS alone.
            response.headers.setdefault(
                "Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"
            )
        return response


class SizeMiddleware:
    """Refuses what is too large before its form is parsed: nothing of it is read, kept in memory or in a file."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        announced = request.META.get("CONTENT_LENGTH") or "0"
        if not announced.isdecimal() or int(announced) <= LARGEST_BODY:
            return self.get_response(request)
        _log.warning("Refused a request of %s bytes", announced)
        says = _("It sends more than the %(most)d megabytes that fit.") % {"most": LARGEST_FILE // 1024**2}
        return HttpResponse(render_to_string("400.html", {"says": says}), status=TOO_LARGE)


class MessageCookie(CookieStorage):
    """Messages between two pages, in a cookie that no neighbouring host can plant."""

    def __init__(self, request: HttpRequest, *arguments: Any, **named: Any) -> None:
        super().__init__(request, *arguments, **named)
        self.cookie_name = f"{settings.WATCHWORD_COOKIE_PREFIX}messages"
