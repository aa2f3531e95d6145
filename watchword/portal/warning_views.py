"""The person's setting for warnings by text."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from watchword.alerts.models import Notice, WarningChoice
from watchword.audit.events import EventKind
from watchword.audit.record import record
from watchword.signin import queries, sessions
from watchword.signin.middleware import origin_of, prove_again, request_session, request_user

SHOWN = 10


class ChoiceForm(forms.Form):
    """Warnings as a text in addition to mail, or by mail alone."""

    by_text = forms.BooleanField(label=gettext_lazy("Also send urgent warnings as a text message"), required=False)


@require_http_methods(["GET", "HEAD", "POST"])
def warnings(request: HttpRequest) -> HttpResponse:
    """Show the recipient addresses and the latest warnings; let the person add texts."""
    user = request_user(request)
    choice = WarningChoice.objects.filter(user=user).first()
    before = choice is not None and choice.by_text
    form = ChoiceForm(initial={"by_text": before})
    if request.method == "POST":
        options = "by_text" in request.POST
        if before and not options and sessions.needs_proof(request_session(request), now=timezone.now()):
            # An intruder at an unattended browser must not be able to switch off the warnings.
            messages.info(request, _("Prove that it is you, then change it again."))
            return prove_again(request.path)
        if options is not before:
            with transaction.atomic():
                WarningChoice.objects.update_or_create(user=user, defaults={"by_text": options})
                details = {"by_text": options, "sign_in": str(request_session(request).sign_in_id)}
                now = timezone.now()
                record(
                    EventKind.WARNING_CHOICE_CHANGED,
                    now=now,
                    subject=user,
                    by=user,
                    origin=origin_of(request),
                    details=details,
                    notify=not options,
                )
        messages.success(request, _("Your choice is saved."))
        return HttpResponseRedirect(reverse("portal:warnings"))
    context = {
        "form": form,
        "address": user.contact_mail or user.sign_in_name,
        "has_text": bool(queries.text_number_of(user)),
        "notices": Notice.objects.filter(user=user, alert=None).order_by("-created_at")[:SHOWN],
    }
    return render(request, "portal/warnings.html", context)
