"""Text with a meaning for a database, template, header, mail, shell or file system is treated as plain text."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import watchword
from tests.admincenter.reading import rows
from tests.attacks.addresses import every_address
from tests.pages import text
from tests.world import ORIGIN, World, give_password, make_organisation, make_person, sign_in
from watchword.directory import actions
from watchword.directory.actions import BadPerson
from watchword.directory.models import User
from watchword.signin.models import Session

QUERIES = [
    "' OR '1'='1",
    "' OR 1=1 --",
    '" OR ""="',
    "'; DROP TABLE directory_user; --",
    "') UNION SELECT name, sql FROM sqlite_master --",
    "1; SELECT pg_sleep(9)",
    "%' OR sign_in_name LIKE '%",
    "\\' OR 1=1 --",
    "\u02bc OR 1=1 --",
    "%00' OR 1=1",
    "*)(uid=*))(|(uid=*",
    "{{ 7*7 }}{% debug %}${7*7}#{7*7}",
    "%s%s%s%n %(name)s {0.__class__}",
    "../../../../etc/passwd",
    "$(touch /tmp/x)`id`;id|id&",
]
KEYWORDS = {
    "user__password__startswith": "a",
    "password__isnull": "False",
    "organisation__isnull": "False",
    "organisation_id": "2",
    "_connector": "OR",
    "_negated": "True",
    "pk__in": "1,2",
    "id__gt": "0",
    "mfa_state__contains": "e",
    "credentials__secret__contains": "a",
    "order_by": "password",
    "sort": "organisation__name",
    "sort_": "?",
}
PARAMETERS = ["q", "state", "show", "sort", "after", "person", "before", "address", "since", "until", "service"]
PARAMETERS += ["door", "outcome", "draft", "do", "name", "next", "kind", "slot", "method", "channel", "answer", "over"]
SOURCES = sorted(Path(watchword.__file__).parent.rglob("*.py"))


@pytest.fixture
def foreign(world: World) -> User:
    """Return a user of another organisation, whom no page here may reveal."""
    victim = make_person(make_organisation("Elsewhere", "elsewhere.example"), "foreignvictim")
    give_password(victim, "the password of a victim")
    return victim


def test_inj_01_no_value_of_any_parameter_reaches_the_database_as_words_of_its_own(world: World, foreign: User) -> None:
    """SQL injection: hostile values in every parameter of every address cause no error, foreign row or lost table."""
    client = Client(raise_request_exception=True)
    opened = sign_in(client, world.root)
    for turn in range(0, len(QUERIES), 4):
        for number, address in enumerate(every_address(world)):
            if address.route == "/sign-out/":
                continue
            # Each parameter gets a different value; the next turn shifts the values by four.
            values = {name: QUERIES[(turn + number + place) % len(QUERIES)] for place, name in enumerate(PARAMETERS)}
            for ask in (client.get, client.post):
                answer = ask(address.path, values)
                assert answer.status_code < 500, (address, values)
                if answer.get("Content-Type", "").startswith(("text/html", "text/csv")):
                    assert b"foreignvictim" not in answer.getvalue(), (address, values)
    assert User.objects.count() == 5
    assert Session.objects.get(pk=opened.session.pk).ended_at is None


@pytest.mark.parametrize("listing", ["/admin/users/", "/admin/multi-factor/"])
def test_inj_01_words_of_the_orm_in_an_address_change_no_list(world: World, foreign: User, listing: str) -> None:
    """ORM lookups, connectors and orderings in the query string don't change a list."""
    client = Client()
    sign_in(client, world.root)
    plain = rows(client.get(listing))
    assert len(plain) == 4
    for name, value in KEYWORDS.items():
        assert sorted(rows(client.get(listing, {name: value}))) == sorted(plain), name
    assert sorted(rows(client.get(listing, KEYWORDS))) == sorted(plain)
    for value in QUERIES:
        page = client.get(listing, {"q": value})
        assert "alice@harbour.example" not in re.sub(r"<input[^>]*>", "", page.content.decode()), value


@given(value=st.text(max_size=30), name=st.sampled_from(PARAMETERS))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_inj_01_no_text_in_a_filter_is_a_mistake(world: World, name: str, value: str) -> None:
    """Lists and the log accept any text in any filter parameter without an error."""
    client = Client()
    sign_in(client, world.root)
    for address in ("/admin/users/", "/admin/multi-factor/", "/admin/sign-ins/", "/activity/", "/settings/"):
        assert client.get(address, {name: value}).status_code < 500


@pytest.mark.parametrize("value", QUERIES)
def test_inj_01_nobody_comes_in_by_words_of_a_query(world: World, value: str) -> None:
    """Hostile text as a name, a password or a code opens nothing."""
    client = Client()
    client.post("/sign-in/", {"name": f"alice@harbour.example{value}"})
    client.post("/sign-in/", {"name": "carol@harbour.example"})
    assert client.post("/sign-in/password/", {"answer": value}).status_code == 200
    client.post("/sign-in/prove/", {"answer": value})
    assert not Session.objects.exists()


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_inj_01_no_line_of_the_product_makes_a_filter_of_what_came_with_a_request() -> None:
    """No raw(), no extra(), no filter(**request…): request data is a value, never the name of a field."""
    found = []
    seen = 0
    for path in SOURCES:
        for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(call.func, "attr", "")
            seen += name in {"filter", "exclude"}
            spread = [ast.unparse(word.value) for word in call.keywords if word.arg is None]
            is_raw = name in {"raw", "extra", "RawSQL"}
            if is_raw or (name in {"filter", "exclude", "get", "order_by"} and any("request" in it for it in spread)):
                found.append(f"{path.name}:{call.lineno}")
    assert found == []
    assert seen > 20
    assert issubclass(User, Model)


