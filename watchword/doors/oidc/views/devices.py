"""The device flow (RFC 8628): a device asks for codes, and its owner types one of them in a browser."""

from __future__ import annotations

from typing import assert_never
from urllib.parse import urlencode
from uuid import UUID

from authlib.oauth2.rfc6749.errors import InvalidScopeError, UnauthorizedClientError
from django import forms
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from watchword.applications.models import DeviceAuthorization
from watchword.core.decision import Allow, AskFor, Deny, SetUpFirst
from watchword.core.policy import Door
from watchword.doors.oidc import device_codes
from watchword.doors.oidc.authorization_server import Server
from watchword.doors.oidc.client_authentication import METHODS
from watchword.doors.oidc.device_codes import INTERVAL_SECONDS, LIFETIME, TooManyTyped
from watchword.doors.oidc.requests import OAuthRequest
from watchword.doors.oidc.views.authorization import scope_words
from watchword.doors.oidc.views.endpoints import answered
from watchword.signin import app_access
from watchword.signin.client_addresses import client_address
from watchword.signin.middleware import origin_of, request_session
from watchword.signin.models import Session
from watchword.ui.addresses import public_address


class CodeForm(forms.Form):
    """The form for the code that a device shows."""

    user_code = forms.CharField(
        label=gettext_lazy("Code"),
        help_text=gettext_lazy("The eight letters that your device shows, such as WDJB-MJHT"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
        error_messages={"required": gettext_lazy("Enter the code that your device shows.")},
    )


@login_not_required
@csrf_exempt
@require_http_methods(["POST"])
def authorization(request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Give a device its codes (RFC 8628 section 3.1)."""

    def answer(server: Server, asked: OAuthRequest) -> HttpResponse:
        client = server.authenticate_client(asked, METHODS, "device_authorization")
        if not client.allows_device_flow:
            raise UnauthorizedClientError("The client may not use the device flow.")
        scope = client.get_allowed_scope(asked.form.get("scope", ""))
        if not scope:
            raise InvalidScopeError
        device_code, user_code = device_codes.begin(client, scope, address=client_address(request), now=server.now)
        address = public_address("oidc:device")
        body = {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": address,
            "verification_uri_complete": f"{address}?{urlencode({'user_code': user_code})}",
            "expires_in": int(LIFETIME.total_seconds()),
            "interval": INTERVAL_SECONDS,
        }
        return server.handle_response(200, body, [])

    return answered(request, tenant, answer)


@never_cache
@require_http_methods(["GET", "POST"])
def type_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code that a device shows; then ask whether the person wants to sign in there.

    A code in the address only fills the form (RFC 8628 section 5.4): the person compares it with the device.
    """
    session = request_session(request)
    form = CodeForm(request.POST if request.method == "POST" else None, initial={"user_code": _shown(request)})
    if request.method == "POST" and form.is_valid():
        try:
            row = device_codes.find(form.cleaned_data["user_code"], session.user, now=timezone.now())
        except TooManyTyped:
            form.add_error("user_code", _("Too many codes were wrong. Try again in an hour."))
        else:
            if row is not None:
                return _answer(request, session, row, form.cleaned_data["user_code"])
            form.add_error("user_code", _("No device shows this code now. Look at it again; codes last 15 minutes."))
    return render(request, "oidc/device.html", {"form": form})


def _answer(request: HttpRequest, session: Session, row: DeviceAuthorization, typed: str) -> HttpResponse:
    now = timezone.now()
    context = {
        "app": row.client.app,
        "name": session.user.sign_in_name,
        "address": row.address,
        "user_code": typed,
        "scopes": [words for scope, words in scope_words().items() if scope in row.scope.split()],
    }
    if "deny" in request.POST:
        device_codes.deny(row, now=now)
        return render(request, "oidc/device_done.html", {**context, "is_allowed": False})
    decision = app_access.decide_app(session, row.client.app, now=now)
    match decision:
        case Allow(evidence):
            if "allow" not in request.POST:
                return render(request, "oidc/device_confirm.html", context)
            with transaction.atomic():
                sign_in = app_access.begin(
                    session,
                    row.client.app,
                    evidence=evidence,
                    is_offline="offline_access" in row.scope.split() and row.client.allows_refresh,
                    origin=origin_of(request, door=Door.OIDC),
                    now=now,
                )
                if not device_codes.allow(row, sign_in):
                    transaction.set_rollback(True)
            return render(request, "oidc/device_done.html", {**context, "is_allowed": True})
        case AskFor():
            here = f"{reverse('oidc:device')}?{urlencode({'user_code': typed})}"
            asked = {"next": here, "since": str(now.timestamp())}
            return HttpResponseRedirect(f"{reverse('web:confirm')}?{urlencode(asked)}")
        case SetUpFirst(because=because) | Deny(because=because):
            return render(request, "ui/app_closed.html", {**context, "because": because.value}, status=403)
        case _:
            assert_never(decision)


def _shown(request: HttpRequest) -> str:
    code = device_codes.normal(request.GET.get("user_code", ""))
    return f"{code[:4]}-{code[4:]}" if len(code) == device_codes.LENGTH else ""
