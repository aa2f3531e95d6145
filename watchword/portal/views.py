"""The pages of a person's own account."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from watchword.core.policy import MfaState
from watchword.directory.applications import apps_of
from watchword.directory.models import User
from watchword.portal.activity import fate_of, lines_of
from watchword.portal.language import language_in_words
from watchword.signin import actions, enrolment, queries, sessions
from watchword.signin.middleware import origin_of, request_session, request_user
from watchword.ui.browsers import browser_in_words

LINES_SHORT = 5
LINES_LONG = 50
CODES = 3
LONGEST_ID = 18
"""The maximum number of digits in an event's id."""


def home(request: HttpRequest) -> HttpResponse:
    """Show the apps, and the recommended next steps."""
    user = request_user(request)
    methods = queries.methods_of(user)
    context = {
        "has_one_method": user.state is not MfaState.DISABLED and len(methods) == 1,
        "apps": [app for app in apps_of(user) if app.home_url],
    }
    return render(request, "portal/home.html", context)


def security(request: HttpRequest) -> HttpResponse:
    """Show the person's credentials, sessions and latest events on one page."""
    user = request_user(request)
    here = request_session(request)
    methods = queries.methods_of(user)
    rows = [
        {"row": row, "browser": browser_in_words(row.agent), "is_here": row.id == here.pk}
        for row in sessions.sessions_of(user, now=timezone.now())
    ]
    context = {
        "password": queries.password_of(user),
        "methods": methods,
        "free_slots": [slot for slot in ("mobile", "alternate", "office") if slot not in {row.slot for row in methods}],
        "sessions": sorted(rows, key=lambda row: not row["is_here"]),
        "lines": lines_of(user, number=LINES_SHORT),
        "codes": [(code, fate_of(code)) for code in queries.last_codes(user, number=CODES)],
        "language": language_in_words(user),
        **_app_passwords(user),
    }
    return render(request, "portal/security.html", context)


def app_passwords(request: HttpRequest) -> HttpResponse:
    """Show the app passwords alone, on a page of their own."""
    return render(request, "portal/app_passwords.html", _app_passwords(request_user(request)))


def activity(request: HttpRequest) -> HttpResponse:
    """Show the events of the account, page by page."""
    before = request.GET.get("before", "")
    is_id = before.isdecimal() and len(before) <= LONGEST_ID
    lines = lines_of(request_user(request), number=LINES_LONG + 1, before=int(before) if is_id else None)
    context = {"lines": lines[:LINES_LONG], "more": lines[LINES_LONG - 1].id if len(lines) > LINES_LONG else None}
    return render(request, "portal/activity.html", context)


@require_POST
def end_session(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """Sign one browser out."""
    user = request_user(request)
    if sessions.end(
        user, session_id, by=user, because="signed_out_elsewhere", now=timezone.now(), origin=origin_of(request)
    ):
        messages.success(request, _("That browser is signed out."))
    return HttpResponseRedirect(reverse("portal:security"))


@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """Sign every other browser out."""
    number = actions.sign_out_own_sessions(
        request_user(request), except_session=request_session(request), origin=origin_of(request), now=timezone.now()
    )
    said = ngettext("%(number)d other browser is signed out.", "%(number)d other browsers are signed out.", number)
    messages.success(request, said % {"number": number} + " " + _("Mail programs must sign in again."))
    return HttpResponseRedirect(reverse("portal:security"))


@login_not_required
def change_password(_request: HttpRequest) -> HttpResponse:
    """Redirect password managers to the change of password (W3C: A Well-Known URL for Changing Passwords)."""
    return HttpResponseRedirect(reverse("web:change_password"))


def _app_passwords(user: User) -> dict[str, object]:
    rows = queries.app_passwords_of(user)
    return {
        "app_passwords": rows,
        "alive": sum(1 for row in rows if row.suspended_at is None),
        "limit": user.organisation.policy.limits.app_passwords,
        "why_not": enrolment.why_cannot_create(user, now=timezone.now()),
        "mfa_state": user.state,
        "waits_until": user.app_password_waits_until,
        "stale": {row.id for row in rows if row.is_stale(timezone.now())},
    }
