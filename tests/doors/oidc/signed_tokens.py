"""JSON Web Tokens made by hand, right and wrong, and client assertions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.utils import timezone
from joserfc import jws
from joserfc.jwk import ECKey

from tests.doors.oidc.relying_party import RelyingParty

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def encoded(part: object) -> str:
    octets = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def made(header: dict[str, Any], claims: object, signature: bytes | Callable[[bytes], bytes] = b"") -> str:
    """Return a token with any header, claims and signature."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    octets = signature(signed.encode()) if callable(signature) else signature
    return f"{signed}.{encoded(octets)}"


def signed(header: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    """Return a token signed by a key, as the key's own library does it."""
    registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, registry=registry)


def signed_by(key: ECKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return a token that an elliptic-curve key signs, whatever the header says."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    def signature(message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.private_key.sign(message, ec.ECDSA(hashes.SHA256())))  # type: ignore[union-attr]  # it is private
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return made(header, claims, signature)


def split(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _signature = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims))


def assertion_claims(party: RelyingParty, **changes: Any) -> dict[str, Any]:
    now = int(timezone.now().timestamp())
    client_id = party.client.client_id
    claims = {"iss": client_id, "sub": client_id, "aud": party.issuer, "iat": now, "exp": now + 60, "jti": str(uuid4())}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def push(party: RelyingParty, assertion: str, **more: str) -> Any:
    proof = {"client_assertion_type": ASSERTION, "client_assertion": assertion}
    return party.post("par", party.request() | proof | more)


def is_no_assertion(party: RelyingParty, assertion: str) -> None:
    answer = push(party, assertion)
    assert answer.status_code in {400, 401}, answer.content
    assert answer.json()["error"] == "invalid_client", answer.content