def test_inj_02_names_are_no_templates(world: World) -> None:
    """Template syntax in a name is shown as it was typed, wherever the name appears."""
    hostile = "{{ 7|add:35 }}{% debug %}<b>"
    actions.edit_person(world.carol, {"display_name": hostile}, by=world.root, origin=ORIGIN, now=timezone.now())
    client = Client()
    sign_in(client, world.root)
    for address in ("/admin/users/", f"/admin/users/?person={world.carol.pk}", f"/admin/users/{world.carol.pk}/block/"):
        page = client.get(address)
        assert "{{ 7|add:35 }}{% debug %}&lt;b&gt;" in page.content.decode(), address
        assert hostile not in page.content.decode()
    own = Client()
    sign_in(own, world.carol)
    assert "{{ 7|add:35 }}" in text(own.get("/").content) or "{{ 7" in own.get("/").content.decode()


@pytest.mark.parametrize("breaker", ["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85", "%0d%0a"])
def test_inj_02_no_line_break_gets_into_a_header(world: World, breaker: str) -> None:
    """Line breaks in parameters of redirects and downloads add no header to the response."""
    client = Client()
    sign_in(client, world.root)
    evil = f"/security/{breaker}Set-Cookie: watchword-session=planted"
    for address in every_address(world):
        if address.route == "/sign-out/":
            continue
        answer = client.get(address.path, {"next": evil, "name": evil, "person": evil, "q": evil})
        for name, value in answer.headers.items():
            assert not re.search(r"[\r\n]", name + value), address
            assert "planted" not in value or name == "Location", address
        assert "planted" not in str(answer.cookies), address


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contact_mail", "carol@elsewhere.example\r\nBcc: everybody@harbour.example"),
        ("contact_mail", "carol@elsewhere.example, mallory@evil.example"),
        ("contact_mail", "carol@elsewhere.example;mallory@evil.example"),
        ("contact_mail", '"carol\r\n"@elsewhere.example'),
        ("contact_mail", "Carol <carol@elsewhere.example>"),
        ("display_name", "Carol\0"),
        ("display_name", "Carol\u202eevil"),
        ("sign_in_name", "carol\r\nbcc:x@harbour.example"),
    ],
)
def test_inj_02_nothing_that_could_break_a_mail_becomes_part_of_a_person(world: World, field: str, value: str) -> None:
    """A second recipient, a line break or a bidirectional mark in a mail address or name is refused on input."""
    with pytest.raises(BadPerson) as refused:
        actions.edit_person(world.carol, {field: value}, by=world.root, origin=ORIGIN, now=timezone.now())
    assert set(refused.value.reasons) == {field}


def test_inj_02_a_line_break_in_a_display_name_is_a_blank(world: World) -> None:
    """A line break typed into a display name becomes a blank."""
    requested = {"display_name": "Carol\r\nBcc: everybody@harbour.example"}
    actions.edit_person(world.carol, requested, by=world.root, origin=ORIGIN, now=timezone.now())
    assert world.carol.display_name == "Carol Bcc: everybody@harbour.example"


def test_inj_02_no_line_of_the_product_speaks_to_a_shell() -> None:
    """No system(), no popen(), no shell=True: programs are started with an argument list."""
    found = []
    started = 0
    for path in SOURCES:
        for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(call.func)
            started += name.startswith("subprocess.")
            if name in {"os.system", "os.popen", "eval", "exec", "pickle.loads", "yaml.load", "mark_safe"} or any(
                word.arg == "shell" for word in call.keywords
            ):
                found.append(f"{path.name}:{call.lineno} {name}")
    assert [line for line in found if "mark_safe" not in line] == []
    assert started >= 1


@pytest.mark.parametrize(
    "path",
    [
        "/static/../watchword/config/settings.py",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/ui/../../../config/settings.py",
        "/static//etc/passwd",
        "/static/ui/..%2f..%2f..%2fconfig/settings.py",
        "/static/ui/..\\..\\settings.py",
        "/admin/users/import/sample/../../../etc/passwd.csv",
        "/admin/users/import/sample/..%2fpeople.csv",
        "/demo/mail/..%2f..%2fkeys/",
        "/demo/mail/%2e%2e/",
        "/methods/add/..%2fpassword/",
    ],
)
def test_inj_02_no_path_leads_out_of_its_folder(world: World, path: str) -> None:
    """Path traversal with dots, doubled slashes and their escapes reaches no other file."""
    client = Client()
    sign_in(client, world.root)
    answer: Any = client.get(path)
    assert answer.status_code in {302, 400, 404, 410}, path
    assert "SECRET_KEY" not in answer.content.decode()
    assert "root:" not in answer.content.decode()
