"""The background worker, the command that verifies, and where warnings are sent."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from tests.alerts.playing import pass_password, type_wrong_codes
from tests.config.test_environment import good, only_problem
from tests.world import World
from watchword.audit import hash_chain
from watchword.audit.models import Seal
from watchword.cli import background_worker
from watchword.config.parsers import SmtpConfig


def test_one_round_hears_sends_and_seals(world: World) -> None:
    type_wrong_codes(pass_password(world, world.alice), world.now)
    call_command("work", "--once")
    assert {message.subject for message in mail.outbox} == {
        "Somebody knows your password (Harbour & Hill)",
        "Alert: Right password, no code: Alice (Harbour & Hill)",
    }
    assert hash_chain.look().unsealed == 0


def test_a_worker_waits_for_a_database_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    tried = []

    def fail() -> int:
        tried.append(1)
        if len(tried) == 3:
            stop.set()
        raise OperationalError

    monkeypatch.setattr(background_worker, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(background_worker, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(background_worker, "jobs", lambda: [background_worker.Job("fail", 0.0, fail)])
    monkeypatch.setattr(connection, "close", lambda: None)
    monkeypatch.setattr(background_worker, "close_old_connections", lambda: None)
    background_worker.work(stop)
    assert len(tried) == 3


def test_a_job_that_fails_waits_alone_and_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    done: list[str] = []

    def fail() -> int:
        done.append("failed")
        raise ValueError("the address jürgen@harbour.example")

    def advance() -> int:
        done.append("done")
        if done.count("done") == 5:
            stop.set()
        return 1

    monkeypatch.setattr(
        background_worker,
        "jobs",
        lambda: [background_worker.Job("fail", 0.0, fail), background_worker.Job("go on", 0.0, advance)],
    )
    monkeypatch.setattr(background_worker, "close_old_connections", lambda: None)
    background_worker.work(stop)
    assert done.count("failed") == 1
    assert "job failed, retry in 2 s: ValueError (test_background_worker.py" in caplog.text
    assert "jürgen" not in caplog.text


def test_verify_is_silent_where_all_is_well(world: World) -> None:
    call_command("work", "--once")
    out = StringIO()
    call_command("verify", stdout=out)
    assert "Everything is as it must be." in out.getvalue()


@pytest.mark.breaks_invariants
def test_verify_names_what_is_wrong(world: World) -> None:
    world.root.blocked_at = world.now
    world.root.save()
    errors = StringIO()
    with pytest.raises(CommandError):
        call_command("verify", stdout=StringIO(), stderr=errors)
    assert "I7" in errors.getvalue()


def test_verify_misses_a_seal_that_an_operator_wrote_down(world: World) -> None:
    type_wrong_codes(pass_password(world, world.alice), world.now)
    hash_chain.seal(now=world.now)
    digest = bytes(Seal.objects.get().digest).hex()
    call_command("verify", "--expect", digest, stdout=StringIO())
    with pytest.raises(CommandError):
        call_command("verify", "--expect", "00" * 32, stdout=StringIO(), stderr=StringIO())
    with pytest.raises(CommandError, match="hexadecimal"):
        call_command("verify", "--expect", "junk", stdout=StringIO(), stderr=StringIO())


def test_a_mail_server_elsewhere_is_spoken_to_in_private() -> None:
    options = good(
        WATCHWORD_SMTP_URL="smtp://post:p%40ss@mail.example.org", WATCHWORD_SENDER="Watchword <w@example.org>"
    ).smtp
    assert (options.host, options.port, options.user, options.password) == ("mail.example.org", 587, "post", "p@ss")
    assert (options.starttls, options.tls) == (True, False)
    assert "p@ss" not in repr(options)
    local = good(WATCHWORD_SMTP_URL="smtp://127.0.0.1:25", WATCHWORD_SENDER="w@example.org").smtp
    assert (local.starttls, local.tls, local.port) == (False, False, 25)
    assert good(WATCHWORD_SMTP_URL="smtps://mail.example.org", WATCHWORD_SENDER="w@example.org").smtp.tls
    assert good().smtp == SmtpConfig()


@pytest.mark.parametrize("url", ["mail.example.org", "https://mail.example.org", "smtp://", "smtp://host:port"])
def test_a_mail_server_that_is_none_is_named_without_its_password(url: str) -> None:
    assert "WATCHWORD_SMTP_URL" in only_problem(WATCHWORD_SMTP_URL=url, WATCHWORD_SENDER="w@example.org")


def test_a_sender_is_needed_and_must_be_one() -> None:
    assert "WATCHWORD_SENDER is not set" in only_problem(WATCHWORD_SMTP_URL="smtp://127.0.0.1")
    assert "WATCHWORD_SENDER holds no mail address" in only_problem(WATCHWORD_SENDER="Watchword")
    assert "WATCHWORD_COUNTRIES_FILE" in only_problem(WATCHWORD_COUNTRIES_FILE="relative.mmdb")
