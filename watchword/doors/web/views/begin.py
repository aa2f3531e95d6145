"""The first and last pages of a session: the sign-in name, the set-up link, signing out."""

from __future__ import annotations

from django import forms
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from watchword.core.usernames import InvalidSignInName
from watchword.doors.web import reasons
from watchword.doors.web.next_address import safe_next
from watchword.signin import attempts, cookies, flow, sessions
from watchword.signin.attempt_limits import TooManyBegun
from watchword.signin.middleware import origin_of, request_session, session_or_none

TOO_MANY_REQUESTS = 429
"""RFC 6585 section 4."""


class NameForm(forms.Form):
    """The form for the sign-in name."""

    name = forms.CharField(
        label=gettext_lazy("Sign-in name"),
        help_text=gettext_lazy("Such as alice@example.org"),
        widget=forms.TextInput(
            attrs={
                "autocomplete": "username webauthn",
                "autocapitalize": "none",
                "spellcheck": "false",
                "inputmode": "email",
                "autofocus": True,
            }
        ),
        error_messages={"required": gettext_lazy("Enter your sign-in name.")},
    )


@login_not_required
@never_cache
def name(request: HttpRequest) -> HttpResponse:
    """Ask for the sign-in name; known and unknown names continue in the same manner."""
    next_url = safe_next(request.POST.get("next") or request.GET.get("next", ""))
    if request.method == "GET" and request.user.is_authenticated:
        return HttpResponseRedirect(next_url)
    is_over = "over" in request.GET
    typed = attempts.typed_name(cookies.attempt_token(request)) if is_over else request.GET.get("name", "")[:254]
    form = NameForm(request.POST or None, initial={"name": typed})
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            token = flow.begin(
                form.cleaned_data["name"],
                origin=origin_of(request),
                next_url=next_url,
                browser=cookies.browser_token(request),
                replaces=session_or_none(request),
                now=timezone.now(),
            )
        except InvalidSignInName:
            form.add_error("name", _("That is no sign-in name. It looks like a mail address: alice@example.org"))
        except TooManyBegun as too_many:
            form.add_error(None, reasons.of_too_many_begun(too_many.until))
            status = TOO_MANY_REQUESTS
        else:
            response = HttpResponseRedirect(reverse("web:password"))
            cookies.set_attempt(response, token)
            return response
    return render(request, "web/name.html", {"form": form, "next": next_url, "is_over": is_over}, status=status)


@login_not_required
@require_GET
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the page behind the permanent link that administrators send: it explains the set-up and leads to it."""
    return render(request, "web/set_up.html", {"next": reverse("portal:security")})


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session of this browser."""
    session = request_session(request)
    sessions.end(session.user, session.pk, by=session.user, because="signed_out", now=timezone.now())
    response = HttpResponseRedirect(reverse("web:sign_in"))
    cookies.clear(response)
    # Clears cached pages and storage, but not "cookies": without its cookie the browser would count as a new one.
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response
