"""The parameters of an authorization request that OpenID Connect adds to OAuth, and requests that wait.

Each is checked before the person sees anything. What is wrong with a request whose client and redirect URI are right is
told to the client by a redirect; everything else is told to the person, and leads nowhere (RFC 6749 section 4.1.2.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from watchword.applications import signing_keys
from watchword.applications.models import AuthorizationRequest, Client
from watchword.applications.signing_keys import InvalidToken
from watchword.applications.subjects import CLAIMS
from watchword.directory.models import Organisation
from watchword.signin.app_access import Demand
from watchword.signin.tokens import new_token, token_hash

PROMPTS = ("none", "login", "consent", "select_account")
RESPONSE_MODES = ("query", "fragment", "form_post")
ACR_TWO = "urn:watchword:acr:two"
ACR_ONE = "urn:watchword:acr:one"
_MEANS_TWO = frozenset(
    {ACR_TWO, "https://refeds.org/profile/mfa", "http://schemas.openid.net/pape/policies/2007/06/multi-factor"}
)
REQUEST_URI = "urn:ietf:params:oauth:request_uri:"
PUSHED_LIFETIME = timedelta(seconds=90)
WAITING_LIFETIME = timedelta(hours=1)
"""How long a person may take to sign in, register a phone included."""
LONGEST_NONCE = 500


class UnmetAuthenticationRequirementsError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """OpenID Connect Core Unmet Authentication Requirements 1.0."""

    error = "unmet_authentication_requirements"


class RequestNotSupportedError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """OpenID Connect Core section 3.1.2.6."""

    error = "request_not_supported"


class RequestUriNotSupportedError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """OpenID Connect Core section 3.1.2.6."""

    error = "request_uri_not_supported"


class RegistrationNotSupportedError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """OpenID Connect Core section 3.1.2.6."""

    error = "registration_not_supported"


@dataclass(frozen=True, slots=True)
class AuthenticationParameters:
    """What a client asks for beyond a code."""

    prompts: frozenset[str] = frozenset()
    max_age: int | None = None
    second_factor: bool = False
    is_acr_essential: bool = False
    login_hint: str = ""
    subject: str = ""
    """The ``sub`` that the signed-in person must have; empty: anybody."""
    response_mode: str = "query"
    claims: Mapping[str, list[str]] | None = None

    def demand(self, *, asked_at: datetime, now: datetime) -> Demand:
        """Return what the request demands of the person's proofs."""
        oldest = []
        if self.max_age is not None:
            # ``max_age=0`` is as ``prompt=login``: the person proves again after the request was made.
            oldest.append(asked_at if self.max_age == 0 else now - timedelta(seconds=self.max_age))
        if "login" in self.prompts:
            oldest.append(asked_at)
        return Demand(second_factor=self.second_factor, not_before=max(oldest) if oldest else None)


def authentication_parameters(
    organisation: Organisation, client: Client, parameters: Mapping[str, str]
) -> AuthenticationParameters:
    """Return what a request asks for; raise an OAuth2Error for what it can't have."""
    if "request" in parameters:
        raise RequestNotSupportedError("OAuthRequest objects are not supported.")
    if "registration" in parameters:
        raise RegistrationNotSupportedError("Self-issued clients are not supported.")
    if len(parameters.get("nonce", "")) > LONGEST_NONCE:
        raise InvalidRequestError("The nonce is longer than 500 characters.")
    mode = parameters.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        raise InvalidRequestError("The response_mode is not supported.")
    prompts = frozenset(parameters.get("prompt", "").split())
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequestError("The prompt none can not stand beside another.")
    claims = _claims(parameters.get("claims", ""))
    essential, wanted = _acr_claim(claims)
    values = parameters.get("acr_values", "").split()
    if essential and wanted and not set(wanted) & (_MEANS_TWO | {ACR_ONE}):
        raise UnmetAuthenticationRequirementsError("None of the requested acr values can be given.")
    # A list is in the order of preference (OpenID Connect Core section 3.1.2.1): the first that we know counts.
    known = next((value for value in [*wanted, *values] if value in _MEANS_TWO | {ACR_ONE}), "")
    return AuthenticationParameters(
        prompts=prompts & frozenset(PROMPTS),
        max_age=_max_age(parameters.get("max_age")),
        second_factor=known in _MEANS_TWO,
        is_acr_essential=essential,
        login_hint=parameters.get("login_hint", "")[:254],
        subject=_hinted(organisation, client, parameters.get("id_token_hint", "")) or _sub_claim(claims),
        response_mode=mode,
        claims={place: sorted(set(asked) & set(CLAIMS)) for place, asked in claims.items()},
    )


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:  # noqa: PLR2004  (more digits than 30 years)
        raise InvalidRequestError("The max_age is not a number of seconds.")
    return int(text)


