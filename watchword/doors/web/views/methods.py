"""The generic pages that add and remove credentials of any kind.

They serve both a person who must register during a sign-in and a person who has signed in; ``signin.enrolment`` checks
the permission.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from watchword.core.decision import DenyReason, SetUpFirst
from watchword.core.factors import Rejected, RejectReason, SetupContext
from watchword.core.policy import FactorKind
from watchword.directory.models import User
from watchword.doors.web import reasons, resend_options
from watchword.doors.web.navigation import advance, attempt_of, complete, redirect_to_stage, start_again
from watchword.doors.web.next_address import safe_next
from watchword.factors.registry import all_factors, forms_of
from watchword.messaging.limits.rules import LimitRule
from watchword.signin import cookies, enrolment, enrolment_evidence, flow, password_change, queries
from watchword.signin.enrolment import LastMethod, ReauthenticationRequired, Registered, ShownOnce
from watchword.signin.facts import setup_context_of
from watchword.signin.middleware import origin_of, prove_again, request_session
from watchword.signin.models import Session, SignInAttempt
from watchword.signin.otp import resending
from watchword.signin.otp.challenges import CodeDenied
from watchword.signin.password_change import PasswordChosen
from watchword.signin.results import SignedIn, SignInDenied
from watchword.signin.sessions import Opened


@login_not_required
@never_cache
def register(request: HttpRequest) -> HttpResponse:
    """Tell the person that the organisation requires another method, and lead to its set-up."""
    attempt = attempt_of(request)
    if attempt is None:
        return start_again()
    decision = flow.stage(attempt, now=timezone.now())
    if not isinstance(decision, SetUpFirst) or decision.kind is FactorKind.PASSWORD:
        return redirect_to_stage(attempt, decision)
    return render(request, "web/register.html", {"kind": decision.kind.value, "name": attempt.typed_name})


@login_not_required
@never_cache
@sensitive_post_parameters("password")
def add(request: HttpRequest, kind: str) -> HttpResponse:
    """Ask for what is needed to add a credential of one kind."""
    factor_kind = _kind(kind)
    subject, because = _subject(request, factor_kind)
    if subject is None:
        return start_again()
    user = _user(subject)
    if isinstance(subject, Session) and enrolment.needs_proof(subject, now=timezone.now()):
        return prove_again(request.get_full_path())
    form = forms_of(factor_kind).SetUpForm(
        request.POST or None, setup_context=_setup_context(subject), initial=_initial(request, user)
    )
    if request.method == "POST" and form.is_valid():
        try:
            answer = _start(request, subject, factor_kind, form)
        except ReauthenticationRequired:
            return prove_again(request.get_full_path()) if isinstance(subject, Session) else redirect_to_stage(subject)
        if answer is not None:
            return answer
    context = {
        "form": form,
        "kind": factor_kind.value,
        "is_registration": isinstance(subject, SignInAttempt),
        "because": because,
        "name": user.sign_in_name,
        "why_not": _why_not(user, factor_kind),
    }
    return render(request, "web/add.html", context)


@login_not_required
@never_cache
def add_code(request: HttpRequest, kind: str) -> HttpResponse:
    """Ask for the code that proves a new method; a first app password is shown once, in this response."""
    factor_kind = _kind(kind)
    subject, _because = _subject(request, factor_kind)
    if subject is None:
        return start_again()
    now = timezone.now()
    code = enrolment.on_the_way(subject, now=now)
    if code is None or code.kind is not factor_kind:
        return HttpResponseRedirect(reverse("web:add", args=[kind]))
    if request.method == "POST" and "channel" in request.POST:
        return _send_again(request, subject)
    form = forms_of(factor_kind).AnswerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            outcome = enrolment.finish(
                subject, factor_kind, form.cleaned_data["answer"], origin=origin_of(request), now=now
            )
        except ReauthenticationRequired:
            return prove_again(request.get_full_path()) if isinstance(subject, Session) else redirect_to_stage(subject)
        if isinstance(outcome, Registered):
            return _registered(request, outcome)
        form.add_error("answer", reasons.of_code(outcome))
    here = reverse("web:add_code", args=[kind])
    again = resending.channels_again(subject, now=now)
    context = {
        "form": form,
        "kind": kind,
        "code": code,
        "progress": reasons.of_progress(code),
        "trouble": reasons.of_trouble(code),
        "can_send_at": code.next_send_at if code.next_send_at > now else None,
        "offer": resend_options.offer([resend_options.Choice("", channel, code.ends) for channel in again], code),
        "no_more": "" if again else reasons.of_not_sent(CodeDenied(None, LimitRule.ATTEMPT), is_adding=True),
        "send_to": here,
        "here": here,
        "state_at": reverse("web:code_state") + "?adding",
        "is_registration": isinstance(subject, SignInAttempt),
        "name": _user(subject).sign_in_name,
    }
    return render(request, "web/add_code.html", context)


def _send_again(request: HttpRequest, subject: SignInAttempt | Session) -> HttpResponse:
    """Send another code to the telephone being added, through the channel that the person chose."""
    here = reverse("web:add_code", args=[FactorKind.PHONE.value])
    try:
        sent = resending.send_again(subject, request.POST["channel"], origin=origin_of(request), now=timezone.now())
    except ReauthenticationRequired:
        return prove_again(here) if isinstance(subject, Session) else redirect_to_stage(subject)
    if isinstance(sent, CodeDenied):
        messages.warning(request, reasons.of_not_sent(sent, is_adding=True))
    elif isinstance(sent, Rejected):
        messages.warning(request, reasons.of_set_up(sent.reason))
    return HttpResponseRedirect(here)


@never_cache
def remove(request: HttpRequest, credential_id: UUID) -> HttpResponse:
    """Ask for confirmation before a method or an app password is removed, and show the consequences."""
    session = request_session(request)
    rows: list[queries.Method | queries.AppPasswordRow] = [
        *queries.methods_of(session.user),
        *queries.app_passwords_of(session.user),
    ]
    row = next((row for row in rows if row.id == credential_id), None)
    if row is None:
        raise Http404
    is_app_password = isinstance(row, queries.AppPasswordRow)
    back = reverse("portal:app_passwords" if is_app_password else "portal:security")
    now = timezone.now()
    if enrolment.needs_proof(session, now=now):
        return prove_again(request.get_full_path())
    if request.method == "POST":
        try:
            enrolment.remove(session, credential_id, origin=origin_of(request), now=now)
        except ReauthenticationRequired:
            return prove_again(request.get_full_path())
        except LastMethod:
            return HttpResponseRedirect(request.get_full_path())
        messages.success(request, _("Deleted.") if is_app_password else _("Removed."))
        return HttpResponseRedirect(back)
    context = {
        "row": row,
        "is_app_password": is_app_password,
        "is_last": not is_app_password and enrolment.is_last_method(session.user, credential_id),
        "back": back,
    }
    return render(request, "web/remove.html", context)


_ADDABLE = frozenset({FactorKind.PASSWORD, FactorKind.PHONE, FactorKind.APP_PASSWORD})
"""The kinds that people set up themselves; an administrator makes a Temporary Access Pass."""


def _kind(kind: str) -> FactorKind:
    try:
        found = FactorKind(kind)
    except ValueError:
        raise Http404 from None
    if found not in all_factors() or found not in _ADDABLE:
        raise Http404
    return found


def _subject(request: HttpRequest, kind: FactorKind) -> tuple[SignInAttempt | Session | None, str]:
    """Return the attempt or session that may add a method, and for an attempt the reason for the set-up; or None."""
    attempt = attempt_of(request)
    if attempt is not None:
        decision = flow.stage(attempt, now=timezone.now())
        if isinstance(decision, SetUpFirst) and decision.kind is kind:
            return attempt, decision.because.value
    return request_session(request) if request.user.is_authenticated else None, ""


def _setup_context(subject: SignInAttempt | Session) -> SetupContext:
    user = _user(subject)
    asks = isinstance(subject, Session) and queries.password_of(user) is not None
    return replace(setup_context_of(user), asks_current=asks)


def _user(subject: SignInAttempt | Session) -> User:
    assert subject.user is not None
    return subject.user


def _initial(request: HttpRequest, user: User) -> dict[str, str]:
    known = enrolment_evidence.number_to_confirm(user) or user.directory_phone
    initial = {"number": known, "name": request.GET.get("name", "")[:50]}
    slot = request.GET.get("slot", "")
    return {**initial, "slot": slot} if slot in {"mobile", "alternate", "office"} else initial


def _why_not(user: User, kind: FactorKind) -> str:
    reason = enrolment.why_cannot_create(user, now=timezone.now()) if kind is FactorKind.APP_PASSWORD else None
    return reasons.of_app_password(RejectReason(reason), user.organisation.policy.limits) if reason is not None else ""


def _start(request: HttpRequest, subject: SignInAttempt | Session, kind: FactorKind, form: Any) -> HttpResponse | None:
    origin, now = origin_of(request), timezone.now()
    match kind:
        case FactorKind.APP_PASSWORD:
            if not isinstance(subject, Session):
                raise ReauthenticationRequired
            made = enrolment.create_app_password(subject, form.options()["name"], origin=origin, now=now)
            if isinstance(made, ShownOnce):
                return _show_once(request, made, next_url=reverse("portal:app_passwords"))
            said = reasons.of_app_password(made.reason, subject.user.organisation.policy.limits)
            form.add_error("name" if made.reason.startswith("name") else None, said)
        case FactorKind.PASSWORD:
            chosen = password_change.choose_password(
                subject, form.options()["password"], current=form.options().get("current", ""), origin=origin, now=now
            )
            if isinstance(chosen, PasswordChosen):
                return _password_chosen(request, subject, chosen)
            reason = chosen.reason
            form.add_error(
                "password" if reason not in {RejectReason.NOT_CURRENT, DenyReason.PASSWORD_WAITS} else "current",
                reasons.of_set_up(reason)
                if isinstance(reason, RejectReason)
                else reasons.of_name_or_password(SignInDenied(reason)),
            )
        case _:
            started = enrolment.start(subject, kind, form.options(), origin=origin, now=now)
            if isinstance(started, Rejected):
                form.add_error(_field_of(started.reason), reasons.of_set_up(started.reason))
            elif isinstance(started, CodeDenied):
                form.add_error(None, reasons.of_not_sent(started, is_adding=True))
            else:
                return HttpResponseRedirect(reverse("web:add_code", args=[kind.value]))
    return None


def _field_of(reason: RejectReason) -> str:
    match reason:
        case RejectReason.EXTENSION:
            return "extension"
        case RejectReason.CHANNEL_NOT_ALLOWED | RejectReason.NO_TEXT_TO_THIS_NUMBER | RejectReason.MOBILE_WITHOUT_9:
            return "channel"
        case _:
            return "number"


def _password_chosen(request: HttpRequest, subject: SignInAttempt | Session, chosen: PasswordChosen) -> HttpResponse:
    if chosen.complete is not None:
        return complete(chosen.complete)
    if chosen.next is not None and isinstance(subject, SignInAttempt):
        return advance(subject, chosen.next.decision)
    if isinstance(subject, SignInAttempt):
        messages.success(request, _("Your password is set. Sign in with it now."))
        answer = HttpResponseRedirect(reverse("web:sign_in"))
        cookies.clear(answer)
        return answer
    messages.success(request, _("Your password is changed. Other browsers were signed out."))
    return _renewed(chosen.renewed, HttpResponseRedirect(reverse("portal:security")))


def _registered(request: HttpRequest, registered: Registered) -> HttpResponse:
    arrival: SignedIn | None = registered.complete
    next_url = safe_next(arrival.next_url) if arrival is not None else reverse("portal:security")
    if registered.first_app_password is not None:
        page = _show_once(request, registered.first_app_password, next_url=next_url, registered=registered)
        return complete(arrival, page) if arrival is not None else _renewed(registered.renewed, page)
    if registered.waits_until is not None:
        page = render(request, "web/registered_waits.html", {"registered": registered, "next": next_url})
        return complete(arrival, page) if arrival is not None else _renewed(registered.renewed, page)
    messages.success(request, _("Your phone is registered."))
    return complete(arrival) if arrival is not None else _renewed(registered.renewed, HttpResponseRedirect(next_url))


def _renewed(renewed: Opened | None, answer: HttpResponse) -> HttpResponse:
    if renewed is not None:
        cookies.set_session(answer, renewed.token)
    return answer


def _show_once(
    request: HttpRequest, shown: ShownOnce, *, next_url: str, registered: Registered | None = None
) -> HttpResponse:
    return render(request, "web/shown_once.html", {"shown": shown, "next": next_url, "registered": registered})
