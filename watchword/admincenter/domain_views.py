"""The mail domains of the organisation, for Global Administrators."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from watchword.admincenter.drafts import sent
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.directory.domains import BadDomain, add_domain, number_of_names, remove_domain
from watchword.directory.models import Organisation
from watchword.directory.roles import Act
from watchword.signin.middleware import origin_of, request_user

_WHY_NOT = {
    "domain": gettext_lazy("That is no domain. Write it like example.org."),
    "taken": gettext_lazy("This domain belongs to an organisation here already."),
    "console": gettext_lazy(
        "Several organisations share this server: its operator adds domains, by “watchword domain”."
    ),
    "unknown": gettext_lazy("Your organisation has no such domain."),
    "primary": gettext_lazy("The first domain stays."),
    "in_use": gettext_lazy("People have names in this domain. Rename them first."),
}


class DomainForm(forms.Form):
    """A domain to add."""

    name = forms.CharField(
        label=gettext_lazy("Domain"),
        max_length=253,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
        error_messages={"required": gettext_lazy("Enter a domain, such as example.org.")},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Act.MANAGE_DOMAINS)
def domains(request: HttpRequest) -> HttpResponse:
    """List the domains, add one, or remove one that no sign-in name uses."""
    by = request_user(request)
    organisation = by.organisation
    if request.method == "POST" and (answer := require_recent_auth(request)):
        return answer
    if request.method == "POST" and "remove" in request.POST:
        return _remove(request, organisation)
    form = DomainForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            domain = add_domain(
                organisation, form.cleaned_data["name"], by=by, origin=origin_of(request), now=timezone.now()
            )
        except BadDomain as error:
            form.add_error("name", str(_WHY_NOT[error.reason]))
        else:
            messages.success(request, _("%(name)s is added: people can have names in it.") % {"name": domain.name})
            return HttpResponseRedirect(reverse("admincenter:domains"))
    rows = [
        {"domain": domain, "number": number_of_names(domain)}
        for domain in organisation.domains.order_by("-is_primary", "name")
    ]
    return render(request, "admincenter/domains.html", {"form": form, "rows": rows, "here": "domains"})


def _remove(request: HttpRequest, organisation: Organisation) -> HttpResponse:
    name = request.POST["remove"]
    try:
        remove_domain(organisation, name, by=request_user(request), origin=origin_of(request), now=timezone.now())
    except BadDomain as error:
        messages.warning(request, str(_WHY_NOT[error.reason]))
    else:
        messages.success(request, _("%(name)s is removed.") % {"name": name})
    return HttpResponseRedirect(reverse("admincenter:domains"))
