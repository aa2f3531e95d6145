"""The authorization endpoint: from an app's request to a code, by way of whatever the person still has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidRequestError,
    InvalidScopeError,
    UnsupportedResponseTypeError,
)
from authlib.oidc.core.errors import AccountSelectionRequiredError, ConsentRequiredError, LoginRequiredError
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from watchword.applications import consents
from watchword.applications.issuer import organisation_of, tenant_of
from watchword.applications.models import AuthorizationCode, AuthorizationRequest, Client, ClientKind
from watchword.applications.redirect_uris import is_web
from watchword.applications.subjects import is_subject
from watchword.audit.record import Origin
from watchword.core.assurance import Evidence
from watchword.core.decision import Allow, AskFor, Deny, DenyReason, SetUpFirst
from watchword.core.policy import Door
from watchword.directory.models import Organisation
from watchword.doors.oidc import authorization_requests
from watchword.doors.oidc.authorization_requests import (
    AuthenticationParameters,
    RequestUriNotSupportedError,
    UnmetAuthenticationRequirementsError,
    authentication_parameters,
)
from watchword.doors.oidc.authorization_server import Server
from watchword.doors.oidc.requests import OAuthRequest, parameters_of
from watchword.doors.oidc.responses import allow_form_to, answer, parameters_of_error
from watchword.signin import app_access, cookies, sessions
from watchword.signin.middleware import origin_of, session_or_none
from watchword.signin.models import Session
from watchword.signin.tokens import new_token, token_hash

CODE_LIFETIME = timedelta(seconds=60)
"""RFC 6749 section 4.1.2 recommends ten minutes at most; a client exchanges its code at once."""


@login_not_required
@csrf_exempt  # OpenID Connect Core section 3.1.2.1: apps may send the request by POST, from their own site
@never_cache
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Check an app's request, and answer it or lead the person through what is missing."""
    organisation = organisation_of(tenant)
    now = timezone.now()
    given: Mapping[str, str] = {}
    try:
        given = parameters_of(request.POST if request.method == "POST" else request.GET)
        row = None
        if "request_uri" in given:
            row = authorization_requests.take_pushed(
                given.get("client_id", ""), given["request_uri"], organisation, now=now
            )
            given = row.parameters
        client = validated(request, organisation, given, is_pushed=row is not None, now=now)
    except OAuth2Error as error:
        if isinstance(error, RequestUriNotSupportedError):
            error.redirect_uri = _checked_redirect_uri(Server(organisation, now=now), given)
        return refused(request, organisation, error, given=given)
    thumbprint = row.dpop_thumbprint if row is not None else given.get("dpop_jkt", "")
    waiting, token = authorization_requests.store(client, given, is_pushed=False, dpop_thumbprint=thumbprint, now=now)
    waiting.client = client
    return _proceed(request, organisation, waiting, token, now=now)


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def proceed(request: HttpRequest, tenant: UUID, token: str) -> HttpResponse:
    """Go on with a request that waits, after the person has signed in or agreed."""
    organisation = organisation_of(tenant)
    now = timezone.now()
    row = authorization_requests.find_waiting(token, organisation, now=now)
    if row is None:
        return render(request, "oidc/error.html", {"is_over": True}, status=400)
    try:
        # The app may have been changed since.
        row.client = validated(request, organisation, row.parameters, is_pushed=True, now=now)
    except OAuth2Error as error:
        return refused(request, organisation, error, given=row.parameters)
    return _proceed(request, organisation, row, token, now=now)


proceed.redirects_outside = True  # type: ignore[attr-defined]  # read by the web door after a sign-in


def validated(
    http: HttpRequest, organisation: Organisation, parameters: Mapping[str, str], *, is_pushed: bool, now: datetime
) -> Client:
    """Return the client of a valid authorization request.

    Raises OAuth2Error, with a redirect URI where the error may be told to the client.
    """
    server = Server(organisation, now=now)
    request = OAuthRequest(http, parameters)
    if "response_type" not in parameters:
        # OAuth calls this invalid_request, and only a registered redirect URI may be told.
        raise InvalidRequestError("Missing response_type.", redirect_uri=_checked_redirect_uri(server, parameters))
    if parameters["response_type"] != "code":
        # Authlib quotes the parameter, which may have characters that a description may not have.
        uri = _checked_redirect_uri(server, parameters)
        raise UnsupportedResponseTypeError("", "The response_type is not supported.", redirect_uri=uri)
    grant = server.get_consent_grant(request, end_user=None)
    client: Client = grant.request.client
    try:
        if client.kind == ClientKind.STRICT and not is_pushed:
            raise InvalidRequestError("This client has to push its requests.")
        if not grant.request.scope:
            raise InvalidScopeError("The client may have none of the requested scopes.")
        authentication_parameters(organisation, client, parameters)
    except OAuth2Error as error:
        error.redirect_uri = parameters["redirect_uri"]
        raise
    return client


