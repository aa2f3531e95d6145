"""A Temporary Access Pass for a person who has lost the phone: created after a question, shown once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.users.detail import find_person, panel_address
from watchword.admincenter.users.identity_check import IdentityForm
from watchword.core.policy import FactorKind
from watchword.directory.permissions import ForbiddenForYourself, demand
from watchword.directory.roles import Act
from watchword.factors.registry import forms_of
from watchword.signin import access_passes
from watchword.signin.access_passes import NoUseForAPass
from watchword.signin.facts import setup_context_of
from watchword.signin.middleware import origin_of, request_user


@never_cache
@requires(Act.MAKE_ACCESS_PASS)
def make(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Ask how long a pass is to be valid, create it, and show it only in this response."""
    by = request_user(request)
    user = find_person(by, user_id)
    demand(by, Act.MAKE_ACCESS_PASS, user)
    if user.pk == by.pk:
        raise ForbiddenForYourself(Act.MAKE_ACCESS_PASS)
    if answer := require_recent_auth(request):
        return answer
    now = timezone.now()
    form = forms_of(FactorKind.ACCESS_PASS).SetUpForm(request.POST or None, setup_context=setup_context_of(user))
    identity = IdentityForm(request.POST or None)
    no_use = False
    if request.method == "POST" and form.is_valid() & identity.is_valid():
        try:
            shown = access_passes.make(
                user,
                lifetime=timedelta(seconds=form.cleaned_data["seconds"]),
                is_once=form.cleaned_data["is_once"],
                by=by,
                identified=identity.cleaned_data["identified"],
                origin=origin_of(request),
                now=now,
            )
        except NoUseForAPass:
            no_use = True
        else:
            context = {"person": user, "shown": shown, "here": "users"}
            return render(request, "admincenter/access_pass_once.html", context)
    context = {
        "person": user,
        "form": form,
        "identity": identity,
        "no_use": no_use,
        "open": access_passes.open_pass_of(user, now=now),
        "back": panel_address(user),
        "here": "users",
    }
    return render(request, "admincenter/access_pass.html", context)
