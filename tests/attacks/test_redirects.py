"""The redirect after a sign-in: always to a page of our own, whatever the next parameter says."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pytest
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from tests.attacks.addresses import every_address
from tests.doors.oidc.relying_party import make_party
from tests.world import World, sign_in
from watchword.doors.web.next_address import safe_next
from watchword.signin.models import SignInAttempt

OURS = "https://watchword.example.org/sign-in/password/"
FOREIGN = [
    "//evil.example",
    "///evil.example",
    "////evil.example/%2f..",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/%2f/evil.example",
    "/%2fevil.example",
    "%2f%2fevil.example",
    "/%5cevil.example",
    "/%255cevil.example",
    "/%252f%252fevil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "http:evil.example",
    "HtTpS://evil.example",
    "javascript:alert(1)",
    "java\tscript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "@evil.example",
    "user@evil.example",
    "https://watchword.example.org@evil.example",
    "https://watchword.example.org.evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/%09/evil.example",
    "/%0d%0aLocation: https://evil.example",
    "/\u2028/evil.example",
    "\u00a0//evil.example",
    "\uff0f\uff0fevil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/./\\evil.example",
    "evil.example",
    "?next=//evil.example",
    "#//evil.example",
    "",
    "/" + "a" * 3_000,
]


def where(location: str) -> str:
    """Return the origin that a browser would go to: backslashes count as slashes, tabs are removed (WHATWG URL)."""
    as_browsers_read = re.sub(r"[\t\n\r]", "", location.strip(" \0\x1f")).replace("\\", "/")
    return urlsplit(urljoin(OURS, as_browsers_read))._replace(path="", query="", fragment="").geturl()


@pytest.mark.parametrize("requested", FOREIGN)
def test_red_01_a_wish_to_go_elsewhere_leads_to_the_first_page(world: World, requested: str) -> None:
    """A foreign next address, in every spelling that some browser accepts, is replaced by a local page."""
    client = Client()
    client.post("/sign-in/", {"name": "carol@harbour.example", "next": requested})
    arrived = client.post("/sign-in/password/", {"answer": world.passwords["carol"]})
    assert arrived["Location"] == "/"
    assert client.get("/sign-in/", {"next": requested})["Location"] == "/"
    assert client.get("/sign-in/confirm/", {"next": requested})["Location"] == "/"


@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet="/\\.:@%25cf09ad \t\n?#eE", max_size=25),
        st.tuples(st.sampled_from(FOREIGN), st.text(max_size=10)).map("".join),
    )
)
@example("/%2e%2e//evil.example")
@example("/;//evil.example")
@example("/a/..//evil.example")
def test_red_01_no_text_leads_to_another_origin(requested: str) -> None:
    """Whatever text the next parameter has, a browser stays at our origin, and the header stays intact."""
    there = safe_next(requested)
    assert where(there) == "https://watchword.example.org"
    assert there.startswith("/")
    assert not re.search(r"[\x00-\x20\x7f\\]", there)
    assert where(safe_next(quote(requested))) == "https://watchword.example.org"


@pytest.mark.parametrize(
    "requested", ["/security/", "/admin/users/?q=a&show=blocked", "/admin/users/?q=https://x.example"]
)
def test_red_01_a_page_of_ours_is_reached(world: World, requested: str) -> None:
    """A next address of our own is followed, so that the refusals above mean something."""
    client = Client()
    client.post("/sign-in/", {"name": "carol@harbour.example", "next": requested})
    assert client.post("/sign-in/password/", {"answer": world.passwords["carol"]})["Location"] == requested


def test_red_01_no_address_of_the_site_redirects_elsewhere(world: World) -> None:
    """A foreign target in every parameter that could hold one makes no address redirect to another origin."""
    client = Client()
    sign_in(client, world.root)
    config = dict.fromkeys(("next", "url", "redirect", "return", "back", "continue", "goto", "r"), "//evil.example")
    redirects = 0
    for address in every_address(world):
        for ask in (client.get, client.post):
            answer = ask(
                address.path, config, headers={"referer": "https://evil.example/", "x-forwarded-host": "evil.example"}
            )
            if "Location" in answer:
                redirects += 1
                assert where(answer["Location"]) == "https://watchword.example.org", address
        sign_in(client, world.root)
    assert redirects > 10


def test_red_02_a_logout_leads_only_where_its_app_has_registered(world: World) -> None:
    """Signing out leads to our own page, and a logout of an app to an address that this app has registered."""
    client = Client()
    sign_in(client, world.carol)
    config = {"post_logout_redirect_uri": "https://evil.example/", "next": "//evil.example", "id_token_hint": "x"}
    assert client.post("/sign-out/?post_logout_redirect_uri=https://evil.example/", config)["Location"] == "/sign-in/"
    wiki = make_party(world, post_logout_redirect_uris=["https://wiki.example/bye"])
    known = "https://wiki.example/bye"
    for address in ("https://evil.example/", f"{known}/", f"{known}#x", "//evil.example"):
        asked = {"client_id": wiki.client.client_id, "post_logout_redirect_uri": address}
        answer = client.get(f"{wiki.path('logout')}?{urlencode(asked)}")
        assert (answer.status_code, "Location" in answer) == (400, False), address
    asked = {"client_id": wiki.client.client_id, "post_logout_redirect_uri": known, "state": "a b"}
    assert client.get(f"{wiki.path('logout')}?{urlencode(asked)}")["Location"] == "https://wiki.example/bye?state=a+b"


def test_a_link_on_a_foreign_page_replaces_nothing_that_is_being_confirmed(world: World) -> None:
    """Following a link replaces no confirmation in progress: only a typed password begins a new one."""
    client = Client()
    sign_in(client, world.alice, ago=timedelta(hours=2))
    client.post("/sign-in/confirm/?next=/security/", {"answer": world.passwords["alice"]})
    begun = SignInAttempt.objects.get()
    for site in ("cross-site", "same-origin", "none"):
        answer = client.get("/sign-in/confirm/?next=/app-passwords/", headers={"sec-fetch-site": site})
        assert set(answer.cookies) <= {"csrf"}
        assert SignInAttempt.objects.get() == begun
