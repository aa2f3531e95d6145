"""The failure of one notice or event delays no other one: it is retried, and given up visibly."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core import mail
from django.core.mail import EmailMessage
from django.db import OperationalError
from django.test import Client

from tests.alerts.playing import work
from tests.ports import free_ports
from tests.world import World, make_person, sign_in
from watchword.alerts import messages, outbox_consumer
from watchword.alerts.models import Alert, Notice
from watchword.alerts.notice_sender import send_waiting
from watchword.alerts.outbox_consumer import consume
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event, OutboxEvent
from watchword.audit.record import record
from watchword.core.keyring import KeyRing
from watchword.directory.models import SignInName, User
from watchword.signin.queries import text_number_of

MINUTE = timedelta(minutes=1)


class Inbox:
    """The messages that a mail server received."""

    def __init__(self) -> None:
        self.took: list[Envelope] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  (aiosmtpd)
        self.took.append(envelope)
        return "250 OK"


@contextmanager
def mail_server(settings: Any, *, utf8: bool) -> Iterator[Inbox]:
    """Configure mail to go through a real SMTP server, as the operator's settings would; yield its inbox."""
    inbox = Inbox()
    (port,) = free_ports(1)
    controller = Controller(inbox, hostname="127.0.0.1", port=port, loop=asyncio.new_event_loop(), enable_SMTPUTF8=utf8)
    settings.MAILERS = {
        "default": {
            "BACKEND": "watchword.config.email_backend.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": port, "timeout": 10},
        }
    }
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


def with_name(world: World, name: str) -> User:
    """Return a person with any name, as earlier releases allowed, whose mail goes to the mailbox itself."""
    user = make_person(world.organisation, "someone")
    User.objects.filter(pk=user.pk).update(sign_in_name=name, contact_mail="")
    SignInName.objects.filter(user=user).update(key=name)
    return User.objects.get(pk=user.pk)


def tell(user: User, world: World) -> None:
    record(EventKind.PASSWORD_CHANGED, now=world.now, subject=user, by=user)


def test_an_address_outside_ascii_is_mailed_where_the_server_takes_it(world: World, settings: Any) -> None:
    tell(with_name(world, "jürgen@harbour.example"), world)
    with mail_server(settings, utf8=True) as inbox:
        work(world.now)
    (envelope,) = inbox.took
    assert envelope.rcpt_tos == ["jürgen@harbour.example"]
    assert envelope.smtp_utf8
    assert "To: jürgen@harbour.example" in (envelope.original_content or b"").decode()
    assert Notice.objects.get().sent_at == world.now


def test_an_address_that_the_server_cannot_take_waits_and_stops_no_other(world: World, settings: Any) -> None:
    tell(with_name(world, "jürgen@harbour.example"), world)
    tell(world.alice, world)
    with mail_server(settings, utf8=False) as inbox:
        work(world.now)
    assert [envelope.rcpt_tos for envelope in inbox.took] == [["alice@elsewhere.example"]]
    waiting = Notice.objects.get(sent_at=None)
    assert (waiting.trouble, waiting.given_up_at) == ("SMTPNotSupportedError", None)
    assert waiting.next_try_at > world.now


@pytest.mark.breaks_invariants
@pytest.mark.parametrize(
    "name", ["a,b@harbour.example", "a<b@harbour.example", "a..b@harbour.example", "a b@x.example"]
)
def test_an_address_that_no_mail_can_carry_stops_no_other(world: World, settings: Any, name: str) -> None:
    tell(with_name(world, name), world)
    tell(world.alice, world)
    with mail_server(settings, utf8=True) as inbox:
        work(world.now)
    assert [envelope.rcpt_tos for envelope in inbox.took] == [["alice@elsewhere.example"]]
    assert Notice.objects.get(sent_at=None).trouble == "ValueError"


def test_a_notice_under_a_lost_key_stops_no_other_and_is_given_up_where_administrators_see_it(
    world: World, settings: Any
) -> None:
    lost = Notice.objects.none()
    tell(world.carol, world)
    consume(now=world.now)
    lost = Notice.objects.filter(user=world.carol)
    ring = KeyRing.parse("v1:other:ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=", random_source=lambda n: b"1" * n)
    lost.update(to=ring.seal(outbox_consumer.SEAL, b"carol@elsewhere.example"))
    tell(world.alice, world)
    assert [message.to for message in work(world.now)] == [["alice@elsewhere.example"]]
    assert lost.get().trouble == "KeyRingError"
    later = world.now + timedelta(days=2, minutes=1)
    assert work(later) == []
    assert lost.get().given_up_at == later
    given_up = Event.objects.get(kind=EventKind.WARNING_GIVEN_UP)
    assert (given_up.subject_name, given_up.reason) == (world.carol.sign_in_name, "KeyRingError")
    assert given_up.details["kind"] == EventKind.PASSWORD_CHANGED
    assert work(later + timedelta(days=1)) == []
    assert Alert.objects.get().rule == AlertRule.WARNING_GIVEN_UP


