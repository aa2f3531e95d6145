"""Which error answers a wrong authorization request, and whether it goes to the app or stays here.

OpenID Connect Core section 3.1.2.6, RFC 6749 section 4.1.2.1, RFC 7636 section 4.4.1, RFC 9126, RFC 9207. The
specifications don't say which of two mistakes is named, so a request with two may be answered by the error of either.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client as Browser
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doors.oidc.relying_party import CALLBACK, RelyingParty, make_party
from tests.world import World
from watchword.applications.models import AuthorizationCode, AuthorizationRequest

HERE = "page"
"""A mistake that is told on a page here and leads nowhere: the client or its address isn't known for sure."""


@dataclass(frozen=True)
class Case:
    """One value of one parameter, and the errors that it may cause; none if it is right."""

    name: str
    value: str | None
    errors: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.name}={self.value}"[:60]


def cases(name: str, *right: str | None, **wrong: tuple[str | None, ...]) -> list[Case]:
    found = [Case(name, value) for value in right]
    return found + [Case(name, value, frozenset({error})) for error, values in wrong.items() for value in values]


UNSUPPORTED = (
    "token",
    "id_token",
    "code token",
    "code id_token",
    "id_token token",
    "none",
    "Code",
    "code code",
    'x"\\',
)
TABLE = [
    *cases("client_id", page=(None, "00000000-0000-0000-0000-000000000000", "nobody", "..", "A" * 300)),
    *cases("redirect_uri", page=(None, "https://evil.example/", CALLBACK + "?x=1", CALLBACK + "#x", "x")),
    *cases("response_type", invalid_request=(None,), unsupported_response_type=UNSUPPORTED),
    *cases("scope", "openid", "email openid", "openid x y", "profile", invalid_scope=(None, "admin", "OPENID", "é")),
    *cases("code_challenge", invalid_request=(None, "short", "x" * 42, "x" * 129, "x" * 42 + "=", "é" * 43)),
    *cases("code_challenge_method", invalid_request=(None, "plain", "s256", "S512")),
    *cases("response_mode", None, "query", "fragment", "form_post", invalid_request=("jwt", "web_message")),
    *cases("prompt", None, "none", "unknown", invalid_request=("none login", "consent none", "none select_account")),
    *cases("max_age", None, "10000", "0010000", invalid_request=("-1", "x", "1.5", "²", "9" * 10, "1 2")),
    *cases("state", None, "", "x", "é&=#\n", "s" * 1_000),
    *cases("nonce", None, "n" * 384, invalid_request=("n" * 501,)),
    *cases("display", "page", "popup", "x"),
    *cases("ui_locales", "de en", "x"),
    *cases("claims_locales", "de"),
    *cases("login_hint", "carol@harbour.example", "x"),
    *cases("acr_values", "urn:watchword:acr:two", "urn:watchword:acr:one", "x"),
    *cases("id_token_hint", invalid_request=("x", "a.b.c", "e30.e30.")),
    *cases(
        "claims",
        "{}",
        '{"userinfo": {"name": null}, "x": 1}',
        '{"id_token": {"x": {"essential": true}}}',
        invalid_request=("x", "[]", "5", '{"userinfo": 5}', "[" * 2_000),
    ),
    *cases("request", request_not_supported=("x", "e30.e30.")),
    *cases("request_uri", request_uri_not_supported=("https://wiki.example/r", "x")),
    *cases("registration", registration_not_supported=("{}",)),
    *cases("dpop_jkt", "x" * 43),
    *cases("unknown_parameter", "x"),
]
EACH_ONCE = list({(case.name, case.errors): case for case in TABLE}.values())
"""One value of each parameter for each error, and one that is right: each beside each other would take minutes."""
PAIRS = [(one, two) for one, two in itertools.combinations(EACH_ONCE, 2) if one.name != two.name]


def told(response: Any, mode: str | None) -> dict[str, str]:
    """Return what an answer tells the app, in its response mode."""
    if mode == "form_post":
        assert response.status_code == 200
        text = response.content.decode()
        form = text.partition(f'action="{CALLBACK}"')[2].partition("</form>")[0]
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert response.status_code == 302, response.content[:500]
    parts = urlsplit(response["Location"])
    assert parts._replace(query="", fragment="").geturl() == CALLBACK
    return dict(parse_qsl(parts.fragment if mode == "fragment" else parts.query))


