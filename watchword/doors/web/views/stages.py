"""The stages of a sign-in after the name: the password, then the code."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from watchword.core.decision import AskFor, Deny, DenyReason
from watchword.core.policy import Channel, FactorKind
from watchword.doors.web import reasons, resend_options
from watchword.doors.web.navigation import advance, attempt_of, complete, redirect_to_stage, start_again
from watchword.doors.web.views.access_pass import use_link
from watchword.factors.registry import forms_of
from watchword.messaging.gateway import Result
from watchword.messaging.limits.rules import LimitRule
from watchword.signin import enrolment, flow
from watchword.signin.middleware import session_or_none
from watchword.signin.models import Purpose, SignInAttempt
from watchword.signin.otp import challenges
from watchword.signin.otp.challenges import CodeDenied, CodeOnTheWay
from watchword.signin.results import Continue, SignedIn, SignInDenied
from watchword.signin.sign_in_view import SignInView, view_of


@login_not_required
@never_cache
@sensitive_post_parameters("answer")
def password(request: HttpRequest) -> HttpResponse:
    """Ask for the password; when it is right, send the code at once."""
    attempt = attempt_of(request)
    if attempt is None:
        return start_again()
    view = view_of(attempt, now=timezone.now())
    if not (isinstance(view.decision, AskFor) and FactorKind.PASSWORD in view.decision.methods):
        return redirect_to_stage(attempt, view.decision)
    form = forms_of(FactorKind.PASSWORD).AnswerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        answer = try_password(request, attempt, form)
        if answer is not None:
            return answer
    context = {"form": form, "name": attempt.typed_name, "is_confirmation": attempt.purpose == Purpose.CONFIRM}
    return render(request, "web/password.html", context)


def try_password(request: HttpRequest, attempt: SignInAttempt, form: Any) -> HttpResponse | None:
    """Check the password of a valid form, send the code and redirect; return None if the form now shows an error."""
    outcome = flow.answer(attempt, FactorKind.PASSWORD, form.cleaned_data["answer"], now=timezone.now())
    match outcome:
        case SignedIn():
            return complete(outcome)
        case Continue(next_decision):
            if isinstance(next_decision, AskFor):
                if answer := use_link(request, attempt, next_decision):
                    return answer
                sent = flow.send_first_code(attempt, now=timezone.now())
                if isinstance(sent, CodeDenied):
                    messages.warning(request, reasons.of_not_sent(sent))
            return advance(attempt, next_decision)
        case SignInDenied(DenyReason.NO_METHOD_LEFT):
            return ask_administrator(request, attempt)
        case SignInDenied():
            form.add_error("answer", reasons.of_name_or_password(outcome))
    return None


@login_not_required
@never_cache
def prove(request: HttpRequest) -> HttpResponse:
    """Ask for the code, show where it was sent, and offer every other method and channel."""
    attempt = attempt_of(request)
    if attempt is None:
        return start_again()
    now = timezone.now()
    view = view_of(attempt, now=now)
    if isinstance(view.decision, Deny):
        return _show_closed(request, attempt, view, view.decision)
    if not isinstance(view.decision, AskFor) or FactorKind.PASSWORD in view.decision.methods:
        return redirect_to_stage(attempt, view.decision)
    code = view.code
    # With number matching the person presses two digits in the call, and types nothing here.
    is_match = code is not None and bool(code.match)
    asked = request.POST if request.method == "POST" else None
    form = forms.Form(asked) if is_match else forms_of(FactorKind.PHONE).AnswerForm(asked)
    # A failed call is not a wrong answer: the page shows the result of the call instead.
    may_answer = not is_match or (code is not None and code.tries_left > 0)
    if request.method == "POST" and may_answer and form.is_valid():
        typed = "" if is_match else form.cleaned_data["answer"]
        outcome = flow.answer(attempt, FactorKind.PHONE, typed, now=now)
        match outcome:
            case SignedIn():
                return complete(outcome)
            case Continue(next_decision):
                return advance(attempt, next_decision)
            case SignInDenied():
                form.add_error(None if is_match else "answer", reasons.of_code(outcome))
                # A wrong code changes the tries left and the options offered.
                view = view_of(attempt, now=now)
                code = view.code
    choices = resend_options.of_methods(view.methods) if view.has_sends_left else []
    context = {
        "form": form,
        "name": attempt.typed_name,
        "code": code,
        "progress": reasons.of_progress(code) if code is not None else "",
        "trouble": reasons.of_trouble(code) if code is not None else "",
        "can_send_at": code.next_send_at if code is not None and code.next_send_at > now else None,
        "offer": resend_options.offer(choices, code),
        "no_more": "" if view.has_sends_left else reasons.of_not_sent(CodeDenied(None, LimitRule.ATTEMPT)),
        "has_pass": isinstance(view.decision, AskFor) and FactorKind.ACCESS_PASS in view.decision.methods,
        "send_to": reverse("web:send"),
        "here": reverse("web:prove"),
        "state_at": reverse("web:code_state"),
        "is_recovery": attempt.purpose == Purpose.RECOVER,
        "start": reverse("portal:not_me_close" if attempt.purpose == Purpose.RECOVER else "web:sign_in"),
    }
    return render(request, "web/prove.html", context)


@login_not_required
@never_cache
@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """Return the code's delivery state as JSON for the waiting page of a sign-in or (``?adding``) of a new phone."""
    code = _waited_for(request, now=timezone.now())
    if code is None:
        raise Http404
    return JsonResponse(
        {
            "says": reasons.of_progress(code),
            "trouble": reasons.of_trouble(code),
            "late": code.is_late,
            "approved": code.is_approved,
            "over": not code.tries_left,
            # The state of a delivered text does not change any more.
            "done": code.channel is Channel.SMS and code.result is Result.DELIVERED,
        }
    )


def _waited_for(request: HttpRequest, *, now: datetime) -> CodeOnTheWay | None:
    attempt = attempt_of(request)
    if "adding" not in request.GET:
        return challenges.on_the_way(attempt, Purpose(attempt.purpose), now=now) if attempt is not None else None
    for holder in (attempt, session_or_none(request)):
        code = enrolment.on_the_way(holder, now=now) if holder is not None else None
        if code is not None:
            return code
    return None


@login_not_required
@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """Send a code to the method and through the channel that the person chose."""
    attempt = attempt_of(request)
    if attempt is None:
        return start_again()
    sent = flow.send_code(attempt, request.POST.get("method", ""), request.POST.get("channel", ""), now=timezone.now())
    if isinstance(sent, CodeDenied):
        messages.warning(request, reasons.of_not_sent(sent))
        return redirect_to_stage(attempt)
    return HttpResponseRedirect(reverse("web:prove"))


def ask_administrator(request: HttpRequest, attempt: SignInAttempt) -> HttpResponse:
    """Show that no registered phone can be used, and refer to the administrator: a password alone can't add a phone."""
    assert attempt.user is not None
    context = {"name": attempt.typed_name, "organisation": attempt.user.organisation.name}
    return render(request, "web/ask_administrator.html", context)


def _show_closed(request: HttpRequest, attempt: SignInAttempt, view: SignInView, denied: Deny) -> HttpResponse:
    if denied.because is DenyReason.NO_METHOD_LEFT:
        return ask_administrator(request, attempt)
    context = {
        "says": reasons.of_code(SignInDenied(denied.because, view.retry_at)),
        "trouble": reasons.of_trouble(view.code) if view.code is not None else "",
        "is_locked": view.retry_at is None,
        "name": attempt.typed_name,
    }
    return render(request, "web/closed.html", context)
