"""The page for an unhandled exception: plain words, the right status, no internals."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from watchword.audit.retries import UNAVAILABLE

RETRY_SECONDS = 5


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  (Django hands it over)
    """Return the error page: 503 if the database is unavailable and a retry makes sense, 500 for a bug. No query."""
    if isinstance(sys.exception(), UNAVAILABLE):
        # The request changed nothing: its transaction was rolled back.
        page = HttpResponse(render_to_string("503.html"), status=HTTPStatus.SERVICE_UNAVAILABLE)
        page["Retry-After"] = str(RETRY_SECONDS)
        return page
    return HttpResponse(render_to_string("500.html"), status=500)
