"""Headers of every response and error; forged forms; acts that need a fresh proof; caches, frames, reflection."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.staticfiles import finders
from django.db import transaction
from django.http import HttpResponse
from django.templatetags.static import static
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests.attacks.addresses import HOST, Address, every_address, production_client, use_production
from tests.pages import text
from tests.world import ORIGIN, World, give_phone, sign_in
from watchword.admincenter.users.action_views import ACTS
from watchword.config.middleware import LARGEST_BODY
from watchword.portal import views
from watchword.signin import invitations
from watchword.signin.models import Session

HOSTILE = """"><script>alert(1)</script>'{{ 7 }}<img src=x onerror=alert(2)>"""
STORED = {
    "directory.User",
    "directory.SignInName",
    "directory.RoleAssignment",
    "directory.Organisation",
    "directory.MfaStateChange",
    "factors.Credential",
    "signin.Invitation",
}
"""The tables that a sensitive act of an administrator or of a person changes."""
FILLED_IN: dict[str, Any] = {
    "sign_in_name": "new@harbour.example",
    "display_name": "New",
    "contact_mail": "new@elsewhere.example",
    "directory_phone": "",
    "identified": "came in person",
    "aliases": "",
    "roles": ["global_administrator"],
    "name": "Tablet",
    "password": "seven quiet otters sail",
    "region": "DE",
    "app_passwords_allowed": "on",
    "account_password_in_mail_while_enabled": "on",
    "text_allowed": "on",
    "call_allowed": "on",
    "app_password_wait_hours": "12",
    "trusted_networks": "203.0.113.0/24",
    "code_seconds": "200",
    "code_tries": "4",
    "day_failures": "20",
    "sends_each_day": "5",
    "session_seconds": "3600",
    "session_idle_seconds": "600",
    "app_passwords": "10",
}


def broken(*_arguments: Any, **_named: Any) -> HttpResponse:
    raise RuntimeError("a mistake of ours, with the password in it")


def close(answer: Any) -> None:
    """Close the file of an unread response; its own close() would also close the test's database connection."""
    for closer in answer._resource_closers:
        closer()


def answers_of_every_kind(world: World, monkeypatch: pytest.MonkeyPatch, new: Callable[..., Client]) -> Iterator[Any]:
    """Yield responses: every address as an anonymous browser, as Alice and as Root, and each kind of error."""
    anonymous, alice, root = new(), new(), new()
    sign_in(alice, world.alice)
    sign_in(root, world.root)
    for client in (anonymous, alice, root):
        for address in every_address(world):
            yield client.get(address.path)
            yield client.head(address.path)
    yield anonymous.get("/nothing/here/")
    yield anonymous.get("/\0")
    yield anonymous.get("/", headers={"host": "evil.example"})
    file = anonymous.get(static("ui/watchword.css"))
    yield file
    close(file)
    yield anonymous.post(static("ui/watchword.css"))
    yield alice.post("/", {"field": ["x"] * 2_000})
    yield alice.get("/sign-out/")
    yield alice.get("/admin/users/")
    yield new(enforce_csrf_checks=True).post("/sign-in/", {"name": "alice@harbour.example"})
    yield anonymous.generic("POST", "/sign-in/", CONTENT_LENGTH=str(LARGEST_BODY + 1))
    yield anonymous.generic("TRACE", "/sign-in/")
    monkeypatch.setattr(views, "lines_of", broken)
    failing = new(raise_request_exception=False)
    sign_in(failing, world.alice)
    yield failing.get("/security/")
    monkeypatch.setattr("watchword.signin.sessions.find", broken)
    yield failing.get("/security/")


