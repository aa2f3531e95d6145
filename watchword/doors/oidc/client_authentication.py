"""How clients prove who they are: by a secret, in the header or the form, or by a signed assertion (RFC 7523)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from django.db import IntegrityError, transaction
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from watchword.applications.issuer import issuer_of
from watchword.applications.models import Client, UsedJti
from watchword.directory.models import Organisation
from watchword.doors.oidc.requests import OAuthRequest
from watchword.signin.tokens import token_hash

METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
ASSERTION_ALGORITHMS = ("PS256", "ES256", "Ed25519", "EdDSA")
"""Those of FAPI 2.0 section 5.4.1: no RSA with PKCS#1 v1.5 padding, no shared secret. RFC 9864 renames the last one."""
LONGEST_ASSERTION = timedelta(minutes=10)
LEEWAY = timedelta(seconds=60)


def refuse_mixed(request: OAuthRequest) -> None:
    """Raise InvalidRequestError if a request authenticates in more than one way (RFC 6749 section 2.3)."""
    form = request.form
    methods = [
        request.headers.get("Authorization", "").lower().startswith("basic "),
        "client_secret" in form,
        "client_assertion" in form or "client_assertion_type" in form,
    ]
    if sum(methods) > 1:
        raise InvalidRequestError("The request authenticates in more than one way.")


def refuse_unreadable(request: OAuthRequest) -> None:
    """Raise InvalidClientError for a Basic header that is no base64 of text: Authlib takes it for granted."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except ValueError:
        text = ""
    if not text:
        raise InvalidClientError(status_code=401, description="The Authorization header can not be read.")


class ClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    """The method ``private_key_jwt``."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, organisation: Organisation, now: datetime) -> None:
        super().__init__(leeway=int(LEEWAY.total_seconds()))
        self._organisation = organisation
        self._now = now

    def get_audiences(self) -> list[str]:
        """Return for whom an assertion may be: the issuer alone (FAPI 2.0 section 5.3.2.1)."""
        return [issuer_of(self._organisation)]

    def resolve_client_public_key(self, client: Client) -> KeySet:
        """Return the client's registered public keys."""
        try:
            return KeySet.import_key_set(cast("KeySetSerialization", client.jwks or {"keys": []}))
        except (JoseError, ValueError, TypeError, KeyError):
            raise InvalidClientError(description="The client has no usable keys.") from None

    def extract_assertion(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and claims, unverified; refuse an algorithm that is not of the profile."""
        try:
            headers, claims = super().extract_assertion(assertion)
        except (UnicodeError, ValueError, RecursionError):
            raise InvalidClientError(description="Invalid JWT assertion.") from None
        if headers.get("alg") not in ASSERTION_ALGORITHMS:
            raise InvalidClientError(description="The assertion is signed with an algorithm that is not accepted.")
        return headers, claims

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> dict[str, Any]:
        """Return the verified claims of an assertion.

        Authlib's own takes the algorithms that joserfc recommends, among them neither PS256 nor EdDSA, and quotes the
        token in its description of an error, which may not have every character.
        """
        try:
            claims: dict[str, Any] = jwt.decode(assertion, resolve_key, algorithms=list(ASSERTION_ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, KeyError):
            raise InvalidClientError(description="The assertion can not be verified.") from None
        self.verify_claims(claims)
        return claims

    def verify_claims(self, claims: dict[str, Any]) -> None:
        """Raise InvalidClientError unless the assertion is for us, in time, and new."""
        if not isinstance(claims.get("aud"), str):
            # An endpoint, or a list, may be what another server had the client sign.
            raise InvalidClientError(description="The aud of the assertion must be the issuer, as a string.")
        expires = claims.get("exp")
        if not isinstance(expires, (int, float)) or isinstance(expires, bool):
            raise InvalidClientError(description="Missing claim: exp.")
        if expires > (self._now + LONGEST_ASSERTION).timestamp():
            raise InvalidClientError(description="The assertion is valid for more than ten minutes.")
        try:
            super().verify_claims(claims)
        except (ValueError, TypeError):
            raise InvalidClientError(description="A claim of the assertion has a wrong type.") from None

    def validate_jti(self, claims: dict[str, Any], jti: object) -> bool:
        """Return whether the assertion is new, and remember it for longer than it is accepted."""
        if not isinstance(jti, str) or not jti:
            return False
        expires = datetime.fromtimestamp(claims["exp"], UTC) + 2 * LEEWAY
        return note_jti(f"assertion {claims['iss']}", jti, expires_at=expires)


def note_jti(issuer: str, jti: str, *, expires_at: datetime) -> bool:
    """Remember a ``jti``; return False if it was shown before, also by a request that runs at the same time."""
    key = token_hash(json.dumps([issuer, jti]))
    try:
        with transaction.atomic():
            UsedJti.objects.create(jti_hash=key, expires_at=expires_at)
    except IntegrityError:
        return False
    return True


def methods_for(request: OAuthRequest, allowed: Sequence[str] = METHODS) -> list[str]:
    """Return the methods to try, after refusing a request that mixes several, or whose header can't be read."""
    refuse_mixed(request)
    refuse_unreadable(request)
    return list(allowed)
