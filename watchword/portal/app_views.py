"""The apps in which a person is signed in, and what the person allowed them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from watchword.applications import consents
from watchword.signin import app_access
from watchword.signin.middleware import origin_of, request_user
from watchword.ui.browsers import browser_in_words


@require_GET
def apps(request: HttpRequest) -> HttpResponse:
    """Show the person's sign-ins in apps, and their consents."""
    user = request_user(request)
    context = {
        "sign_ins": [
            {"row": row, "browser": browser_in_words(row.agent)}
            for row in app_access.app_sign_ins_of(user, now=timezone.now())
        ],
        "consents": consents.consents_of(user),
    }
    return render(request, "portal/apps.html", context)


@require_POST
def end(request: HttpRequest, sign_in_id: UUID) -> HttpResponse:
    """Sign the person out of one app."""
    user = request_user(request)
    if app_access.end_one(
        user, sign_in_id, by=user, because="signed_out_elsewhere", now=timezone.now(), origin=origin_of(request)
    ):
        messages.success(request, _("You are signed out of that app."))
    return HttpResponseRedirect(reverse("portal:apps"))


@require_POST
def withdraw(request: HttpRequest, app_id: UUID) -> HttpResponse:
    """Take back what the person allowed an app."""
    if consents.withdraw(request_user(request), app_id, origin=origin_of(request), now=timezone.now()):
        messages.success(request, _("That app may no longer see your data, and you are signed out of it."))
    return HttpResponseRedirect(reverse("portal:apps"))