def test_ses_13_every_answer_forbids_frames_inline_scripts_sniffing_and_caches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every response, error pages included, has the headers against framing, inline scripts, sniffing and caching."""
    seen = set()
    for answer in answers_of_every_kind(world, monkeypatch, Client):
        seen.add(answer.status_code)
        where = (answer.request["PATH_INFO"], answer.status_code)
        assert "Content-Security-Policy" in answer, where
        policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'", where
        assert policy["default-src"] == "'none'", where
        assert set(policy.values()) == {"'none'", "'self'"}, where
        assert answer["X-Content-Type-Options"] == "nosniff", where
        assert answer["Referrer-Policy"] == "same-origin", where
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", where
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin", where
        assert "camera=()" in answer["Permissions-Policy"], where
        assert "Access-Control-Allow-Origin" not in answer, where
        if not where[0].startswith("/static/"):
            assert "no-store" in answer["Cache-Control"], where
        if answer.get("Content-Type", "").startswith("text/html") and answer.status_code < 500:
            assert b"Traceback" not in answer.content, where
    assert {200, 302, 400, 403, 404, 405, 410, 413, 500} <= seen


def test_ses_13_a_mistake_of_ours_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of an internal error contains neither the message of the exception nor its traceback."""
    client = Client(raise_request_exception=False)
    sign_in(client, world.alice)
    monkeypatch.setattr(views, "lines_of", broken)
    page = client.get("/security/")
    assert page.status_code == 500
    assert "Something went wrong on our side" in text(page.content)
    for told in ("RuntimeError", "password in it", "lines_of", ".py", "Django", "Traceback"):
        assert told not in page.content.decode()


