"""Digest authentication as calculated in RFC 7616 section 3.9.1, and the additions of SIP."""

from __future__ import annotations

import hashlib
import secrets

import pytest
from aiosipua import SipDigestAuth, SipRequest, SipResponse
from aiosipua.headers import parse_auth

from watchword.messaging.gateways.sip import digest

AUTH = SipDigestAuth("Mufasa", "Circle of Life")
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.fixture(autouse=True)
def random_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _octets: CNONCE)


def answered(more: str, *, method: str = "GET", body: bytes = b"", status: int = 401) -> dict[str, str]:
    """Return the fields of our response to a challenge."""
    request = SipRequest(method=method, uri="/dir/index.html", body=body)
    response = SipResponse(status_code=status, reason_phrase="Unauthorized")
    text = f'Digest realm="http-auth@example.org", nonce="{NONCE}"{more}'
    response.headers.append("WWW-Authenticate" if status == 401 else "Proxy-Authenticate", text)
    proof = digest.answer(AUTH, request, response)
    assert proof is not None
    name, values = proof
    assert name == ("Authorization" if status == 401 else "Proxy-Authorization")
    return parse_auth(values[-1], credentials=True).params


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
@pytest.mark.parametrize("status", [401, 407])
def test_the_examples_of_the_standard_come_out(algorithm: str, response: str, status: int) -> None:
    fields = answered(f', qop="auth, auth-int", algorithm={algorithm}, opaque="FQhe/qaU"', status=status)
    assert fields["response"] == response
    assert (fields["qop"], fields["nc"], fields["opaque"]) == ("auth", "00000001", "FQhe/qaU")


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_a_session_s_secret_is_made_of_both_nonces() -> None:
    secret = md5(f"{md5('Mufasa:http-auth@example.org:Circle of Life')}:{NONCE}:{CNONCE}")
    right = md5(f"{secret}:{NONCE}:00000001:{CNONCE}:auth:{md5('GET:/dir/index.html')}")
    assert answered(', qop="auth", algorithm=MD5-sess')["response"] == right


def test_where_only_auth_int_is_offered_the_body_is_proven_too() -> None:
    secret = md5("Mufasa:http-auth@example.org:Circle of Life")
    asked = md5(f"INVITE:/dir/index.html:{md5('v=0')}")
    fields = answered(', qop="auth-int"', method="INVITE", body=b"v=0")
    assert fields["response"] == md5(f"{secret}:{NONCE}:00000001:{CNONCE}:auth-int:{asked}")
    assert fields["qop"] == "auth-int"


def test_a_challenge_of_before_qop_is_answered_as_it_was_then() -> None:
    secret = md5("Mufasa:http-auth@example.org:Circle of Life")
    fields = answered("")
    assert fields["response"] == md5(f"{secret}:{NONCE}:{md5('GET:/dir/index.html')}")
    assert not {"qop", "nc", "cnonce", "algorithm"} & set(fields)
