"""Who may open which page of the admin center, and when they must prove again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from watchword.directory.actions import LastGlobalAdministrator
from watchword.directory.permission import NotAllowed
from watchword.directory.roles import Act
from watchword.signin import sessions
from watchword.signin.middleware import person_of, session_of

type View = Callable[..., HttpResponse]


def needs(act: Act) -> Callable[[View], View]:
    """Open a page only to people with a role that allows this act; the acts themselves check again, on whom."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
            if not person_of(request).may(act):
                raise PermissionDenied
            try:
                return view(request, *arguments, **named)
            except NotAllowed as error:
                raise PermissionDenied from error
            except LastGlobalAdministrator:
                return render(request, "admincenter/last_administrator.html", status=409)

        return guarded

    return decorate


def prove_first(request: HttpRequest, come_back_to: str | None = None) -> HttpResponse | None:
    """Return the way to prove again before something dangerous; None where the proof is fresh."""
    if not sessions.needs_proof(session_of(request), now=timezone.now()):
        return None
    return HttpResponseRedirect(
        f"{reverse('web:confirm')}?{urlencode({'next': come_back_to or request.get_full_path()})}"
    )