def check(wiki: RelyingParty, browser: Browser, *wrong: Case, method: str = "get") -> None:
    """Send a request with some parameters changed, and compare the answer with the specification."""
    changes = {case.name: case.value for case in wrong}
    errors = frozenset[str]().union(*(case.errors for case in wrong))
    request = wiki.request(**changes)
    response = getattr(browser, method)(wiki.path("authorize"), request)
    label = " ".join(map(str, wrong))
    if HERE in errors:
        assert response.status_code == 400, label
        assert "Location" not in response, label
        assert CALLBACK not in re.sub(r"<p>.*?</p>", "", response.content.decode()), label
        return
    mode = changes.get("response_mode")
    back = told(response, mode if not mode or mode in {"query", "fragment", "form_post"} else None)
    assert back["iss"] == wiki.issuer, label
    if "state" not in changes:
        assert back["state"] == "xyz", label
    assert set(back) <= {"iss", "state", "code", "error", "error_description"}, label
    if errors:
        assert back.get("error") in errors, (label, back)
        assert "code" not in back, label
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", back.get("error_description", "")), label
    else:
        assert "code" in back, (label, back)


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_each_parameter_alone_is_answered_as_specified(wiki: RelyingParty, alice: Browser, case: Case) -> None:
    check(wiki, alice, case)
    check(wiki, alice, case, method="post")


def test_two_mistakes_are_answered_by_the_error_of_one(wiki: RelyingParty, alice: Browser) -> None:
    for one, two in PAIRS:
        if one.errors and two.errors:
            check(wiki, alice, one, two)
    assert not AuthorizationCode.objects.exists()


def test_a_mistake_beside_anything_allowed_stays_one(wiki: RelyingParty, alice: Browser) -> None:
    for one, two in PAIRS:
        if bool(one.errors) != bool(two.errors):
            check(wiki, alice, one, two)
    assert not AuthorizationCode.objects.exists()


def test_allowed_values_together_give_a_code(wiki: RelyingParty, alice: Browser) -> None:
    for one, two in PAIRS:
        if not (one.errors or two.errors):
            check(wiki, alice, one, two)


@pytest.mark.parametrize("case", [case for case in TABLE if case.name != "client_id"], ids=str)
def test_a_pushed_request_is_refused_with_the_same_error(wiki: RelyingParty, case: Case) -> None:
    """RFC 9126 section 2.3: the error comes as JSON, and an address that isn't registered is invalid_request."""
    answer = wiki.post("par", wiki.request(**{case.name: case.value}))
    if case.errors:
        # RFC 9126 section 2.1 names the error of a request_uri in a pushed request.
        expected = {
            "invalid_request" if error in {HERE, "request_uri_not_supported"} else error for error in case.errors
        }
        assert answer.status_code == 400
        assert answer.json()["error"] in expected
    else:
        assert answer.status_code == 201, answer.content
        assert answer.json()["expires_in"] == 90
    assert "Location" not in answer


def test_a_parameter_that_comes_twice_is_refused(wiki: RelyingParty, alice: Browser) -> None:
    """RFC 6749 section 3.1; with two redirect addresses none is believed."""
    for name in ("client_id", "redirect_uri", "state", "scope", "response_type", "nonce", "x"):
        query = urlencode([*wiki.request().items(), (name, "y"), (name, "z")])
        response = alice.get(f"{wiki.path('authorize')}?{query}")
        assert (response.status_code, "Location" in response) == (400, False), name


def test_a_pushed_request_is_for_its_client_once_and_for_a_while(
    world: World, wiki: RelyingParty, alice: Browser
) -> None:
    """RFC 9126 section 4, with what stands beside it in the address ignored."""
    other = make_party(world, "Chat")

    def bring(client: RelyingParty, uri: str, **more: str) -> Any:
        return alice.get(wiki.path("authorize"), {"client_id": client.client.client_id, "request_uri": uri, **more})

    uri = wiki.post("par", wiki.request(state="pushed")).json()["request_uri"]
    assert bring(other, uri).status_code == 400
    assert alice.get(wiki.path("authorize"), {"request_uri": uri}).status_code == 400
    beside = {"state": "beside", "redirect_uri": "https://evil.example/", "scope": "mail", "prompt": "login"}
    back = told(bring(wiki, uri, **beside), None)
    assert (back["state"], "code" in back) == ("pushed", True)
    assert bring(wiki, uri).status_code == 400, "once"
    uri = wiki.post("par", wiki.request()).json()["request_uri"]
    AuthorizationRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert bring(wiki, uri).status_code == 400, "too late"
    for method in ("get", "put", "delete"):
        assert getattr(Browser(), method)(wiki.path("par")).status_code == 405


