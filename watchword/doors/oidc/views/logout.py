"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): an app signs a person out of Watchword."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from watchword.applications import signing_keys
from watchword.applications.issuer import organisation_of
from watchword.applications.models import Client
from watchword.applications.signing_keys import InvalidToken
from watchword.applications.subjects import is_subject
from watchword.core.policy import Door
from watchword.directory.models import Organisation
from watchword.doors.oidc.authorization_server import Server
from watchword.doors.oidc.requests import parameters_of
from watchword.doors.oidc.responses import RedirectToApp, with_parameters
from watchword.signin import cookies, sessions
from watchword.signin.middleware import origin_of, session_or_none
from watchword.signin.models import AppSignIn, Session


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A checked logout request."""

    client: Client | None
    is_proven: bool
    """Whether the ID token shows that the request is about the session of this browser."""
    address: str
    """Where the person goes afterwards; empty if nowhere."""


@login_not_required
@csrf_exempt  # the app may post the request; the person's own answer is checked below
@never_cache
@require_http_methods(["GET", "POST"])
def end_session(request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Sign the person out, and go back to the app where that is registered.

    Without an ID token that fits the session the person is asked first: otherwise any page could sign people out.
    """
    organisation = organisation_of(tenant)
    session = session_or_none(request)
    try:
        given = parameters_of(request.POST if request.method == "POST" else request.GET)
        checked = _checked(organisation, session, given)
    except OAuth2Error as error:
        return render(request, "oidc/error.html", {"error": error.error, "description": error.description}, status=400)
    if session is not None and not checked.is_proven and not _is_confirmed(request, given):
        fields = {name: value for name, value in given.items() if name in _FIELDS}
        return render(request, "oidc/logout.html", {"client": checked.client, "fields": fields})
    if session is not None:
        sessions.end(
            session.user,
            session.pk,
            by=session.user,
            because="signed_out",
            now=timezone.now(),
            origin=origin_of(request, door=Door.OIDC),
        )
    response: HttpResponse
    response = RedirectToApp(checked.address) if checked.address else render(request, "oidc/logged_out.html")
    if session is not None:
        # Not the cookie of a sign-in that has begun: any page may send a browser here.
        cookies.clear_session(response)
    return response


_FIELDS = frozenset({"id_token_hint", "client_id", "post_logout_redirect_uri", "state"})


def _checked(organisation: Organisation, session: Session | None, given: Mapping[str, str]) -> LogoutRequest:
    server = Server(organisation, now=timezone.now())
    claims = None
    if "id_token_hint" in given:
        try:
            claims = signing_keys.verify(organisation, given["id_token_hint"])
        except InvalidToken:
            claims = None
    client_id = given.get("client_id") or (str(claims.get("aud", "")) if claims else "")
    client = server.query_client(client_id) if client_id else None
    if claims is not None and "client_id" in given and claims.get("aud") != given["client_id"]:
        raise InvalidRequestError("The id_token_hint is for another client.")
    address = given.get("post_logout_redirect_uri", "")
    if address and (client is None or address not in client.post_logout_redirect_uris):
        raise InvalidRequestError("The post_logout_redirect_uri is not registered for this client.")
    if address and "state" in given:
        address = with_parameters(address, {"state": given["state"]})
    return LogoutRequest(client, _is_about(session, client, claims), address)


def _is_about(session: Session | None, client: Client | None, claims: Mapping[str, object] | None) -> bool:
    """Return whether an ID token is one that this browser's session gave this client."""
    if session is None or client is None or claims is None or not is_subject(client, session.user, claims.get("sub")):
        return False
    try:
        sign_in_id = UUID(str(claims.get("sid")))
    except ValueError:
        return False
    return AppSignIn.objects.filter(pk=sign_in_id, session=session, app=client.app_id).exists()


def _is_confirmed(request: HttpRequest, given: Mapping[str, str]) -> bool:
    """Return whether the person pressed the button of our own page: only that form has the token against forgery."""
    if request.method != "POST" or "confirmed" not in given:
        return False
    checker = CsrfViewMiddleware(lambda _request: HttpResponse())
    checker.process_request(request)
    return checker.process_view(request, _unprotected, (), {}) is None


def _unprotected(_request: HttpRequest) -> HttpResponse:
    """Return nothing of interest: a view without ``csrf_exempt``, for the check."""
    return HttpResponse()
