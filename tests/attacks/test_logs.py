"""Forged log lines, floods of log entries, and audit rows that an attacker changes or deletes."""

from __future__ import annotations

import io
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone
from gunicorn.config import Config
from hypothesis import example, given
from hypothesis import strategies as st

from tests.alerts.playing import work
from tests.world import World, sign_in
from watchword.alerts.models import Notice
from watchword.audit import hash_chain
from watchword.audit.events import EventKind
from watchword.audit.models import Event, EventIsPermanent, Seal
from watchword.audit.record import Origin, record
from watchword.cli.web_server import ACCESS_LOG, AccessLogger
from watchword.config.logs import LineFormatter, in_one_line
from watchword.core.log_events import ATTEMPT_KEY
from watchword.core.policy import FactorKind
from watchword.signin import flow
from watchword.signin.models import FailureCount

HOSTILE = [
    "a\r\n2026-11-24 00:00:00 INFO watchword: root signed in",
    "a\nb",
    "a\rb",
    "a\x1b[2Jb\x1b]0;title\x07",
    "a\x9b2Jb",
    "a\u2028b\u2029c",
    "a\x85b\x0bc\x0cd\x1ce",
    "a\u202egpj.exe",
    'a","forged":"b',
    "a\0b",
    "a\ud800b",
    "\x7f\x08\x08\x08",
    "%(name)s %s {0} {message}",
]


def line_formatter() -> logging.Formatter:
    """Return the formatter that the settings name, created as logging does it."""
    requested: dict[str, Any] = dict(settings.LOGGING["formatters"]["text"])  # type: ignore[index]  # a dict of dicts
    assert requested == {"()": "watchword.config.logs.LineFormatter"}
    return LineFormatter()


def written(message: str, *arguments: object, error: BaseException | None = None) -> str:
    information = (type(error), error, error.__traceback__) if error is not None else None
    row = logging.LogRecord("watchword.test", logging.WARNING, __file__, 1, message, arguments, information)
    return line_formatter().format(row)


@given(st.text(max_size=60))
@example("".join(HOSTILE))
def test_log_01_whatever_is_logged_is_one_printable_line(typed: str) -> None:
    """No line break, escape, direction mark or surrogate reaches a log line, in the message, an argument or a name."""
    for line in (written("%s", typed), written("Refused %r for %s", typed, typed), written(typed.replace("%", "%%"))):
        assert line.isprintable()
        assert len(line.splitlines()) == 1
        line.encode("utf-8")


@given(st.text(max_size=60))
@example("x\n2026-11-24 00:00:00,000 INFO watchword: root signed in")
def test_log_01_no_traceback_has_a_line_that_looks_like_ours(typed: str) -> None:
    """Each line of an exception text is prefixed with a bar, so that it can't pass for a log record."""
    with pytest.raises(ValueError) as broken:  # noqa: PT011  (Python's own message, whatever it is)
        int(f"no number {typed}")
    lines = written("It broke", error=broken.value).split("\n")
    assert len(lines) > 2
    for line in lines[1:]:
        assert line.startswith("  | ")
        assert line.isprintable()
    "\n".join(lines).encode("utf-8")


