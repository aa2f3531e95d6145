"""Access to the pages of the admin center, and the requirement of a recent authentication."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from watchword.admincenter import drafts
from watchword.admincenter.labels import ACT_NAMES
from watchword.directory.administrators import LastGlobalAdministrator
from watchword.directory.models import User
from watchword.directory.permissions import (
    ForbiddenForYourself,
    NeedsGlobalAdministrator,
    PermissionDenied,
    StaysEnabled,
)
from watchword.directory.refusals import note_refusal
from watchword.directory.roles import MAY, ROLE_NAMES, Act, Role
from watchword.signin import sessions
from watchword.signin.middleware import origin_of, prove_again, request_session, request_user

LONGEST_ADDRESS = 1_000
"""The maximum length (characters) of a URL that is passed through the re-authentication."""

type View = Callable[..., HttpResponse]


def requires(*acts: Act) -> Callable[[View], View]:
    """Open a view only to people whose role allows one of these acts; each act checks again, for its target person."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
            by = request_user(request)
            if not any(by.may(act) for act in acts):
                return _refusal(request, acts[0])
            try:
                return view(request, *arguments, **named)
            except (ForbiddenForYourself, NeedsGlobalAdministrator, StaysEnabled) as error:
                context = {
                    "is_self": isinstance(error, ForbiddenForYourself),
                    "needs_role": isinstance(error, NeedsGlobalAdministrator),
                }
                return render(request, "admincenter/not_so.html", context, status=403)
            except PermissionDenied as error:
                return _refusal(request, error.act, error.on)
            except LastGlobalAdministrator:
                return render(request, "admincenter/last_administrator.html", status=409)

        return guarded

    return decorate


def require_recent_auth(request: HttpRequest, *, keep: bool = True) -> HttpResponse | None:
    """Return a redirect to re-authentication before a dangerous act; None if the last one is recent.

    The redirect comes back to this page. Submitted values are stored as a draft meanwhile, unless ``keep`` is False.
    """
    if not sessions.needs_proof(request_session(request), now=timezone.now()):
        return None
    come_back_to = request.get_full_path()
    if request.method == "POST" and keep:
        draft = drafts.find(request) or drafts.keep(request, dict(request.POST.lists()))
        come_back_to = drafts.address_of(draft)
    elif len(come_back_to) > LONGEST_ADDRESS:
        come_back_to = drafts.address_of(drafts.keep(request, dict(request.GET.lists())))
    return prove_again(come_back_to)


def _refusal(request: HttpRequest, act: Act, on: User | None = None) -> HttpResponse:
    note_refusal(request_user(request), act, on, origin=origin_of(request), now=timezone.now())
    able = [str(ROLE_NAMES[role]) for role in Role if act in MAY[role]]
    context = {"act": ACT_NAMES[act], "able": able, "is_administrator": request_user(request).is_administrator}
    return render(request, "admincenter/refused.html", context, status=403)
