"""Attacks on the addresses to which the OpenID Connect provider redirects."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from tests.doors.oidc.relying_party import CALLBACK, RelyingParty, make_party
from tests.world import World
from watchword.applications.models import (
    AuthorizationCode,
    AuthorizationRequest,
    ClientKind,
)
from watchword.signin.models import Session


def leads_nowhere(response: Any) -> None:
    assert response.status_code == 400, response.content[:300]
    assert "Location" not in response
    assert not AuthorizationCode.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "https://wiki.example/",
        "https://wiki.example/callback/",
        "https://wiki.example/callback/../evil",
        "https://wiki.example/callback%2f..%2fevil",
        "https://wiki.example/callback/..;/evil",
        "https://wiki.example/callbackevil",
        "https://wiki.example/evil/callback",
        "https://wiki.example.evil.example/callback",
        "https://evilwiki.example/callback",
        "//wiki.example/callback",
        "/callback",
        "callback",
    ],
)
def test_oid_01_a_longer_or_shorter_address_leads_nowhere(wiki: RelyingParty, alice: Browser, address: str) -> None:
    """A redirect address that begins or ends like the registered one gets a page here and no redirect."""
    leads_nowhere(wiki.authorize(alice, redirect_uri=address))


@pytest.mark.parametrize("more", ["?", "?x=1", "#", "#x", "?code=stolen", "%3Fx=1", "%23", ";x", "%00", "%0d%0aX:1"])
def test_oid_02_an_added_query_or_fragment_leads_nowhere(wiki: RelyingParty, alice: Browser, more: str) -> None:
    """An address with a query or a fragment that isn't registered gets a page here and no redirect."""
    leads_nowhere(wiki.authorize(alice, redirect_uri=CALLBACK + more))


@pytest.mark.parametrize(
    "address",
    [
        "https://wiki.example@evil.example/callback",
        "https://wiki.example:443@evil.example/callback",
        "https://evil.example\\@wiki.example/callback",
        "https://evil.example%23@wiki.example/callback",
        "https://user@wiki.example/callback",
        "https://WIKI.example/callback",
        "HTTPS://wiki.example/callback",
        "https://wiki.example/CALLBACK",
        "https://wiki.example:443/callback",
        "https://wiki.example:8443/callback",
        "http://wiki.example/callback",
        " https://wiki.example/callback",
        "https://wiki.example/callback\t",
        "javascript:alert(document.domain)//wiki.example/callback",
        "data:text/html,x",
    ],
)
def test_oid_03_user_names_case_and_ports_lead_nowhere(wiki: RelyingParty, alice: Browser, address: str) -> None:
    """User name, case, port, scheme and blanks count: the address is compared as a string."""
    leads_nowhere(wiki.authorize(alice, redirect_uri=address))


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:3000/callback",
        "http://[::1]:3000/callback",
        "http://127.1:3000/callback",
        "http://0.0.0.0:3000/callback",
        "http://localhost.:3000/callback",
        "http://localhost:3001/callback",
        "https://w\u0456ki.example/callback",
        "https://xn--wki-ilc.example/callback",
        "https://wiki\u3002example/callback",
        "https://\uff57iki.example/callback",
    ],
)
def test_oid_04_other_names_of_one_host_lead_nowhere(world: World, alice: Browser, address: str) -> None:
    """Neither localhost for 127.0.0.1 nor a look-alike name is the registered host."""
    party = make_party(world, redirect_uris=["http://localhost:3000/callback", CALLBACK])
    leads_nowhere(party.authorize(alice, redirect_uri=address))


def test_oid_05_two_addresses_or_none_lead_nowhere(world: World, alice: Browser) -> None:
    """A redirect address that comes twice, or not at all, gets a page: none is chosen for the client."""
    party = make_party(world, redirect_uris=[CALLBACK, "https://wiki.example/second"])
    leads_nowhere(party.authorize(alice, redirect_uri=None))
    query = urlencode([*party.request().items(), ("redirect_uri", "https://evil.example/")])
    leads_nowhere(alice.get(f"{party.path('authorize')}?{query}"))
    query = urlencode([("redirect_uri", CALLBACK), *party.request().items()])
    leads_nowhere(alice.get(f"{party.path('authorize')}?{query}"))
    single = make_party(world, "Chat")
    leads_nowhere(single.authorize(alice, redirect_uri=None))


def test_oid_06_only_a_native_app_may_use_another_port(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """A free port counts for loopback addresses of native apps alone; path and host stay those registered."""
    native = make_party(world, "Mail", kind=ClientKind.PUBLIC, redirect_uris=["http://127.0.0.1/callback", CALLBACK])
    assert native.authorize(alice, redirect_uri="http://127.0.0.1:43117/callback").status_code == 200
    for address in (
        "http://127.0.0.1:43117/other",
        "http://127.0.0.1:43117/callback?x=1",
        "http://127.0.0.2:43117/callback",
        "http://localhost:43117/callback",
        "http://[::1]:43117/callback",
        "https://127.0.0.1:43117/callback",
        "http://127.0.0.1:43117@evil.example/callback",
        "http://127.0.0.1:99999/callback",
        "https://wiki.example:8443/callback",
    ):
        leads_nowhere(native.authorize(alice, redirect_uri=address))
    server = make_party(world, "Server", redirect_uris=["http://127.0.0.1:3000/callback"])
    leads_nowhere(server.authorize(alice, redirect_uri="http://127.0.0.1:3001/callback"))


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "https://wiki.example/bye/", "//evil.example", "javascript:alert(1)", CALLBACK]
)
def test_red_02_a_sign_out_leads_only_to_a_registered_address(world: World, alice: Browser, address: str) -> None:
    """After a sign-out nothing leads to an address that isn't registered for it, and the session goes on."""
    party = make_party(world, post_logout_redirect_uris=["https://wiki.example/bye"])
    token = party.tokens(alice)["id_token"]
    asked = {"post_logout_redirect_uri": address, "id_token_hint": token}
    for given in (asked, {**asked, "client_id": party.client.client_id}, {"post_logout_redirect_uri": address}):
        answer = alice.get(party.path("logout"), given)
        assert answer.status_code == 400
        assert "Location" not in answer
    assert Session.objects.get().ended_at is None


def test_red_03_an_error_goes_to_no_unregistered_address(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """Whatever else is wrong, an error is told by redirect to a registered address of the same client alone."""
    other = make_party(world, "Chat", redirect_uris=["https://chat.example/callback"])
    wrong: list[dict[str, str | None]] = [
        {"response_type": None},
        {"response_type": "token"},
        {"scope": None},
        {"prompt": "none login"},
        {"code_challenge": None},
        {"request": "x.y.z"},
        {"max_age": "x"},
        {"response_mode": "x"},
    ]
    for changes in wrong:
        for address in ("https://evil.example/", "https://chat.example/callback", CALLBACK + "/"):
            leads_nowhere(wiki.authorize(alice, redirect_uri=address, **changes))
        leads_nowhere(wiki.authorize(alice, client_id=other.client.client_id, **changes))
        leads_nowhere(wiki.authorize(alice, client_id="00000000-0000-0000-0000-000000000000", **changes))
        assert wiki.authorize(alice, **changes)["Location"].startswith(CALLBACK + "?")
    assert not AuthorizationRequest.objects.exists()