@pytest.mark.parametrize("text", ["/security/", "Zoë Ünal", "山田", "a'b\"c\\d"])
def test_log_01_what_harms_nothing_is_written_as_it_is(text: str) -> None:
    """Harmless text, such as names in any script, is logged unchanged."""
    assert in_one_line(text) == text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_log_01_the_access_log_keeps_its_lines(monkeypatch: pytest.MonkeyPatch, hostile: str) -> None:
    """Line breaks and escapes in paths, methods and addresses can't add a line to the web server's access log."""
    loggers = [logging.getLogger(name) for name in ("gunicorn.access", "gunicorn.error")]
    for log in loggers:
        monkeypatch.setattr(log, "handlers", [])
        monkeypatch.setattr(log, "propagate", False)
        monkeypatch.setattr(log, "level", log.level)
    config = Config()
    for name, value in {"accesslog": "-", "errorlog": "-", "access_log_format": ACCESS_LOG}.items():
        config.set(name, value)
    logger = AccessLogger(config)
    streams = []
    for log in loggers:
        [handler] = log.handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream := io.StringIO())
        streams.append(stream)
    environ = {
        "REQUEST_METHOD": hostile,
        "RAW_URI": f"/{hostile}",
        "PATH_INFO": f"/{hostile}",
        "SERVER_PROTOCOL": hostile,
        "REMOTE_ADDR": hostile,
        "HTTP_USER_AGENT": hostile,
        ATTEMPT_KEY: "7f0c77de",
    }

    class Answer:
        status = "200 OK"
        sent = 1
        headers = ()

    class AuthRequest:
        headers = ()

    logger.access(Answer(), AuthRequest(), environ, timedelta(seconds=1))
    logger.warning("Invalid request from ip=%s: %s", hostile, hostile)
    for stream in streams:
        assert len(stream.getvalue().splitlines()) == 1
        assert stream.getvalue().removesuffix("\n").isprintable()
    access = streams[0].getvalue()
    assert " INFO web.access watchword.access: " in access
    assert access.endswith(" attempt=7f0c77de\n"), "a line about a sign-in page names its attempt"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_log_01_the_audit_keeps_its_lines(world: World, hostile: str) -> None:
    """Control characters in a name, an address or a program are stored in the audit log as one printable text."""
    origin = Origin(address=hostile, agent=hostile, door="web", service=hostile)
    record(EventKind.SIGN_IN_DENIED, now=timezone.now(), origin=origin, reason="unknown", name=hostile)
    event = Event.objects.get()
    for stored in (event.subject_name, event.address, event.agent, event.service, str(event)):
        assert stored.isprintable()


def test_log_01_djangos_own_lines_are_kept_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown path, a foreign host and a form without its token are logged by Django as one line each."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(line_formatter())
    log = logging.getLogger("django")
    monkeypatch.setattr(log, "handlers", [handler])
    client = Client(enforce_csrf_checks=True)
    client.get("/a%0d%0a2026-11-24 INFO root signed in%1b[2J/")
    client.get("/", headers={"host": "evil.example\x1b[2J"})
    client.post("/sign-in/", {"name": "x"})
    lines = [line for line in stream.getvalue().split("\n") if line and not line.startswith("  | ")]
    assert len(lines) == 3
    assert all(line.isprintable() for line in stream.getvalue().split("\n"))


def test_log_02_a_flood_of_refused_sign_ins_fills_no_table(world: World) -> None:
    """A flood of wrong passwords from one source adds no more events than the source's limit, and few alerts."""
    origin = Origin(address="203.0.113.66", agent="flood", door="web")
    notify = world.organisation.policy.limits.source_failures
    for number in range(120):
        name = f"nobody{number}@harbour.example" if number % 2 else "alice@harbour.example"
        token = flow.begin(name, origin=origin, next_url="/", now=world.now)
        attempt = flow.find_attempt(token, now=world.now)
        assert attempt is not None
        flow.answer(attempt, FactorKind.PASSWORD, "a wrong one", now=world.now)
    assert 0 < Event.objects.count() <= notify + 10
    work(world.now)
    assert Notice.objects.count() <= 3
    # One count for each name from this source, and one for each name over all sources.
    assert FailureCount.objects.count() <= 2 * notify + 10


def test_log_02_what_strangers_send_is_cut_before_it_is_kept(world: World) -> None:
    """Long names, programs and addresses are truncated before they are stored: a row has a maximum size."""
    client = Client(headers={"user-agent": "A" * 100_000})
    client.post(
        "/sign-in/", {"name": f"{'n' * 60}@{'d' * 60}.{'e' * 60}.{'f' * 60}.example", "next": "/" + "x" * 100_000}
    )
    client.post("/sign-in/password/", {"answer": "a wrong one"})
    event = Event.objects.get(kind=EventKind.SIGN_IN_DENIED)
    assert len(event.agent) <= 300
    assert len(event.subject_name) <= 254
    assert len(str(event.details)) < 1_000


