"""The endpoints that programs ask: token, introspection, revocation, userinfo, pushed requests, discovery, keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from uuid import UUID

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from watchword.applications import signing_keys
from watchword.applications.issuer import endpoint, organisation_of
from watchword.applications.models import TokenKind
from watchword.applications.subjects import claims_of
from watchword.doors.oidc import access_tokens, authorization_requests, discovery, dpop
from watchword.doors.oidc.authorization_requests import PUSHED_LIFETIME, REQUEST_URI
from watchword.doors.oidc.authorization_server import Server, bearer_of, token_response
from watchword.doors.oidc.client_authentication import METHODS
from watchword.doors.oidc.dpop import Expected, InvalidDPoPProofError
from watchword.doors.oidc.requests import OAuthRequest, parameters_of
from watchword.doors.oidc.views.authorization import validated

KEYS_MAX_AGE = 3_600
"""Seconds for which clients may keep discovery and keys; a new key is published for longer before it signs."""

type Answer = Callable[[Server, OAuthRequest], HttpResponse]


def answered(http: HttpRequest, tenant: UUID, answer: Answer) -> HttpResponse:
    """Return the answer to a form that a program posted, or the error in JSON; nothing is read from the address."""
    server = Server(organisation_of(tenant), now=timezone.now())
    try:
        if http.GET:
            raise InvalidRequestError("Parameters belong into the form, not into the address.")
        if http.content_type != "application/x-www-form-urlencoded":
            raise InvalidRequestError("The content type must be application/x-www-form-urlencoded.")
        return answer(server, OAuthRequest(http, parameters_of(http.POST)))
    except OAuth2Error as error:
        error.redirect_uri = None
        return cast("HttpResponse", server.handle_error_response(None, error))


@login_not_required
@csrf_exempt
@require_http_methods(["POST"])
def token(request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Exchange a code or a refresh token (RFC 6749 section 3.2)."""

    def answer(server: Server, asked: OAuthRequest) -> HttpResponse:
        asked.dpop_thumbprint = _proof(server, request, "token")
        return token_response(server, asked)

    return answered(request, tenant, answer)