def _checked_redirect_uri(server: Server, parameters: Mapping[str, str]) -> str | None:
    client = server.query_client(parameters.get("client_id", ""))
    uri = parameters.get("redirect_uri", "")
    return uri if client is not None and uri and client.check_redirect_uri(uri) else None


def refused(
    request: HttpRequest, organisation: Organisation, error: OAuth2Error, *, given: Mapping[str, str]
) -> HttpResponse:
    """Tell an error to the client, where its redirect URI was right; otherwise to the person."""
    uri = error.redirect_uri
    if uri:
        mode = given.get("response_mode", "query")
        mode = mode if mode in authorization_requests.RESPONSE_MODES else "query"
        return answer(request, organisation, uri, mode, parameters_of_error(error, given.get("state", "")))
    context = {"error": error.error, "description": error.description, "client_id": given.get("client_id", "")}
    return render(request, "oidc/error.html", context, status=400)


@dataclass(frozen=True, slots=True)
class Interaction:
    """One step of a person on the way from an app's request to its answer."""

    http: HttpRequest
    organisation: Organisation
    row: AuthorizationRequest
    here: str
    """The address at which the request goes on."""
    asked: AuthenticationParameters
    now: datetime

    @property
    def client(self) -> Client:
        """Return the client that asks."""
        return self.row.client

    @property
    def is_silent(self) -> bool:
        """Return whether no page may be shown."""
        return "none" in self.asked.prompts

    @property
    def scopes(self) -> list[str]:
        """Return the scopes that the client asks for and may have."""
        return self.client.get_allowed_scope(self.row.parameters.get("scope", "")).split()

    @property
    def origin(self) -> Origin:
        """Return the origin of the request, for events."""
        return origin_of(self.http, door=Door.OIDC)

    @property
    def redirect_uri(self) -> str:
        """Return where the answer goes."""
        return str(self.row.parameters["redirect_uri"])


def _proceed(
    request: HttpRequest, organisation: Organisation, row: AuthorizationRequest, token: str, *, now: datetime
) -> HttpResponse:
    here = reverse("oidc:proceed", args=[tenant_of(organisation), token])
    asked = authentication_parameters(organisation, row.client, row.parameters)
    try:
        return _step(Interaction(request, organisation, row, here, asked, now))
    except OAuth2Error as error:
        error.redirect_uri = row.parameters["redirect_uri"]
        if not authorization_requests.use_up(row, now=now):
            return render(request, "oidc/error.html", {"is_over": True}, status=400)
        return refused(request, organisation, error, given=row.parameters)


def _step(at: Interaction) -> HttpResponse:
    if "leave" in at.http.GET:
        raise AccessDeniedError("The person went back.")
    session = session_or_none(at.http)
    if session is None or session.user.organisation_id != at.organisation.pk:
        return _sign_in_first(at)
    if (choice := _choose_account(at, session)) is not None:
        return choice
    demand = at.asked.demand(asked_at=at.row.created_at, now=at.now)
    decision = app_access.decide_app(session, at.client.app, demand, now=at.now)
    match decision:
        case Allow(evidence):
            return _allowed(at, session, evidence)
        case AskFor():
            return _prove_again(at, demand.not_before or at.now)
        case SetUpFirst():
            if at.asked.second_factor:
                raise UnmetAuthenticationRequirementsError("The person has no second factor.")
            return _closed(at, session, DenyReason.NOTHING_REGISTERED)
        case Deny(because):
            return _closed(at, session, because)
        case _:
            assert_never(decision)


def _prove_again(at: Interaction, since: datetime) -> HttpResponse:
    if at.is_silent:
        raise LoginRequiredError("The person has to sign in again.")
    asked = {"next": at.here, "since": str(since.timestamp())}
    return HttpResponseRedirect(f"{reverse('web:confirm')}?{urlencode(asked)}")


def _sign_in_first(at: Interaction) -> HttpResponse:
    if at.is_silent:
        raise LoginRequiredError("Nobody is signed in.")
    asked = {"next": at.here, **({"name": at.asked.login_hint} if at.asked.login_hint else {})}
    return HttpResponseRedirect(f"{reverse('web:sign_in')}?{urlencode(asked)}")


