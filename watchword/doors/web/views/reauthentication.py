"""Reauthentication within a session, before a dangerous act."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from watchword.core.policy import FactorKind
from watchword.doors.web.next_address import safe_next
from watchword.doors.web.views.stages import try_password
from watchword.factors.registry import forms_of
from watchword.signin import flow, sessions
from watchword.signin.middleware import origin_of, request_session


@never_cache
@sensitive_post_parameters("answer")
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask for the password again, then redirect to ``next``; redirect at once if the last proof is recent enough.

    ``since`` (seconds of Unix time) is the oldest time of a proof that counts. A person who changes it in the address
    gains nothing: whoever asked for it looks at the proofs again.

    The attempt begins when the password is posted. A link from another site that leads here begins no attempt, and so
    does not replace the sign-in that is in progress in this browser.
    """
    next_url = safe_next(request.GET.get("next", ""))
    session = request_session(request)
    now = timezone.now()
    if not sessions.needs_proof(session, now=now, since=_since(request)):
        return HttpResponseRedirect(next_url)
    form = forms_of(FactorKind.PASSWORD).AnswerForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        origin = origin_of(request)
        token = flow.begin_confirmation(session, origin=origin, next_url=next_url, now=now)
        attempt = flow.find_attempt(token, origin=origin, now=now)
        assert attempt is not None
        answer = try_password(request, attempt, form)
        if answer is not None:
            return answer
    context = {"form": form, "name": session.user.sign_in_name, "is_confirmation": True}
    return render(request, "web/password.html", context)


def _since(request: HttpRequest) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(request.GET.get("since", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return None
