"""Apps behind a proxy: who passes, what the app is told, and what a browser can't forge."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser
from django.utils import timezone
from joserfc import jwt
from pytest_django import DjangoAssertNumQueries

from tests.world import World, sign_in
from watchword.applications import protected_hosts, signing_keys
from watchword.applications.models import ProtectedHost
from watchword.applications.protected_hosts import InvalidHost
from watchword.core.policy import FactorKind
from watchword.directory import applications, groups
from watchword.directory.applications import AppSettings
from watchword.directory.models import App
from watchword.doors.forward_auth.answers import IDENTITY_HEADERS
from watchword.signin import actions

RULES = """
public /static/
group:Drivers /tours/
fresh:10 /admin/
"""


@pytest.fixture
def wiki(world: World) -> App:
    groups.create_group(world.organisation, "Drivers", by=None, now=world.now)
    app = applications.add_app(world.organisation, AppSettings("Wiki"), by=None, now=world.now)
    protected_hosts.protect(app, "wiki.example", rules=RULES, by=None, now=world.now)
    return app


def by_nginx(path: str, method: str = "GET", host: str = "wiki.example") -> dict[str, str]:
    """Return the headers that nginx sends with its question."""
    return {"X-Original-URL": f"https://{host}{path}", "X-Original-Method": method}


def by_caddy(path: str, method: str = "GET", host: str = "wiki.example") -> dict[str, str]:
    """Return the headers that Caddy and Traefik send."""
    return {
        "X-Forwarded-Method": method,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": host,
        "X-Forwarded-Uri": path,
    }


def ask(browser: Browser, path: str, method: str = "GET", forged: dict[str, str] | None = None) -> Any:
    return browser.get("/forward-auth/nginx/check", headers={**by_nginx(path, method), **(forged or {})})


def arrive(at_watchword: Browser, at_wiki: Browser, to: str = "/page", **query: str) -> Any:
    """Play the way from the protected host to Watchword and back; return the last answer."""
    begun = at_wiki.get("/forward-auth/nginx/start", {"to": to, **query}, headers=by_nginx("/_watchword/start"))
    parts = urlsplit(begun["Location"])
    there = at_watchword.get(f"{parts.path}?{parts.query}")
    if there.status_code != 302 or "://wiki.example/" not in there["Location"]:
        return there
    back = urlsplit(there["Location"])
    assert back.path == "/_watchword/return"
    return at_wiki.get(f"/forward-auth/nginx/return?{back.query}", headers=by_nginx(f"/_watchword/return?{back.query}"))


@pytest.fixture
def at_watchword(world: World) -> Browser:
    browser = Browser()
    sign_in(browser, world.alice)
    return browser


def test_a_stranger_is_sent_to_the_sign_in_and_alice_comes_back_to_her_page(wiki: App, at_watchword: Browser) -> None:
    at_wiki = Browser()
    refused = ask(at_wiki, "/page?x=1")
    assert refused.status_code == 401
    assert refused["X-Watchword-Sign-In"] == "/_watchword/start?to=%2Fpage%3Fx%3D1"
    back = arrive(at_watchword, at_wiki, "/page?x=1")
    assert (back.status_code, back["Location"]) == (302, "/page?x=1")
    passed = ask(at_wiki, "/page?x=1")
    assert passed.status_code == 200
    assert passed["X-Watchword-User"] == "alice@harbour.example"
    assert passed["X-Watchword-Email"] == "alice@harbour.example"
    assert passed["X-Watchword-Groups"] == ""


def test_caddy_and_traefik_get_a_redirect_for_pages_and_401_for_the_rest(wiki: App) -> None:
    for proxy in ("caddy", "traefik"):
        page = Browser().get(f"/forward-auth/{proxy}/check", headers=by_caddy("/page"))
        assert (page.status_code, page["Location"]) == (302, "/_watchword/start?to=%2Fpage")
        assert Browser().get(f"/forward-auth/{proxy}/check", headers=by_caddy("/page", "POST")).status_code == 401


def test_the_rules_of_a_host_say_who_passes_where(world: World, wiki: App, at_watchword: Browser) -> None:
    at_wiki = Browser()
    assert ask(at_wiki, "/static/a.css").status_code == 200
    arrive(at_watchword, at_wiki)
    assert ask(at_wiki, "/tours/today").status_code == 403
    groups.add_members(groups.groups_in(world.organisation)[0], [world.alice], by=None, now=world.now)
    assert ask(at_wiki, "/tours/today").status_code == 200
    assert ask(at_wiki, "/tours/today")["X-Watchword-Groups"] == "Drivers"


def test_a_page_that_wants_a_fresh_second_factor_gets_one(world: World, wiki: App) -> None:
    at_watchword, at_wiki = Browser(), Browser()
    sign_in(at_watchword, world.alice, ago=timedelta(minutes=11))
    arrive(at_watchword, at_wiki)
    assert ask(at_wiki, "/page").status_code == 200
    refused = ask(at_wiki, "/admin/")
    assert refused.status_code == 401
    query = parse_qs(urlsplit(refused["X-Watchword-Sign-In"]).query)
    assert arrive(at_watchword, at_wiki, **{name: values[0] for name, values in query.items()})["Location"].startswith(
        "/sign-in/confirm/"
    )
    sign_in(at_watchword, world.alice)
    arrive(at_watchword, at_wiki, "/admin/", fresh="10")
    assert ask(at_wiki, "/admin/").status_code == 200


def test_a_person_without_a_second_factor_opens_no_page_that_wants_a_fresh_one(world: World, wiki: App) -> None:
    at_watchword, at_wiki = Browser(), Browser()
    sign_in(at_watchword, world.carol)
    arrive(at_watchword, at_wiki)
    assert ask(at_wiki, "/page").status_code == 200
    assert ask(at_wiki, "/admin/").status_code == 401
    assert arrive(at_watchword, at_wiki, "/admin/", fresh="10").status_code == 403


def test_blocking_and_signing_out_close_the_app_at_the_next_request(
    world: World, wiki: App, at_watchword: Browser
) -> None:
    at_wiki = Browser()
    arrive(at_watchword, at_wiki)
    assert ask(at_wiki, "/page").status_code == 200
    actions.sign_out_everywhere(world.alice, by=None, now=timezone.now())
    assert ask(at_wiki, "/page").status_code == 401


def test_an_app_that_is_disabled_opens_nothing_not_even_what_is_public(wiki: App) -> None:
    applications.set_app_enabled(wiki, is_enabled=False, by=None, now=timezone.now())
    assert ask(Browser(), "/static/a.css").status_code == 401


def test_ngx_01_only_the_headers_of_the_proxy_count(wiki: App, at_watchword: Browser) -> None:
    """Headers of another kind of proxy, or of the browser, change nothing about what is asked for."""
    forged = {
        "X-Forwarded-Uri": "/static/a.css",
        "X-Rewrite-URL": "/static/a.css",
        "User-Agent": "kube-probe/1.30",
    }
    assert ask(Browser(), "/page", forged=forged).status_code == 401
    assert ask(Browser(), "/page?/static/").status_code == 401
    forged = {"X-Original-URL": "https://wiki.example/static/a.css"}
    assert Browser().get("/forward-auth/caddy/check", headers={**by_caddy("/page"), **forged}).status_code == 302
    for path in ("/static/..%2fpage", "/static/../page", "//static/a", "/static/%2e%2e/page", "/static/;/../page"):
        assert ask(Browser(), path).status_code == 401, path
    assert Browser().get("/forward-auth/nginx/check").status_code == 403
    for url in (
        "https://other.example/static/",
        "https://wiki.example.evil.example/static/",
        "https://wiki.example@evil.example/static/",
        "ftp://wiki.example/static/",
        "https://[/static/",
    ):
        assert ask(Browser(), "", forged={"X-Original-URL": url}).status_code == 403, url


def test_ngx_02_an_answer_that_lets_pass_names_every_identity_header(wiki: App, at_watchword: Browser) -> None:
    """Each identity header is in the answer, empty where nobody is known, so that a copy replaces a forged one."""
    public = ask(Browser(), "/static/a.css", forged={"X-Watchword-User": "root@harbour.example"})
    assert {name: public[name] for name in IDENTITY_HEADERS} == dict.fromkeys(IDENTITY_HEADERS, "")


def test_ngx_05_what_a_header_says_is_one_plain_line_of_ascii(world: World, wiki: App, at_watchword: Browser) -> None:
    """Names outside ASCII, commas and line ends reach the app as percent-encoded text."""
    world.alice.display_name = "Älice, O\u2019Hara"
    world.alice.save()
    group = groups.create_group(world.organisation, "Tours, abroad", by=None, now=world.now)
    groups.add_members(group, [world.alice], by=None, now=world.now)
    at_wiki = Browser()
    arrive(at_watchword, at_wiki)
    passed = ask(at_wiki, "/page")
    assert passed["X-Watchword-Name"] == "%C3%84lice%2C O%E2%80%99Hara"
    assert passed["X-Watchword-Groups"] == "Tours%2C abroad"


def test_a_ticket_is_for_one_use_one_host_and_the_browser_that_began(
    world: World, wiki: App, at_watchword: Browser
) -> None:
    other = applications.add_app(world.organisation, AppSettings("Chat"), by=None, now=world.now)
    protected_hosts.protect(other, "chat.example", by=None, now=world.now)
    at_wiki = Browser()
    begun = at_wiki.get("/forward-auth/nginx/start", {"to": "/"}, headers=by_nginx("/"))
    parts = urlsplit(begun["Location"])
    ticket = urlsplit(at_watchword.get(f"{parts.path}?{parts.query}")["Location"]).query
    take = f"/forward-auth/nginx/return?{ticket}"
    assert Browser().get(take, headers=by_nginx("/")).status_code == 400, "another browser"
    assert at_wiki.get(take, headers=by_nginx("/", host="chat.example")).status_code == 400, "another host"
    assert at_wiki.get(take, headers=by_nginx("/")).status_code == 302
    assert at_wiki.get(take, headers=by_nginx("/")).status_code == 400, "again"


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "/%2f%2fevil.example", ""]
)
def test_the_way_back_never_leads_to_another_site(wiki: App, at_watchword: Browser, to: str) -> None:
    assert arrive(at_watchword, Browser(), to)["Location"] == "/"


def test_a_host_that_is_not_protected_gets_no_ticket(wiki: App, at_watchword: Browser) -> None:
    for host in ("evil.example", "wiki.example.evil.example", ""):
        query = {"host": host, "state": "0" * 64, "to": "/"}
        assert at_watchword.get("/forward-auth/sign-in", query).status_code == 404, host


def test_a_person_for_whom_the_app_is_not_is_told_so(world: World, wiki: App, at_watchword: Browser) -> None:
    applications.change_app(wiki, AppSettings("Wiki", for_everyone=False), by=None, now=world.now)
    answer = arrive(at_watchword, Browser())
    assert answer.status_code == 403
    assert "isn&#x27;t for you" in answer.content.decode() or "isn't for you" in answer.content.decode()


def test_the_app_can_have_a_signed_token(world: World, wiki: App, at_watchword: Browser) -> None:
    protected_hosts.protect(wiki, "wiki.example", sends_jwt=True, by=None, now=world.now)
    at_wiki = Browser()
    arrive(at_watchword, at_wiki)
    token = ask(at_wiki, "/page")["X-Watchword-JWT"]
    claims = jwt.decode(token, signing_keys.published(world.organisation), algorithms=["ES256"]).claims
    assert claims["aud"] == "https://wiki.example"
    assert claims["preferred_username"] == "alice@harbour.example"


def test_a_question_costs_one_query(
    wiki: App, at_watchword: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    at_wiki = Browser()
    arrive(at_watchword, at_wiki)
    with django_assert_num_queries(1):
        assert ask(at_wiki, "/page").status_code == 200
    with django_assert_num_queries(1):
        assert ask(Browser(), "/page").status_code == 401


def test_a_trusted_network_that_replaced_the_code_opens_the_app_too(world: World, wiki: App, settings: Any) -> None:
    world.organisation.trusted_networks = ["198.51.100.0/24"]
    world.organisation.save()
    at_watchword, at_wiki = Browser(), Browser()
    opened = sign_in(at_watchword, world.alice, FactorKind.PASSWORD)
    opened.session.excused = True
    opened.session.save()
    assert arrive(at_watchword, at_wiki).status_code == 302
    assert ask(at_wiki, "/page").status_code == 200
    assert ask(at_wiki, "/admin/").status_code == 401


@pytest.mark.parametrize(
    ("host", "rules", "problem"),
    [
        ("", "", ("host", "name", 0)),
        ("wiki example", "", ("host", "name", 0)),
        ("wiki.example:0", "", ("host", "port", 0)),
        ("wiki.example:99999", "", ("host", "port", 0)),
        ("wiki.example", "public /a\nopen /b", ("rules", "needs", 2)),
        ("wiki.example", "group:Nobody /a", ("rules", "no_such_group", 1)),
    ],
)
def test_a_bad_host_or_rule_is_named_and_nothing_is_written(
    world: World, host: str, rules: str, problem: tuple[str, str, int]
) -> None:
    app = applications.add_app(world.organisation, AppSettings("Wiki"), by=None, now=world.now)
    with pytest.raises(InvalidHost) as refused:
        protected_hosts.protect(app, host, rules=rules, by=None, now=world.now)
    assert (refused.value.field, refused.value.why, refused.value.line) == problem
    assert not ProtectedHost.objects.exists()


def test_a_host_is_protected_for_one_app(world: World, wiki: App) -> None:
    other = applications.add_app(world.organisation, AppSettings("Chat"), by=None, now=world.now)
    with pytest.raises(InvalidHost):
        protected_hosts.protect(other, "https://WIKI.example:443/", by=None, now=world.now)
    assert protected_hosts.stop_protecting(wiki, "wiki.example", by=None, now=world.now)
    assert protected_hosts.protect(other, "wiki.example", by=None, now=world.now).app == other