@login_not_required
@csrf_exempt
@require_http_methods(["POST"])
def introspect(request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Say what a token is worth (RFC 7662)."""

    def answer(server: Server, asked: OAuthRequest) -> HttpResponse:
        client = server.authenticate_client(asked, METHODS, "introspection")
        if "none" in client.auth_methods:
            raise InvalidRequestError("A public client can not introspect.")
        found = access_tokens.find(server.organisation, _token_of(asked))
        return server.handle_response(200, access_tokens.introspection(client, found, now=server.now), [])

    return answered(request, tenant, answer)


@login_not_required
@csrf_exempt
@require_http_methods(["POST"])
def revoke(request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Revoke a token (RFC 7009); an unknown one, or another client's, is answered as if it had been revoked."""

    def answer(server: Server, asked: OAuthRequest) -> HttpResponse:
        client = server.authenticate_client(asked, METHODS, "revocation")
        with transaction.atomic():
            found = access_tokens.find(server.organisation, _token_of(asked))
            if found is not None and found.check_client(client):
                access_tokens.revoke(found, now=server.now)
        return server.handle_response(200, {}, [])

    return answered(request, tenant, answer)


@login_not_required
@csrf_exempt
@require_http_methods(["POST"])
def push(request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Take an authorization request from the client itself (RFC 9126)."""

    def answer(server: Server, asked: OAuthRequest) -> HttpResponse:
        client = server.authenticate_client(asked, METHODS, "pushed_authorization_request")
        parameters = {name: value for name, value in asked.form.items() if name not in _CREDENTIALS}
        if "request_uri" in parameters:
            raise InvalidRequestError("A pushed request can not refer to another.")
        if parameters.get("client_id", client.client_id) != client.client_id:
            raise InvalidRequestError("The client_id is another client's.")
        parameters["client_id"] = client.client_id
        thumbprint = _proof(server, request, "par")
        if thumbprint and parameters.get("dpop_jkt", thumbprint) != thumbprint:
            raise InvalidDPoPProofError("The dpop_jkt is that of another key.")
        validated(request, server.organisation, parameters, is_pushed=True, now=server.now)
        _row, secret = authorization_requests.store(
            client,
            parameters,
            is_pushed=True,
            dpop_thumbprint=thumbprint or parameters.get("dpop_jkt", ""),
            now=server.now,
        )
        body = {"request_uri": REQUEST_URI + secret, "expires_in": int(PUSHED_LIFETIME.total_seconds())}
        return server.handle_response(201, body, [])

    return answered(request, tenant, answer)


_CREDENTIALS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


@login_not_required
@csrf_exempt
@require_http_methods(["GET", "POST", "HEAD", "OPTIONS"])
def userinfo(request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Return the claims about the person of an access token (OpenID Connect Core section 5.3)."""
    organisation, now = organisation_of(tenant), timezone.now()
    if request.method == "OPTIONS":
        return _for_browsers(HttpResponse(status=204))
    scheme, value = bearer_of(request)
    if not value and request.method == "POST":
        # RFC 6750 section 2.2.
        scheme, value = "bearer", request.POST.get("access_token", "")
    found = access_tokens.find(organisation, value) if value else None
    if found is None or found.kind != TokenKind.ACCESS or not access_tokens.is_valid(found, now=now):
        return _unauthorized("invalid_token" if value else "", scheme)
    if found.dpop_thumbprint or scheme == "dpop":
        expected = Expected(request.method or "", endpoint(organisation, "userinfo"), access_token=value)
        try:
            is_bound = scheme == "dpop" and dpop.proof_of(request, expected, now=now) == found.dpop_thumbprint
        except OAuth2Error:
            is_bound = False
        if not is_bound or not found.dpop_thumbprint:
            return _unauthorized("invalid_dpop_proof" if scheme == "dpop" else "invalid_token", "dpop")
    if "openid" not in found.scope.split():
        return _unauthorized("insufficient_scope", scheme, status=403)
    claims = claims_of(found.client, found.sign_in.user, found.scope, found.claims.get("userinfo", []))
    return _for_browsers(JsonResponse(claims))


@login_not_required
@require_safe
def openid_configuration(_request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Return the metadata of the issuer (OpenID Connect Discovery, RFC 8414); the Host header changes nothing in it."""
    return _cached(JsonResponse(discovery.metadata(organisation_of(tenant))))


@login_not_required
@require_safe
def jwks(_request: HttpRequest, tenant: UUID) -> HttpResponse:
    """Return the public keys of the issuer (RFC 7517)."""
    return _cached(JsonResponse(signing_keys.jwks(organisation_of(tenant), now=timezone.now())))


def _proof(server: Server, http: HttpRequest, name: str) -> str:
    return dpop.proof_of(http, Expected("POST", endpoint(server.organisation, name)), now=server.now)


def _token_of(asked: OAuthRequest) -> str:
    value = asked.form.get("token", "")
    if not value:
        raise InvalidRequestError("Missing token.")
    return value


def _unauthorized(error: str, scheme: str, *, status: int = 401) -> HttpResponse:
    response = HttpResponse(status=status)
    name = "DPoP" if scheme == "dpop" else "Bearer"
    response["WWW-Authenticate"] = f'{name} error="{error}"' if error else name
    return _for_browsers(response)


def _for_browsers(response: HttpResponse) -> HttpResponse:
    # Apps that run in a browser read it from another origin; the token is in a header, so cookies play no part.
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Allow-Headers"] = "Authorization, DPoP"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _cached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store" if settings.DEBUG else f"public, max-age={KEYS_MAX_AGE}"
    return _for_browsers(response)
