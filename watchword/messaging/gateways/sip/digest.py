"""Authenticate SIP requests by HTTP digest (RFC 7616, RFC 8760). Pure, but for the random client nonce.

The SIP library supports only MD5 and SHA-256 with qop auth, reads only the first challenge, and answers it only once.
"""

from __future__ import annotations

import hashlib
import secrets

from aiosipua import SipDigestAuth, SipRequest, SipResponse
from aiosipua.headers import AuthChallenge, AuthCredentials, parse_auth, stringify_auth

HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}
"""Header of a challenge and header of its answer, by status (RFC 3261 sections 22.2 and 22.3)."""
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_SESSION = "-SESS"


def challenges_of(response: SipResponse) -> list[AuthChallenge]:
    """Return the challenges of a response, the server's preferred one first."""
    asks, _answers = HEADERS[response.status_code]
    return [parse_auth(text) for text in response.headers.get(asks.lower())]


def can_answer(challenge: AuthChallenge) -> bool:
    """Return whether we support the algorithm and the quality of protection (qop) of a challenge."""
    qops = _qops(challenge)
    return (
        challenge.scheme.lower() == "digest"
        and bool(challenge.params.get("nonce"))
        and _algorithm(challenge).removesuffix(_SESSION) in _HASHES
        and (not qops or not {"auth", "auth-int"}.isdisjoint(qops))
    )


def rests_on_md5(proof: str) -> bool:
    """Return whether credentials were computed with MD5, so that an eavesdropper can try passwords fast."""
    algorithm = parse_auth(proof, credentials=True).params.get("algorithm", "MD5")
    return algorithm.upper().removesuffix(_SESSION) == "MD5"


def answer(auth: SipDigestAuth, request: SipRequest, response: SipResponse) -> tuple[str, list[str]] | None:
    """Return name and values of the header with which a request is to be resent; None if there is no answer.

    There is none where the challenge was answered before: only a nonce that is marked stale is worth another try
    (RFC 7616 section 3.3). Credentials for other realms are retained.
    """
    known = [challenge for challenge in challenges_of(response) if can_answer(challenge)]
    if not known:
        return None
    challenge = known[0]
    realm = challenge.params.get("realm", "")
    _asks, name = HEADERS[response.status_code]
    stored = []
    for text in request.headers.get(name.lower()):
        given = parse_auth(text, credentials=True)
        if given.params.get("realm", "") != realm:
            stored.append(text)
            continue
        is_stale = challenge.params.get("stale", "").lower() == "true"
        if not is_stale or given.params.get("nonce") == challenge.params.get("nonce"):
            return None
    return name, [*stored, stringify_auth(_credentials(auth, challenge, request))]


def _credentials(auth: SipDigestAuth, challenge: AuthChallenge, request: SipRequest) -> AuthCredentials:
    algorithm, realm, nonce = _algorithm(challenge), challenge.params.get("realm", ""), challenge.params["nonce"]
    name = _HASHES[algorithm.removesuffix(_SESSION)]

    def hashed(data: str | bytes) -> str:
        octets = data.encode() if isinstance(data, str) else data
        return hashlib.new(name, octets, usedforsecurity=False).hexdigest()

    cnonce, count = secrets.token_hex(8), "00000001"
    secret = hashed(f"{auth.username}:{realm}:{auth.password}")
    if algorithm.endswith(_SESSION):
        secret = hashed(f"{secret}:{nonce}:{cnonce}")
    asked = f"{request.method}:{request.uri}"
    params = {"username": auth.username, "realm": realm, "nonce": nonce, "uri": request.uri}
    # A challenge without an algorithm means MD5; some servers that omit it reject credentials that name one.
    if "algorithm" in challenge.params:
        params["algorithm"] = challenge.params["algorithm"]
    qops = _qops(challenge)
    if not qops:
        response = hashed(f"{secret}:{nonce}:{hashed(asked)}")
        # RFC 7616 section 3.4.5: the session secret (A1 of -sess) includes the client nonce even without qop.
        extra = {"cnonce": cnonce} if algorithm.endswith(_SESSION) else {}
    else:
        qop = "auth" if "auth" in qops else "auth-int"
        if qop == "auth-int":
            asked += f":{hashed(request.body)}"
        response = hashed(f"{secret}:{nonce}:{count}:{cnonce}:{qop}:{hashed(asked)}")
        extra = {"qop": qop, "nc": count, "cnonce": cnonce}
    params |= {"response": response, **extra}
    if "opaque" in challenge.params:
        params["opaque"] = challenge.params["opaque"]
    return AuthCredentials(scheme="Digest", params=params)


def _algorithm(challenge: AuthChallenge) -> str:
    return challenge.params.get("algorithm", "MD5").upper()


def _qops(challenge: AuthChallenge) -> set[str]:
    return {qop.strip().lower() for qop in challenge.params.get("qop", "").split(",") if qop.strip()}
