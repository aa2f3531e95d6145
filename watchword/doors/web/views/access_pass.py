"""The pages for a Temporary Access Pass: typed in addition to the password, or contained in a personal link."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from watchword.core.decision import AskFor
from watchword.core.policy import FactorKind
from watchword.doors.web import reasons
from watchword.doors.web.navigation import advance, attempt_of, complete, redirect_to_stage, start_again
from watchword.factors.registry import forms_of
from watchword.signin import access_passes, cookies, flow
from watchword.signin.middleware import origin_of
from watchword.signin.models import SignInAttempt
from watchword.signin.results import Continue, SignedIn, SignInDenied
from watchword.ui.link_code import OVER, ask_for_code, posted_code


@login_not_required
@never_cache
@sensitive_post_parameters("answer")
def access_pass(request: HttpRequest) -> HttpResponse:
    """Ask for the Temporary Access Pass from the administrator."""
    attempt = attempt_of(request)
    if attempt is None:
        return start_again()
    now = timezone.now()
    decision = flow.stage(attempt, now=now)
    if not isinstance(decision, AskFor) or FactorKind.ACCESS_PASS not in decision.methods:
        return redirect_to_stage(attempt, decision)
    form = forms_of(FactorKind.ACCESS_PASS).AnswerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        outcome = access_passes.answer(attempt, form.cleaned_data["answer"], now=now)
        match outcome:
            case SignedIn():
                return complete(outcome)
            case Continue(next_decision):
                return advance(attempt, next_decision)
            case SignInDenied():
                form.add_error("answer", reasons.of_pass(outcome))
    context = {"form": form, "name": attempt.typed_name, "has_phone": FactorKind.PHONE in decision.methods}
    return render(request, "web/access_pass.html", context)


@login_not_required
@never_cache
@sensitive_post_parameters("code")
def link(request: HttpRequest) -> HttpResponse:
    """Begin a registration with a personal link: after its code, a button begins an attempt at the password page."""
    now = timezone.now()
    code = posted_code(request)
    if not code:
        return ask_for_code(request)
    user = access_passes.owner_of_link(code, now=now)
    if user is None:
        return render(request, "web/register_link_over.html", status=OVER)
    if "start" not in request.POST:
        return render(request, "web/register_link.html", {"person": user, "code": code})
    attempt = flow.begin(
        user.sign_in_name,
        origin=origin_of(request),
        next_url=reverse("portal:security"),
        browser=cookies.browser_token(request),
        now=now,
    )
    response = HttpResponseRedirect(reverse("web:password"))
    cookies.set_attempt(response, attempt)
    cookies.set_link(response, code)
    return response


def use_link(request: HttpRequest, attempt: SignInAttempt, decision: AskFor) -> HttpResponse | None:
    """Answer with the pass of the personal link opened in this browser; return None if there is no accepted one."""
    token = cookies.link_token(request)
    if not token or FactorKind.ACCESS_PASS not in decision.methods:
        return None
    outcome = access_passes.answer(attempt, token, now=timezone.now())
    match outcome:
        case SignedIn():
            response = complete(outcome)
        case Continue(next_decision):
            response = advance(attempt, next_decision)
        case _:
            return None
    cookies.clear_link(response)
    return response