def sealed(world: World, number: int = 6) -> list[Event]:
    """Return events that lie under two seals."""
    for turn in range(number):
        record(EventKind.SIGN_IN_DENIED, now=timezone.now(), subject=world.alice, reason=f"reason {turn}")
        if turn == number // 2:
            assert hash_chain.seal(now=timezone.now()) > 0
    assert hash_chain.seal(now=timezone.now()) > 0
    assert hash_chain.look().problems == ()
    return list(Event.objects.order_by("id"))


FORGERIES = {
    "the reason": "UPDATE audit_event SET reason = 'nothing' WHERE id = %s",
    "the time": "UPDATE audit_event SET at = '2001-01-01 00:00:00+00:00' WHERE id = %s",
    "who": "UPDATE audit_event SET subject_name = 'mallory@harbour.example' WHERE id = %s",
    "from where": "UPDATE audit_event SET address = '127.0.0.1' WHERE id = %s",
    "what": "UPDATE audit_event SET kind = 'sign_in.allowed' WHERE id = %s",
    "the details": "UPDATE audit_event SET details = '{\"a\": 1}' WHERE id = %s",
    "the row itself": "DELETE FROM audit_event WHERE id = %s",
}


@pytest.mark.breaks_invariants
@pytest.mark.parametrize("what", list(FORGERIES))
@pytest.mark.parametrize("which", [0, 2, 5])
def test_log_03_a_row_changed_or_taken_away_by_sql_is_found(world: World, what: str, which: int) -> None:
    """An attacker who changes or deletes a row by SQL, without the key, leaves a broken seal."""
    events = sealed(world)
    with connection.cursor() as cursor:
        cursor.execute(FORGERIES[what], [events[which].pk])
    assert hash_chain.look().problems != ()


@pytest.mark.breaks_invariants
def test_log_03_a_row_put_in_between_a_changed_seal_or_a_missing_one_is_found(world: World) -> None:
    """An attacker who inserts a row, re-seals without the key, or removes a link breaks the hash chain."""
    events = sealed(world)
    columns = [str(field.column) for field in Event._meta.concrete_fields if field.column != "id"]
    listed = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_event WHERE id = %s", [events[1].pk])
        cursor.execute(
            f"INSERT INTO audit_event (id, {listed}) SELECT {events[1].pk}, {listed} FROM audit_event WHERE id = %s",
            [events[2].pk],
        )
    assert hash_chain.look().problems != ()


@pytest.mark.breaks_invariants
def test_log_03_a_seal_that_was_changed_or_cut_out_is_found(world: World) -> None:
    """A changed or deleted seal is detected, because each seal depends on the one before it."""
    sealed(world)
    first = Seal.objects.order_by("id")[0]
    Seal.objects.filter(pk=first.pk).update(digest=bytes(32))
    assert hash_chain.look().problems != ()
    Seal.objects.filter(pk=first.pk).delete()
    assert hash_chain.look().problems != ()


def test_log_03_no_page_and_no_model_changes_what_was_remembered(world: World) -> None:
    """No page and no model can change or delete an event, not even for an administrator."""
    event = sealed(world)[0]
    event.reason = "nothing"
    with pytest.raises(EventIsPermanent):
        event.save()
    with pytest.raises(EventIsPermanent):
        event.delete()
    with pytest.raises(EventIsPermanent):
        Event.objects.filter(pk=event.pk).update(reason="nothing")
    with pytest.raises(EventIsPermanent):
        Event.objects.all().delete()
    client = Client()
    sign_in(client, world.root)
    before: list[Any] = list(Event.objects.order_by("id").values_list())
    for address in ("/admin/sign-ins/", "/admin/sign-ins.csv", "/activity/"):
        for ask in (client.post, client.delete, client.put, client.patch):
            ask(address, {"delete": "all", "id": event.pk})
    assert list(Event.objects.order_by("id").values_list())[: len(before)] == before
