"""The pages on which a person chooses an account password: with an invitation, or to change it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from watchword.core.policy import FactorKind
from watchword.doors.web import reasons
from watchword.factors.registry import forms_of
from watchword.signin import invitations
from watchword.signin.facts import setup_context_of
from watchword.signin.invitations import InvitationIsOver
from watchword.signin.middleware import origin_of
from watchword.ui.link_code import OVER, ask_for_code, posted_code


def change(_request: HttpRequest) -> HttpResponse:
    """Redirect to the generic page that sets up a password."""
    return HttpResponseRedirect(reverse("web:add", args=[FactorKind.PASSWORD.value]))


@login_not_required
@never_cache
@sensitive_post_parameters("password", "code")
def invitation(request: HttpRequest) -> HttpResponse:
    """Let an invited person choose a password. GET asks for the link's code, and the code alone changes nothing."""
    now = timezone.now()
    code = posted_code(request)
    if not code:
        return ask_for_code(request)
    found = invitations.find(code, now=now)
    if found is None:
        return render(request, "web/invitation_over.html", status=OVER)
    form = forms_of(FactorKind.PASSWORD).SetUpForm(
        request.POST if "password" in request.POST else None, setup_context=setup_context_of(found.user)
    )
    if form.is_valid():
        try:
            refusal = invitations.accept(found, form.options()["password"], origin=origin_of(request), now=now)
        except InvitationIsOver:
            return render(request, "web/invitation_over.html", status=OVER)
        if refusal is None:
            messages.success(request, _("Your password is set. Sign in with it now."))
            return HttpResponseRedirect(reverse("web:sign_in"))
        form.add_error("password", reasons.of_set_up(refusal.reason))
    return render(request, "web/invitation.html", {"form": form, "person": found.user, "code": code})
