"""Who may open which page of the admin center, and when they must prove again."""

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
from watchword.directory.permissions import NotForYourself, PermissionDenied, StaysEnabled
from watchword.directory.refusals import note_refusal
from watchword.directory.roles import MAY, ROLE_NAMES, Act, Role
from watchword.signin import sessions
from watchword.signin.middleware import origin_of, prove_again, request_session, request_user

LONGEST_ADDRESS = 1_000
"""Characters of an address that can be carried through proving again."""

type View = Callable[..., HttpResponse]


def requires(*acts: Act) -> Callable[[View], View]:
    """Open a page only to people with a role that allows one of these; the acts themselves check again, on whom."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
            by = request_user(request)
            if not any(by.may(act) for act in acts):
                return _refusal(request, acts[0])
            try:
                return view(request, *arguments, **named)
            except (NotForYourself, StaysEnabled) as error:
                context = {"is_self": isinstance(error, NotForYourself)}
                return render(request, "admincenter/not_so.html", context, status=403)
            except PermissionDenied as error:
                return _refusal(request, error.act, error.on)
            except LastGlobalAdministrator:
                return render(request, "admincenter/last_administrator.html", status=409)

        return guarded

    return decorate


def require_recent_auth(request: HttpRequest, *, keep: bool = True) -> HttpResponse | None:
    """Return the way to prove again before something dangerous; None where the proof is fresh.

    The way leads back to this page, and what was ticked or typed is kept meanwhile, unless it must not be kept.
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
