"""Request every address as every kind of visitor: no address is open that should be closed, and none fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.security.crawl import WHO, Site, fields, names, outcome
from tests.world import World
from watchword.signin import cookies

PAGE = Path(__file__).parents[2] / "docs" / "security" / "access.md"
OPEN = {
    "web:sign_in",
    "web:password",
    "web:prove",
    "web:send",
    "web:register",
    "web:add",
    "web:add_code",
    "web:set_up",
    "web:invitation",
    "web:register_link",
    "web:code_state",
    "web:gateway_receipts",
    "web:receipt",
    "web:voice",
    "portal:not_me",
    "portal:not_me_close",
    "portal:well_known_change_password",
    "forward_auth:return",
    "forward_auth:start",
    "oidc:authorize",
    "oidc:configuration",
    "oidc:configuration_by_rfc8414",
    "oidc:jwks",
    "oidc:logout",
    "oidc:metadata",
    "oidc:proceed",
}
"""Addresses open without a session: the sign-in itself, one-time links, webhooks, a URL for password managers, and what
apps send browsers to or read."""

FOR_PROGRAMS = {
    "oidc:authorize",
    "oidc:proceed",
    "oidc:push",
    "oidc:token",
    "oidc:introspect",
    "oidc:revoke",
    "oidc:userinfo",
    "oidc:device_authorization",
}
"""Addresses at which the question itself says who asks; one without an answer gets 400 or 401."""

HOSTILE = [
    "",
    "\0",
    "\r\nX-Injected: yes",
    "'",
    '"><script>alert(1)</script>',
    "{{ 7*7 }}{% debug %}",
    "9" * 30,
    "-1",
    "1e309",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "\u202e\u2028\U0001f600",
    "0001-01-01",
    "99999-99-99",
    "../../../../etc/passwd",
    "a" * 20_000,
    "٣",
    "²",
    "%",
    "user__password__startswith",
    "00000000-0000-0000-0000-000000000000",
    "on",
    "yes",
    "enable",
    "disable",
]


@pytest.fixture
def site(world: World) -> Site:
    """Return a world with an existing object for every address."""
    return Site(world)


def test_nobody_and_the_half_signed_in_open_nothing_but_the_sign_in(site: Site) -> None:
    for name in names():
        for who in ("nobody", "half signed in"):
            for method in ("get", "post"):
                seen = outcome(site.browsers[who], method, site.address(name))
                allowed = {"signs in first", "-"} | (
                    {"opens", "leads on", "not there", "refused"} if name in OPEN else set()
                )
                allowed |= {"400", "401"} if name in FOR_PROGRAMS else set()
                assert seen in allowed, f"{who} {method} {name}: {seen}"


def test_a_person_opens_no_page_of_the_admin_center(site: Site) -> None:
    for name in names():
        if name.startswith("admincenter:"):
            for method in ("get", "post"):
                assert outcome(site.browsers["a person"], method, site.address(name)) in {"refused", "-"}, name


def test_the_table_of_who_may_open_what_is_current(site: Site) -> None:
    text = table(site)
    if os.environ.get("WRITE_ACCESS"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "run: WRITE_ACCESS=1 pytest tests/security -k table"


def table(site: Site) -> str:
    """Return the page of access rights, built from the real response to every GET request."""
    lines = [
        "# Who may open what",
        "",
        "Seen by asking every address as everybody, with a test that fails when this page is not current. “-” is",
        "a page that only takes forms; “not there” hides whether something exists.",
        "",
        "| address | " + " | ".join(WHO) + " |",
        "| --- |" + " --- |" * len(WHO),
    ]
    for name in names():
        seen = [outcome(site.browsers[who], "get", site.address(name)) for who in WHO]
        lines.append(f"| `{name}` | " + " | ".join(seen) + " |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "delete", "options", "patch", "trace"])
def test_no_method_on_any_address_makes_the_server_fall_over(site: Site, method: str) -> None:
    for name in names():
        for who in WHO:
            for unknown in (False, True):
                answer = getattr(site.browsers[who], method)(site.address(name, unknown=unknown))
                assert answer.status_code < 500, f"{who} {method} {name}"


@settings(
    max_examples=int(os.environ.get("TEST_CRAWL_EXAMPLES", "300")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_nothing_typed_anywhere_makes_the_server_fall_over(site: Site, data: st.DataObject) -> None:
    who = data.draw(st.sampled_from(WHO))
    client = site.browsers[who]
    address = site.address(data.draw(st.sampled_from(names())), unknown=data.draw(st.booleans()))
    page = client.get(address)
    found = sorted(fields(page.content.decode()) | {"before", "q", "page", "next", "person", "state", "answer", "name"})
    text = st.sampled_from(HOSTILE) | st.text(max_size=40)
    # The drawn values must not depend on the content of the page, because hypothesis replays the draws.
    drawn = data.draw(st.lists(st.tuples(st.integers(0, 9_999), st.lists(text, max_size=3)), max_size=6))
    values = {found[position % len(found)]: typed for position, typed in drawn}
    assert client.get(address, values).status_code < 500
    assert client.post(address, values).status_code < 500


@pytest.mark.parametrize("cookie", ["", "\\000", "a" * 4000, "é", '"; x="', "0" * 43])
def test_no_cookie_makes_the_server_fall_over(site: Site, cookie: str) -> None:
    for name in names():
        client = Client()
        for bare in (cookies._ATTEMPT, cookies._SESSION, cookies._BROWSER, "messages"):
            client.cookies[cookies._name(bare) if bare != "messages" else bare] = cookie
        assert client.get(site.address(name)).status_code < 500


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"%%%", b"a=%ff%fe", b"--x\r\nContent-Disposition: form-data; name=", b"{}"]
)
@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/json",
        "text/plain; charset=nonsense",
    ],
)
def test_no_body_makes_the_server_fall_over(site: Site, body: bytes, kind: str) -> None:
    for name in names():
        answer = site.browsers["administrator"].generic("POST", site.address(name), body, content_type=kind)
        assert answer.status_code < 500, name


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"\xff\xfe\0", b"PK\x03\x04", b'"' * 5000, b"sign-in name\n" + b"," * 5000]
)
def test_no_file_makes_the_server_fall_over(site: Site, content: bytes) -> None:
    file = SimpleUploadedFile("people.csv", content)
    answer = site.browsers["administrator"].post("/admin/users/import/", {"file": file, "kind": "people"})
    assert answer.status_code < 500