def test_ses_13_in_production_every_answer_insists_on_tls(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In production every response has Strict-Transport-Security, whatever scheme the proxy reports."""
    use_production(settings, monkeypatch)
    forgetful = Client(SERVER_NAME=HOST)
    assert forgetful.get("/sign-in/")["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    for answer in answers_of_every_kind(world, monkeypatch, production_client):
        assert answer["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains", answer.request["PATH_INFO"]


def test_ses_13_the_demo_on_this_machine_does_not_insist_on_tls(client: Client, db: None) -> None:
    """The local demo doesn't send the HSTS header: a browser would then refuse plain HTTP to this machine for years."""
    assert "Strict-Transport-Security" not in client.get("/sign-in/")


@pytest.mark.parametrize("name", ["ui/watchword.css", "ui/watchword.js", "ui/mark.svg"])
def test_ses_17_only_a_name_with_the_hash_of_its_content_is_kept_for_good(client: Client, db: None, name: str) -> None:
    """Static files are immutable under their hash, cached briefly without it, and not found under any other hash."""
    where = static(name)
    assert re.fullmatch(r"/static/ui/[a-z]+\.[0-9a-f]{16}\.[a-z]+", where)
    answer = client.get(where)
    found = finders.find(name)
    assert isinstance(found, str)
    assert b"".join(answer) == Path(found).read_bytes()
    assert answer["Cache-Control"] == "max-age=315360000, public, immutable"
    plain = client.get(f"/static/{name}")
    assert plain["Cache-Control"] == "max-age=60, public"
    close(plain)
    assert client.get(re.sub(r"[0-9a-f]{16}", "0" * 16, where)).status_code == 404
    assert client.get(f"/static/../{name}").status_code == 404


def test_ses_17_an_ending_makes_no_page_look_like_a_file(world: World) -> None:
    """Web cache deception: a page address with a suffix like style.css is not found, or its response is not cached."""
    client = Client()
    sign_in(client, world.root)
    for address in every_address(world):
        for ending in ("x.css", "x.js", "x/x.png", "%2fx.css", ";x.css", "%00x.css", "x.css/"):
            answer = client.get(address.path + ending)
            assert answer.status_code in {301, 302, 400, 404, 405, 410}, (address, ending)
            assert "no-store" in answer["Cache-Control"], (address, ending)


def test_ses_03_no_form_is_taken_without_the_token_of_its_page(world: World) -> None:
    """Cross-site request forgery: every address, the sign-in form included, refuses a POST without a valid token."""
    browsers = [Client(enforce_csrf_checks=True), Client(enforce_csrf_checks=True)]
    sign_in(browsers[1], world.root)
    addresses = every_address(world)
    assert len(addresses) > 30
    for address in addresses:
        if address.route.startswith("/gateways/"):
            # No form and no browser: a provider's server sends these requests, and cookies mean nothing there.
            before = written()
            assert {client.post(address.path, FILLED_IN).status_code for client in browsers} == {404}, address
            assert written() == before, address
            continue
        if getattr(address.view, "csrf_exempt", False):
            # Programs post here without cookies, and apps send browsers here from their own site: no cookie suffices to
            # change anything.
            assert "/v2.0/" in address.route, address
            before = written()
            assert {client.post(address.path, FILLED_IN).status_code for client in browsers} <= {200, 400, 401, 404}
            assert written() == before, address
            continue
        for client in browsers:
            before = written()
            answer = client.post(address.path, {**FILLED_IN, "csrfmiddlewaretoken": "x" * 64})
            assert answer.status_code == 403, address
            assert "This form could not be sent" in text(answer.content), address
            assert written() == before, address


def test_ses_03_a_form_from_a_foreign_origin_is_refused_even_with_its_token(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A valid CSRF token is not enough: the browser's Origin, or its Referer over TLS, must be our own."""
    use_production(settings, monkeypatch)
    client = production_client(enforce_csrf_checks=True)
    page = client.get("/sign-in/")
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())
    assert found is not None
    sent = {"name": "alice@harbour.example", "csrfmiddlewaretoken": found[1]}
    for origin in (
        "https://evil.example",
        "null",
        f"http://{HOST}",
        f"https://{HOST}.evil.example",
        f"https://x.{HOST}",
    ):
        assert client.post("/sign-in/", sent, headers={"origin": origin}).status_code == 403, origin
    assert client.post("/sign-in/", sent).status_code == 403
    assert client.post("/sign-in/", sent, headers={"referer": "https://evil.example/"}).status_code == 403
    assert client.post("/sign-in/", sent, headers={"origin": f"https://{HOST}"}).status_code == 302


def written() -> dict[str, list[Any]]:
    """Return the rows of the tables that sensitive acts change."""
    return {name: list(apps.get_model(name)._default_manager.order_by("pk").values_list()) for name in sorted(STORED)}


def changing(token: str, addresses: list[Address], current: str) -> set[str]:
    """Return the addresses where a filled in form changes one of these tables; each change is rolled back at once."""
    changed = set()
    before = written()
    for address in addresses:
        client = Client()
        client.cookies["watchword-session"] = token
        with transaction.atomic():
            client.post(address.path, {**FILLED_IN, "current": current})
            if written() != before:
                changed.add(str(address))
            transaction.set_rollback(True)
    return changed


def sensitive_addresses(world: World) -> list[Address]:
    rows = every_address(world)
    acts = next(row for row in rows if row.route == "/admin/users/<uuid:user_id>/<str:name>/")
    more = [Address(f"{acts.route} {name}", acts.path.replace("/block/", f"/{name}/"), acts.view) for name in ACTS]
    password = reverse("web:add", args=["password"])
    app_password = reverse("web:add", args=["app_password"])
    view = next(row for row in rows if row.route == "/methods/add/<str:kind>/").view
    return [*rows, *more, Address("password", password, view), Address("app password", app_password, view)]


def test_ses_01_without_a_fresh_proof_no_address_changes_anything_that_matters(world: World) -> None:
    """Every POST address, used by an administrator whose proof is two hours old, changes nothing sensitive."""
    addresses = sensitive_addresses(world)
    stale = sign_in(Client(), world.root, ago=timedelta(hours=2))
    assert changing(stale.token, addresses, world.passwords["root"]) == set()
    done = changing(sign_in(Client(), world.root).token, addresses, world.passwords["root"])
    acts = "/admin/users/<uuid:user_id>/<str:name>/"
    assert {
        "/admin/users/new/",
        "/admin/users/<uuid:user_id>/edit/",
        "/admin/service-settings/",
        f"{acts} block",
        f"{acts} delete",
        f"{acts} reset-password",
        f"{acts} reset-methods",
        f"{acts} delete-app-passwords",
        "password",
    } <= done, "the walk would not see a change"


def test_ses_01_without_a_fresh_proof_a_person_changes_none_of_their_own_proofs(world: World) -> None:
    """A person's browser left open two hours ago can't add, remove or replace a proof without a fresh one."""
    give_phone(world.alice, "+4930901820", slot="office")
    addresses = sensitive_addresses(world)
    stale = sign_in(Client(), world.alice, ago=timedelta(hours=2))
    assert changing(stale.token, addresses, world.passwords["alice"]) == set()
    done = changing(sign_in(Client(), world.alice).token, addresses, world.passwords["alice"])
    assert {"password", "app password", "/methods/remove/<uuid:credential_id>/"} <= done


@given(typed=st.text(min_size=1, max_size=40).map(lambda some: f"{some}{HOSTILE}{some[::-1]}"))
def test_ses_15_what_is_typed_never_becomes_part_of_a_page(typed: str) -> None:
    """Names, target addresses and search terms with hostile content are shown as escaped text or not at all."""
    client = Client()
    page = client.post("/sign-in/", {"name": typed, "next": typed})
    assert page.status_code == 200
    assert "<script>alert" not in page.content.decode()
    assert "<img" not in page.content.decode().replace('<img src="/static/', "")


def test_ses_15_no_parameter_of_any_address_is_reflected_raw(world: World) -> None:
    """Hostile values in every known parameter of every page are never reflected unescaped."""
    client = Client()
    sign_in(client, world.root)
    names = ["q", "next", "name", "person", "after", "sort", "show", "state", "slot", "address", "since", "until"]
    names += ["service", "door", "outcome", "before", "draft", "do", "over", "error_description"]
    shown = 0
    for address in every_address(world):
        for method in (client.get, client.post):
            page = method(address.path, dict.fromkeys(names, HOSTILE))
            if page.get("Content-Type", "").startswith("text/html"):
                said = page.content.decode()
                assert "<script>alert" not in said, address
                assert not re.search(r"<img[^>]* onerror", said), address
                assert "'49'" not in said, address
                shown += html.escape(HOSTILE)[:20] in said
    assert shown >= 3, "nothing was shown at all"


def test_ses_16_no_page_leads_elsewhere_or_hands_its_address_on(world: World) -> None:
    """No page has a foreign address, a link that gives a new window its opener, or a token in a link: nothing leaks."""
    client = Client()
    sign_in(client, world.root)
    token = invitations.invite(world.bob, by=world.root, origin=ORIGIN, now=timezone.now()).token
    paths = [address.path for address in every_address(world)]
    pages = [(path, client.get(path)) for path in paths]
    pages.append(("/invitation/", client.post("/invitation/", {"code": token})))
    assert "bob@" in pages[-1][1].content.decode()
    for path, page in pages:
        if not page.get("Content-Type", "").startswith("text/html"):
            continue
        said = page.content.decode()
        for found in re.findall(r'(?:href|src|action|formaction|srcset)="([^"]*)"', said):
            assert re.match(r"(/(?!/)|\?|#|$|data:text/csv)", html.unescape(found)), (path, found)
            assert token not in found, path
        for opened in re.findall(r"<a[^>]*target=[^>]*>", said):
            assert 'rel="noopener"' in opened, (path, opened)
    assert pages[-1][1]["Referrer-Policy"] == "same-origin"


def test_ses_17_a_page_that_was_shown_once_is_kept_nowhere(world: World) -> None:
    """The response that shows an app password may not be stored by any cache."""
    client = Client()
    sign_in(client, world.alice)
    page = client.post("/methods/add/app_password/", {"name": "Tablet"})
    assert "Tablet" in text(page.content)
    assert "no-store" in page["Cache-Control"]
    assert "private" in page["Cache-Control"]
    assert Session.objects.count() == 1


def test_csv_02_a_request_too_large_for_anything_is_refused_before_it_is_read(db: None) -> None:
    """A request whose declared length is too large is refused before one byte of its body is read or stored."""

    class Untouchable:
        def read(self, *_sizes: int) -> bytes:
            raise AssertionError("the body was read")

        readline = read

    request = RequestFactory().generic("POST", "/sign-in/")
    environ = {**request.environ, "CONTENT_LENGTH": str(2**40), "wsgi.input": Untouchable()}
    answer = Client().post("/sign-in/", **{k: v for k, v in environ.items() if k != "HTTP_COOKIE"})
    assert answer.status_code == 413
    assert "more than the 5 megabytes that fit" in text(answer.content)
