"""Sign-out from an app (RP-Initiated Logout 1.0), and telling apps of a sign-out (Back-Channel Logout 1.0)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.test import Client as Browser
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.doors.oidc.relying_party import RelyingParty, make_party
from tests.world import World, sign_in
from watchword.doors.oidc import backchannel_logout
from watchword.signin import actions
from watchword.signin.models import AppSignIn, Session

BYE = "https://wiki.example/bye"


class ListeningApp(ThreadingHTTPServer):
    """An app's back-channel logout address on loopback, which stores what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Logout)
        self.status = 200
        self.received: list[tuple[str, str]] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/logout"


class _Logout(BaseHTTPRequestHandler):
    server: ListeningApp

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.received.append((self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Write nothing."""


@pytest.fixture
def listening() -> Iterator[ListeningApp]:
    app = ListeningApp()
    yield app
    app.stop()


@pytest.fixture
def wiki(world: World) -> RelyingParty:
    return make_party(world, post_logout_redirect_uris=[BYE])


def is_signed_in(world: World) -> bool:
    return Session.objects.filter(user=world.alice, ended_at=None).exists()


@pytest.mark.parametrize(
    ("given", "goes_to"),
    [
        ({"post_logout_redirect_uri": BYE, "state": "x y&z"}, f"{BYE}?state=x+y%26z"),
        ({"post_logout_redirect_uri": BYE}, BYE),
        ({"state": "x"}, ""),
        ({}, ""),
        ({"post_logout_redirect_uri": BYE, "ui_locales": "de", "logout_hint": "x", "unknown": "x"}, BYE),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_app_signs_its_person_out(
    world: World, wiki: RelyingParty, alice: Browser, given: dict[str, str], goes_to: str, method: str
) -> None:
    """With the ID token of this session nobody is asked, and only a registered address is gone to."""
    token = wiki.tokens(alice)["id_token"]
    answer = getattr(alice, method)(wiki.path("logout"), {"id_token_hint": token, **given})
    assert answer.get("Location", "") == goes_to
    assert answer.status_code == (302 if goes_to else 200)
    assert not is_signed_in(world)
    assert AppSignIn.objects.get().logout_due_at is not None


@pytest.mark.parametrize("given", [{}, {"state": "x"}, {"post_logout_redirect_uri": BYE, "client_id": "CLIENT"}])
def test_without_a_hint_the_person_is_asked(
    world: World, wiki: RelyingParty, alice: Browser, given: dict[str, str]
) -> None:
    given = {name: wiki.client.client_id if value == "CLIENT" else value for name, value in given.items()}
    page = alice.get(wiki.path("logout"), given)
    assert "Sign out?" in page.content.decode()
    assert is_signed_in(world)
    page = alice.post(wiki.path("logout"), {**given, "confirmed": "1"})
    assert page.get("Location", "") == given.get("post_logout_redirect_uri", "")
    assert not is_signed_in(world)


@pytest.mark.parametrize("address", [f"{BYE}?x=1", f"{BYE}/", "https://evil.example/", "x"])
def test_an_address_that_is_not_registered_is_an_error_here(
    world: World, wiki: RelyingParty, alice: Browser, address: str
) -> None:
    token = wiki.tokens(alice)["id_token"]
    asked = {"id_token_hint": token, "post_logout_redirect_uri": address, "state": "x"}
    answer = alice.get(wiki.path("logout"), asked)
    assert (answer.status_code, "Location" in answer) == (400, False)
    assert is_signed_in(world)


def test_who_is_signed_out_already_goes_back_to_the_app(wiki: RelyingParty, alice: Browser) -> None:
    token = wiki.tokens(alice)["id_token"]
    asked = {"id_token_hint": token, "post_logout_redirect_uri": BYE}
    assert alice.get(wiki.path("logout"), asked)["Location"] == BYE
    assert Browser().get(wiki.path("logout"), asked)["Location"] == BYE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["by the app", "everywhere", "block"])
def test_an_app_is_told_of_a_sign_out(world: World, listening: ListeningApp, how: str) -> None:
    """The app's own server gets a signed logout token with the sid of the ID token and no nonce (section 2.4)."""
    alice = Browser()
    sign_in(alice, world.alice)
    party = make_party(world, backchannel_logout_uri=listening.address)
    quiet = make_party(world, "Chat")
    id_token = party.tokens(alice)["id_token"]
    quiet.tokens(alice)
    now = timezone.now()
    match how:
        case "by the app":
            alice.get(party.path("logout"), {"id_token_hint": id_token})
        case "everywhere":
            actions.sign_out_everywhere(world.alice, by=None, now=now)
        case "block":
            actions.block(world.alice, by=None, now=now)
    assert backchannel_logout.send_due(now=timezone.now()) == 2
    ((kind, body),) = listening.received
    assert kind == "application/x-www-form-urlencoded"
    (token,) = parse_qs(body)["logout_token"]
    keys = KeySet.import_key_set(Browser().get(party.path("jwks")).json())
    decoded = jwt.decode(token, keys, algorithms=["RS256"])
    claims = decoded.claims
    shown = party.claims(id_token)
    assert decoded.header["typ"] == "logout+jwt"
    assert set(claims) == {"iss", "aud", "sub", "sid", "iat", "exp", "jti", "events"}
    assert [claims[name] for name in ("iss", "aud", "sub", "sid")] == [
        shown[name] for name in ("iss", "aud", "sub", "sid")
    ]
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert 0 < claims["exp"] - claims["iat"] <= 120
    assert backchannel_logout.send_due(now=timezone.now() + timedelta(hours=1)) == 0, "once"


@pytest.mark.django_db(transaction=True)
def test_an_app_that_does_not_answer_is_told_again_and_then_no_more(world: World, listening: ListeningApp) -> None:
    alice = Browser()
    sign_in(alice, world.alice)
    party = make_party(world, backchannel_logout_uri=listening.address)
    party.tokens(alice)
    actions.sign_out_everywhere(world.alice, by=None, now=timezone.now())
    listening.status = 503
    now: Any = timezone.now()
    for _ in range(8):
        backchannel_logout.send_due(now=now)
        now += timedelta(minutes=10)
    assert len(listening.received) == 1 + len(backchannel_logout.RETRIES)
    assert AppSignIn.objects.get().logout_due_at is None