def _choose_account(at: Interaction, session: Session) -> HttpResponse | None:
    """Return the page that asks who wants to sign in, or what follows an answer on it; None if nobody has to choose."""
    is_other = bool(at.asked.subject) and not is_subject(at.client, session.user, at.asked.subject)
    is_asked = "select_account" in at.asked.prompts and at.row.confirmed_by_id != session.pk
    if not (is_other or is_asked):
        return None
    if at.is_silent:
        raise LoginRequiredError("Another person is signed in.") if is_other else AccountSelectionRequiredError()
    if at.http.method == "POST" and "other" in at.http.POST:
        sessions.end(session.user, session.pk, by=session.user, because="signed_out", now=at.now, origin=at.origin)
        response: HttpResponse = HttpResponseRedirect(f"{reverse('web:sign_in')}?{urlencode({'next': at.here})}")
        cookies.clear(response)
        return response
    if at.http.method == "POST" and "continue" in at.http.POST and not is_other:
        at.row.confirmed_by = session
        at.row.save(update_fields=["confirmed_by"])
        return HttpResponseRedirect(at.here)
    context = {
        "app": at.client.app,
        "name": session.user.sign_in_name,
        "may_continue": not is_other,
        "here": at.here,
    }
    return render(at.http, "oidc/choose_account.html", context)


def _allowed(at: Interaction, session: Session, evidence: tuple[Evidence, ...]) -> HttpResponse:
    is_asked = "consent" in at.asked.prompts
    if is_asked or consents.is_needed(session.user, at.client, at.scopes, at.redirect_uri):
        if at.is_silent:
            raise ConsentRequiredError("The person has to agree.")
        if at.http.method != "POST" or not {"allow", "deny"} & set(at.http.POST):
            return _consent_page(at, session)
        if "allow" not in at.http.POST:
            denied = DenyReason.CONSENT_DENIED
            app_access.note_denied(session.user, at.client.app, denied, origin=at.origin, now=at.now)
            raise AccessDeniedError("The person did not agree.")
        if at.client.app.asks_consent:
            consents.give(session.user, at.client, at.scopes, origin=at.origin, now=at.now)
    with transaction.atomic():
        if not authorization_requests.use_up(at.row, now=at.now):
            return render(at.http, "oidc/error.html", {"is_over": True}, status=400)
        given = {"code": _issue(at, session, evidence)}
    if "state" in at.row.parameters:
        given["state"] = at.row.parameters["state"]
    return answer(at.http, at.organisation, at.redirect_uri, at.asked.response_mode, given)


def _issue(at: Interaction, session: Session, evidence: tuple[Evidence, ...]) -> str:
    code, parameters = new_token(), at.row.parameters
    sign_in = app_access.begin(
        session,
        at.client.app,
        evidence=evidence,
        is_offline="offline_access" in at.scopes and at.client.allows_refresh,
        origin=at.origin,
        now=at.now,
    )
    AuthorizationCode.objects.create(
        code_hash=token_hash(code),
        sign_in=sign_in,
        client=at.client,
        redirect_uri=at.redirect_uri,
        scope=" ".join(at.scopes),
        nonce=parameters.get("nonce", ""),
        code_challenge=parameters.get("code_challenge", ""),
        dpop_thumbprint=at.row.dpop_thumbprint,
        claims=dict(at.asked.claims or {}),
        created_at=at.now,
        expires_at=at.now + CODE_LIFETIME,
    )
    return code


def _consent_page(at: Interaction, session: Session) -> HttpResponse:
    words = scope_words()
    context = {
        "app": at.client.app,
        "name": session.user.sign_in_name,
        "scopes": [words[scope] for scope in at.scopes if scope in words],
        "is_native": not is_web(at.redirect_uri),
        "here": at.here,
        "host": _host(at.redirect_uri),
    }
    response = render(at.http, "oidc/consent.html", context)
    allow_form_to(response, at.redirect_uri)
    return response


def scope_words() -> dict[str, str]:
    """Return what each scope means to a person; ``openid`` alone tells nothing about them."""
    return {
        "profile": _("Your name and sign-in name"),
        "email": _("Your mail address"),
        "groups": _("The groups you are in"),
        "mail": _("Read and send mail as you"),
        "offline_access": _("Stay signed in until you end it, also while you are away"),
    }


def _closed(at: Interaction, session: Session, because: DenyReason) -> HttpResponse:
    app_access.note_denied(session.user, at.client.app, because, origin=at.origin, now=at.now)
    if at.is_silent:
        raise AccessDeniedError("The person may not use this app.")
    context = {
        "app": at.client.app,
        "name": session.user.sign_in_name,
        "because": because.value,
        "here": at.here,
    }
    return render(at.http, "ui/app_closed.html", context, status=403)


def _host(address: str) -> str:
    return urlsplit(address).netloc if is_web(address) else ""