def _claims(text: str) -> dict[str, dict[str, Any]]:
    """Return the ``claims`` parameter (OpenID Connect Core section 5.5)."""
    if not text:
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequestError("The claims parameter is not JSON.") from None
    if not isinstance(given, dict):
        raise InvalidRequestError("The claims parameter is not a JSON object.")
    found: dict[str, dict[str, Any]] = {}
    for place in ("id_token", "userinfo"):
        asked = given.get(place)
        if asked is None:
            continue
        if not isinstance(asked, dict):
            raise InvalidRequestError("A member of the claims parameter is not a JSON object.")
        found[place] = asked
    return found


def _acr_claim(claims: Mapping[str, Mapping[str, Any]]) -> tuple[bool, list[str]]:
    asked = claims.get("id_token", {}).get("acr")
    if not isinstance(asked, dict):
        return False, []
    values = asked.get("values", [asked.get("value")])
    wanted = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
    return asked.get("essential") is True, wanted


def _sub_claim(claims: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the ``sub`` that the claims parameter demands (OpenID Connect Core section 5.5.1)."""
    for place in claims.values():
        asked = place.get("sub")
        if isinstance(asked, dict) and isinstance(asked.get("value"), str):
            return str(asked["value"])
    return ""


def _hinted(organisation: Organisation, client: Client, hint: str) -> str:
    if not hint:
        return ""
    try:
        claims = signing_keys.verify(organisation, hint)
    except InvalidToken:
        raise InvalidRequestError("The id_token_hint is none of ours.") from None
    if claims.get("aud") != client.client_id or not isinstance(claims.get("sub"), str):
        raise InvalidRequestError("The id_token_hint is for another client.")
    return str(claims["sub"])


def store(
    client: Client, parameters: Mapping[str, str], *, is_pushed: bool, dpop_thumbprint: str = "", now: datetime
) -> tuple[AuthorizationRequest, str]:
    """Store a request, and return it with the token by which it is found."""
    token = new_token()
    row = AuthorizationRequest.objects.create(
        token_hash=token_hash(token),
        client=client,
        is_pushed=is_pushed,
        parameters=dict(parameters),
        dpop_thumbprint=dpop_thumbprint,
        created_at=now,
        expires_at=now + (PUSHED_LIFETIME if is_pushed else WAITING_LIFETIME),
    )
    return row, token


def take_pushed(client_id: str, request_uri: str, organisation: Organisation, *, now: datetime) -> AuthorizationRequest:
    """Return a pushed request of this client and use it up; raise InvalidRequestError for any other.

    RFC 9126 section 4: it is for one use, and for the client that pushed it.
    """
    if not request_uri.startswith(REQUEST_URI):
        raise RequestUriNotSupportedError("Only pushed requests have a request_uri here.")
    rows = AuthorizationRequest.objects.filter(
        token_hash=token_hash(request_uri.removeprefix(REQUEST_URI)),
        is_pushed=True,
        used_at=None,
        expires_at__gt=now,
        client__app__organisation=organisation,
        client__app__disabled_at=None,
    )
    row = rows.select_related("client__app").first()
    if row is None or row.client.client_id != client_id or not rows.filter(used_at=None).update(used_at=now):
        raise InvalidRequestError("The request_uri is unknown, used or too old.")
    return row


def find_waiting(token: str, organisation: Organisation, *, now: datetime) -> AuthorizationRequest | None:
    """Return a request that waits for the person, or None."""
    return (
        AuthorizationRequest.objects.select_related("client__app__organisation")
        .filter(
            token_hash=token_hash(token),
            is_pushed=False,
            used_at=None,
            expires_at__gt=now,
            client__app__organisation=organisation,
            client__app__disabled_at=None,
        )
        .first()
    )


def use_up(row: AuthorizationRequest, *, now: datetime) -> bool:
    """Use a waiting request up; return False if that happened already, so that it gives one code."""
    return bool(AuthorizationRequest.objects.filter(pk=row.pk, used_at=None).update(used_at=now))
