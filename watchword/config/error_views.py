"""When something fails behind a page: plain words, the right status, nothing about the inside."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from watchword.audit.outbox import UNAVAILABLE

RETRY_SECONDS = 5


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  (Django hands it over)
    """Answer for a failure: 503 where trying again is sensible, 500 for a mistake of ours. Asks no database."""
    if isinstance(sys.exception(), UNAVAILABLE):
        # Whatever was asked for has not happened: its transaction is undone.
        page = HttpResponse(render_to_string("503.html"), status=HTTPStatus.SERVICE_UNAVAILABLE)
        page["Retry-After"] = str(RETRY_SECONDS)
        return page
    return HttpResponse(render_to_string("500.html"), status=500)
