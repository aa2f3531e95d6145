"""The *This wasn't me* pages: a confirmation page, the response by a button, and the credentials that still work."""

from __future__ import annotations

from django.contrib import messages as flash
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from watchword.alerts import choices, links, messages, texts
from watchword.alerts.rules import AlertRule
from watchword.audit.models import Event
from watchword.signin import attempts, cookies, flow, queries
from watchword.signin.compromise_response import (
    CompromiseResponse,
    close_more,
    disowned_by,
    respond_to_compromise,
    tell_removed,
)
from watchword.signin.flow import lock_person
from watchword.signin.middleware import origin_of
from watchword.signin.models import Purpose, SignInAttempt
from watchword.signin.sign_in_view import view_of
from watchword.ui.link_code import OVER, ask_for_code, posted_code


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("code")
def not_me(request: HttpRequest) -> HttpResponse:
    """Show what the link's code is about, and offer to close the account's access; by the button, do it once."""
    now = timezone.now()
    code = posted_code(request)
    if not code:
        return ask_for_code(request)
    link = links.find(code, now=now)
    if link is None:
        return render(request, "portal/not_me_over.html", status=OVER)
    event = Event.objects.get(pk=link.event_id)
    if "close" not in request.POST:
        context = {
            "code": code,
            "words": texts.words_of(AlertRule(link.rule), event),
            "facts": messages.facts_of(event),
            "person": link.user,
        }
        return render(request, "portal/not_me.html", context)
    origin = origin_of(request)
    with transaction.atomic():
        # A reset that voids the link takes the same lock: whichever comes second sees the effect of the first.
        user = lock_person(link.user)
        if links.find(code, now=now) is None or not links.use(link, now=now):
            return render(request, "portal/not_me_over.html", status=OVER)
        disowned = disowned_by(event, rule=link.rule, credential_id=link.credential_id)
        done = respond_to_compromise(user, disowned, origin=origin, now=now)
        warned_again = choices.put_back(user, since=disowned.at, sign_in_id=disowned.sign_in_id)
        attempt_token = attempts.begin_recovery(user, origin=origin, now=now)
    tell_removed(user, done, now=now)
    attempt = flow.find_attempt(attempt_token, origin=origin, now=now)
    assert attempt is not None
    response = _show(request, attempt, done, warned_again=warned_again)
    cookies.clear_session(response)
    cookies.set_attempt(response, attempt_token)
    return response


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def close(request: HttpRequest) -> HttpResponse:
    """Show again which credentials still work after *This wasn't me*; on POST, close the selected ones."""
    now = timezone.now()
    attempt = flow.find_attempt(cookies.attempt_token(request), origin=origin_of(request), now=now)
    if attempt is None or attempt.purpose != Purpose.RECOVER:
        return render(request, "portal/not_me_over.html", status=OVER)
    if request.method != "POST":
        return _show(request, attempt, None)
    number = close_more(attempt, request.POST.getlist("close"), origin=origin_of(request), now=now)
    if number is None:
        return render(request, "portal/not_me_over.html", status=OVER)
    if number:
        said = ngettext("%(number)d thing is closed.", "%(number)d things are closed.", number)
        flash.success(request, said % {"number": number})
    else:
        flash.info(request, _("Nothing was ticked, so nothing was closed."))
    return HttpResponseRedirect(reverse("portal:not_me_close"))


def _show(
    request: HttpRequest, attempt: SignInAttempt, done: CompromiseResponse | None, *, warned_again: bool = False
) -> HttpResponse:
    now = timezone.now()
    assert attempt.user is not None
    left = queries.everything_of(attempt.user)
    context = {
        "done": done,
        "warned_again": warned_again,
        "person": attempt.user,
        "organisation": attempt.user.organisation,
        "phones": left.methods,
        "app_passwords": [row for row in left.app_passwords if row.suspended_at is None and row.paused_at is None],
        "choices": view_of(attempt, now=now).methods,
        "has_password": left.password is not None,
    }
    return render(request, "portal/not_me_done.html", context)