MORE_NAMES = (
    "grant_type code code_verifier refresh_token token token_type_hint client_secret client_assertion access_token "
    "client_assertion_type device_code user_code post_logout_redirect_uri confirmed logout_hint resource audience"
)
NAMES = st.sampled_from(sorted({case.name for case in TABLE} | set(MORE_NAMES.split())))
GRANTS = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "password", "implicit"]
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from([str(case.value) for case in TABLE] + GRANTS),
    st.sampled_from(
        ["\x00", "\ud7ff", "a\r\nb: c", "%00", "{{7*7}}", "' OR 1=1 --", "\u202e", "https://evil.example/"]
    ),
)
GARBAGE = st.dictionaries(st.one_of(NAMES, NAMES, st.text(max_size=10)), st.lists(VALUES, max_size=2), max_size=8)
ENDPOINTS = ["authorize", "token", "par", "introspect", "revoke", "device_authorization", "logout", "userinfo"]
MANY = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_parameters_break_an_endpoint_or_lead_elsewhere(wiki: RelyingParty, alice: Browser, endpoint: str) -> None:
    """Whatever parameters arrive, there is no status 500, and no redirect but to a registered address or here."""

    @MANY
    @given(garbage=GARBAGE, is_right=st.booleans(), is_post=st.booleans())
    def send(garbage: dict[str, list[str]], is_right: bool, is_post: bool) -> None:
        fields = {name: [value] for name, value in wiki.request().items()} if is_right else {}
        fields |= garbage
        text = urlencode(fields, doseq=True)
        if is_post:
            form = "application/x-www-form-urlencoded"
            response = alice.post(wiki.path(endpoint), text, content_type=form, **_credentials(wiki, is_right))
        else:
            response = alice.get(f"{wiki.path(endpoint)}?{text}")
        assert response.status_code < 500
        target = response.get("Location", "")
        assert target == "" or target.startswith((CALLBACK + "?", CALLBACK + "#", "/sign-in/", "/")), target
        assert not target.startswith("//")

    send()


def _credentials(wiki: RelyingParty, is_right: bool) -> dict[str, Any]:
    return wiki.basic() if is_right else {}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"client_id=%ff%fe&code=%"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"client_id=x"),
        ("application/x-www-form-urlencoded; charset=nonsense", b"client_id=x"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data", b""),
        ("text/plain", b"\x00\xff"),
        ("", b"x=1"),
    ],
)
def test_no_body_breaks_an_endpoint(wiki: RelyingParty, endpoint: str, kind: str, body: bytes) -> None:
    response = Browser().generic("POST", wiki.path(endpoint), body, content_type=kind)
    assert 400 <= response.status_code < 500 or endpoint == "logout"
    assert "Location" not in response


@pytest.mark.parametrize(
    "header",
    [
        *("Basic", "Basic ", "Basic x", "Basic Og==", "Basic eDp5", "Basic gICA", "Basic AAAA", "basic eDp5"),
        *("Bearer", "Bearer \x00", "DPoP x", "Digest x", "Basic " + "A" * 9_000, "Bearer " + "A" * 9_000, "é"),
    ],
)
def test_no_authorization_header_breaks_an_endpoint(wiki: RelyingParty, header: str) -> None:
    for endpoint in ENDPOINTS:
        response = wiki.post(endpoint, {"token": "x", "grant_type": "refresh_token"}, HTTP_AUTHORIZATION=header)
        assert response.status_code < 500
        if endpoint not in {"authorize", "logout", "userinfo"}:
            assert response.status_code in {400, 401}
            assert response["Content-Type"] == "application/json"
            assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("value", ["password", 'x"\\', "é", "\u202e", "a\nb", "client_credentials", "implicit"])
def test_an_unknown_grant_is_named_in_printable_characters(wiki: RelyingParty, value: str) -> None:
    answer = wiki.post("token", {"grant_type": value})
    assert answer.json()["error"] == "unsupported_grant_type"
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", answer.json().get("error_description", ""))