def test_many_warnings_given_up_are_one_alert(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_message: EmailMessage) -> int:
        raise ConnectionRefusedError

    for user in (world.alice, world.bob, world.carol):
        tell(user, world)
    consume(now=world.now)
    monkeypatch.setattr(EmailMessage, "send", fail)
    work(world.now + timedelta(days=2, minutes=1))
    consume(now=world.now + timedelta(days=2, minutes=1))
    alert = Alert.objects.get()
    assert (alert.times, alert.subject) == (3, None)
    assert set(alert.details["people"]) == {user.sign_in_name for user in (world.alice, world.bob, world.carol)}
    client = Client()
    sign_in(client, world.root)
    page = client.get("/admin/alerts/").content.decode()
    assert "A warning could not be sent, 3 times" in page
    assert "carol@harbour.example" in page


def test_pauses_between_tries_grow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_message: EmailMessage) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMessage, "send", fail)
    tell(world.alice, world)
    now, pauses = world.now, []
    consume(now=now)
    for _ in range(10):
        assert send_waiting(now=now, number_of=text_number_of) == 1
        following = Notice.objects.get().next_try_at
        pauses.append((following - now).total_seconds())
        now = following
    assert pauses == [20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_a_mistake_in_the_words_of_one_warning_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = messages.mail_of

    def fail_for_carol(notice: Notice, event: Event, to: str, link: str) -> EmailMessage:
        if notice.user == world.carol:
            raise KeyError("a word that is missing")
        return real(notice, event, to, link)

    monkeypatch.setattr(messages, "mail_of", fail_for_carol)
    for user in (world.carol, world.alice):
        tell(user, world)
    assert [message.to for message in work(world.now)] == [["alice@elsewhere.example"]]


def test_an_event_loses_no_try_by_a_database_that_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(world.alice, world)
    with monkeypatch.context() as failing:

        def fail(*_arguments: object) -> None:
            raise OperationalError("lock timeout")

        failing.setattr(outbox_consumer, "_warn_about", fail)
        for _ in range(20):
            with pytest.raises(OperationalError):
                consume(now=world.now)
    assert OutboxEvent.objects.get().tries == 0
    assert len(work(world.now)) == 1


def test_a_notice_keeps_its_place_while_the_database_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(world.alice, world)
    consume(now=world.now)
    with monkeypatch.context() as failing:

        def fail(*_arguments: object) -> None:
            raise OperationalError("server closed the connection")

        failing.setattr(messages, "mail_of", fail)
        with pytest.raises(OperationalError):
            send_waiting(now=world.now, number_of=text_number_of)
    assert Notice.objects.get().trouble == ""
    assert len(work(world.now + 2 * MINUTE)) == 1


def test_an_event_that_cannot_be_turned_into_a_warning_is_tried_with_pauses_and_then_told_of(world: World) -> None:
    record(EventKind.SIGN_IN_ALLOWED, now=world.now, subject=world.alice, notify=True, details={"credential": "junk"})
    now, tried_at = world.now, []
    while OutboxEvent.objects.filter(tries__lt=outbox_consumer.MOST_TRIES).exists():
        tried_at.append(now)
        consume(now=now)
        assert consume(now=now) == 0 or len(tried_at) == outbox_consumer.MOST_TRIES
        now = OutboxEvent.objects.get(event__reason="").next_try_at or now
    pauses = [(after - before).total_seconds() for before, after in pairwise(tried_at)]
    assert pauses == [10, 20, 40, 80, 160, 320, 640]
    consume(now=now)
    assert Alert.objects.get().rule == AlertRule.WARNING_GIVEN_UP
    assert mail.outbox == []


def test_an_alert_about_a_warning_that_fails_itself_begins_no_chain(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(EventKind.WARNING_GIVEN_UP, now=world.now, subject=world.alice, details={})

    def fail(*_arguments: object) -> None:
        raise KeyError

    monkeypatch.setattr(outbox_consumer, "_warn_about", fail)
    now = world.now
    for _ in range(20):
        consume(now=now)
        now += timedelta(hours=1)
    assert Event.objects.filter(kind=EventKind.WARNING_GIVEN_UP).count() == 1
