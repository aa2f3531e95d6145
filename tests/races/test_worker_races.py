"""Several workers at one moment: every warning is mailed once, and after a worker's death at most once more."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest
from django.db import connections

from tests.alerts.test_trouble_of_one_notice import mail_server, tell
from tests.races.parallel import in_processes
from tests.world import World, make_person, make_world
from watchword.alerts import notice_sender
from watchword.alerts.models import Notice
from watchword.alerts.notice_sender import LEASE, send_waiting
from watchword.alerts.outbox_consumer import consume
from watchword.signin.queries import text_number_of

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE, WORKERS = 20, 4


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other connections see them."""
    return make_world()


def work(world: World, *, later: bool = False) -> int:
    """Do what the jobs of one worker do, until nothing is left."""
    now = world.now + LEASE * 2 if later else world.now
    handled = 0
    while number := consume(now=now) + send_waiting(now=now, number_of=text_number_of):
        handled += number
    return handled


def test_of_four_workers_one_mails_each_warning(world: World, settings: Any) -> None:
    people = [make_person(world.organisation, f"driver{number}") for number in range(PEOPLE)]
    for user in people:
        tell(user, world)
    with mail_server(settings, utf8=True) as inbox:
        in_processes(WORKERS, 1, lambda _which: work(world))
        work(world)
    assert sorted(envelope.rcpt_tos for envelope in inbox.took) == sorted([user.contact_mail] for user in people)
    assert Notice.objects.filter(sent_at=None).count() == 0


def test_flt_08_a_worker_killed_while_it_mails_causes_one_second_copy_at_most(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail server has the warning, the worker has not noted it yet: the next one sends the same message again."""
    people = [make_person(world.organisation, f"driver{number}") for number in range(3)]
    for user in people:
        tell(user, world)
    with mail_server(settings, utf8=True) as inbox:
        connections.close_all()
        child = os.fork()
        if child == 0:
            # The first delivery returns, and nothing after it happens any more.
            original = notice_sender._mail_of

            def dying(notice: Notice) -> Any:
                message = original(notice)
                send = message.send

                def send_and_die(*arguments: Any, **named: Any) -> int:
                    send(*arguments, **named)
                    os.kill(os.getpid(), signal.SIGKILL)
                    raise AssertionError("dead")

                monkeypatch.setattr(message, "send", send_and_die)
                return message

            monkeypatch.setattr(notice_sender, "_mail_of", dying)
            try:
                work(world)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert len(inbox.took) == 1
        others = [threading.Thread(target=_work_and_close, args=(world,)) for _ in range(2)]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join(60)
        work(world, later=True)
    messages = [_message_id(envelope.original_content or b"") for envelope in inbox.took]
    assert len(messages) == len(people) + 1
    assert len(set(messages)) == len(people), "the second copy has the Message-ID of the first"


def _work_and_close(world: World) -> None:
    try:
        work(world)
    finally:
        connections.close_all()


def _message_id(content: bytes) -> bytes:
    return next(line for line in content.splitlines() if line.lower().startswith(b"message-id:"))
