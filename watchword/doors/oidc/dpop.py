"""DPoP (RFC 9449): a proof that whoever sends a token holds the key that the token is bound to."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from authlib.oauth2.rfc6749.errors import OAuth2Error
from django.http import HttpRequest
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from watchword.doors.oidc.client_authentication import ASSERTION_ALGORITHMS, note_jti

PROOF_LIFETIME = timedelta(minutes=2)
"""How far the time of a proof may be from ours, in either direction."""
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
LEAST_RSA_BITS = 2048


class InvalidDPoPProofError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """RFC 9449 section 5."""

    error = "invalid_dpop_proof"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a proof must be about."""

    method: str
    url: str
    access_token: str = ""


def proof_of(request: HttpRequest, expected: Expected, *, now: datetime) -> str:
    """Return the thumbprint (RFC 7638) of the key that a request proves to hold; empty if it has no proof.

    Raises InvalidDPoPProofError if the proof is not about this request, too old, or was shown before.
    """
    given = request.headers.get("DPoP")
    if given is None:
        return ""
    if "," in given or len(given) > 8_000:  # noqa: PLR2004  (octets; two header fields are joined by a comma)
        raise InvalidDPoPProofError("There must be one DPoP proof.")
    claims, key = _verified(given)
    _check_claims(claims, expected, now)
    thumbprint = key.thumbprint()
    if not note_jti(f"dpop {thumbprint}", claims["jti"], expires_at=now + 2 * PROOF_LIFETIME):
        raise InvalidDPoPProofError("The DPoP proof was used before.")
    return thumbprint


def _verified(proof: str) -> tuple[dict[str, Any], RSAKey | ECKey | OKPKey]:
    try:
        header = jws.extract_compact(proof.encode("ascii")).headers()
        jwk = header.get("jwk")
        if header.get("typ") != "dpop+jwt" or header.get("alg") not in ASSERTION_ALGORITHMS:
            raise InvalidDPoPProofError("The DPoP proof has another type or algorithm.")
        if not isinstance(jwk, dict) or _PRIVATE & set(jwk):
            raise InvalidDPoPProofError("The DPoP proof has no public key.")
        key = JWKRegistry.import_key(jwk)
        if not isinstance(key, (RSAKey, ECKey, OKPKey)):
            raise InvalidDPoPProofError("The DPoP proof has no public key.")
        if isinstance(key, RSAKey) and key.public_key.key_size < LEAST_RSA_BITS:
            raise InvalidDPoPProofError("The key of the DPoP proof is too short.")
        claims = jwt.decode(proof, key, algorithms=list(ASSERTION_ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError, KeyError, UnicodeError, RecursionError):
        raise InvalidDPoPProofError("The DPoP proof can not be verified.") from None
    if not isinstance(claims, dict):
        raise InvalidDPoPProofError("The DPoP proof can not be verified.")
    return claims, key


def _check_claims(claims: dict[str, Any], expected: Expected, now: datetime) -> None:
    issued = claims.get("iat")
    if not isinstance(issued, (int, float)) or isinstance(issued, bool):
        raise InvalidDPoPProofError("The DPoP proof has no iat.")
    if abs(now.timestamp() - issued) > PROOF_LIFETIME.total_seconds():
        raise InvalidDPoPProofError("The DPoP proof is too old, or from the future.")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise InvalidDPoPProofError("The DPoP proof has no jti.")
    url = claims.get("htu")
    if claims.get("htm") != expected.method or not isinstance(url, str) or _bare(url) != expected.url:
        raise InvalidDPoPProofError("The DPoP proof is for another request.")
    if expected.access_token and claims.get("ath") != _hash(expected.access_token):
        raise InvalidDPoPProofError("The DPoP proof is for another token.")


def _bare(url: str) -> str:
    return url.split("?", 1)[0].split("#", 1)[0]


def _hash(token: str) -> str:
    return base64.urlsafe_b64encode(sha256(token.encode()).digest()).rstrip(b"=").decode()
