"""Heartbeats of processes, and what is known of their clocks."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from watchword.audit import clock, heartbeats
from watchword.audit.heartbeats import LATE, STORED, ProcessHeart
from watchword.audit.maintenance import Task, last_run
from watchword.audit.models import Heartbeat

pytestmark = pytest.mark.django_db


def test_a_process_that_beats_is_found_and_one_that_stopped_beating_is_not() -> None:
    now = timezone.now()
    heart = ProcessHeart("mail", now=now)
    heart.beat(now=now)
    heart.beat(now=now + timedelta(seconds=10))
    row = heartbeats.of_this_host("mail", now=now + timedelta(seconds=20))
    assert row is not None
    assert (row.started_at, row.seen_at) == (now, now + timedelta(seconds=10))
    assert heartbeats.of_this_host("worker", now=now) is None
    assert heartbeats.of_this_host("mail", now=now + timedelta(seconds=11) + LATE) is None


def test_the_row_of_a_process_killed_on_this_machine_goes_with_the_next_start_and_no_other_row_does() -> None:
    now = timezone.now()
    killed = {"process": "mail", "release": "0", "started_at": now - LATE * 3, "seen_at": now - LATE * 2}
    for host, pid in (("elsewhere.example", 1), (heartbeats.host_name(), 1)):
        Heartbeat.objects.create(**killed, host=host, pid=pid)
    Heartbeat.objects.create(**{**killed, "seen_at": now}, host=heartbeats.host_name(), pid=2)
    ProcessHeart("mail").beat(now=now)
    assert set(Heartbeat.objects.exclude(pid__gt=2).values_list("host", "pid")) == {
        ("elsewhere.example", 1),
        (heartbeats.host_name(), 2),
    }


def test_rows_of_ended_processes_are_deleted_after_a_day() -> None:
    now = timezone.now()
    heart = ProcessHeart("web")
    heart.beat(now=now - STORED - timedelta(seconds=1))
    ProcessHeart("worker").beat(now=now)
    assert heartbeats.forget_old(now=now) == 1
    assert list(Heartbeat.objects.values_list("process", flat=True)) == ["worker"]


@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_stopped_leaves_no_row() -> None:
    heart = ProcessHeart("phones")
    heart.beat(now=timezone.now())
    heart.stop()
    assert not Heartbeat.objects.exists()


def test_a_database_that_can_not_be_used_is_logged_and_ends_no_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beats = []
    third = threading.Event()

    def fail(_heart: ProcessHeart, *, now: object) -> None:
        beats.append(now)
        if len(beats) == 3:
            third.set()
        raise OperationalError

    monkeypatch.setattr(ProcessHeart, "beat", fail)
    monkeypatch.setattr(connection, "close", lambda: None)
    monkeypatch.setattr(heartbeats, "EVERY_SECONDS", 0.0)

    async def beat_for_a_while() -> None:
        task = asyncio.create_task(ProcessHeart("mail").keep_beating())
        await asyncio.to_thread(third.wait)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(beat_for_a_while())
    assert {getattr(record, "event", "") for record in caplog.records} == {"heartbeat.deferred"}


def test_a_verified_database_tells_when_it_was_verified(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("verify")
    run = last_run(Task.VERIFY)
    assert run is not None
    assert timezone.now() - run.at < timedelta(minutes=1)


def test_the_kernel_says_whether_the_clock_is_synchronised() -> None:
    assert clock.is_synchronised() in {True, False}


@pytest.mark.postgres
def test_the_clock_of_a_database_on_this_machine_is_the_same() -> None:
    offset = clock.offset_from_database()
    assert offset is not None
    assert abs(offset) < clock.LARGEST_OFFSET


@pytest.mark.parametrize(
    ("offset", "synchronised", "words"),
    [
        (None, None, ""),
        (None, True, ""),
        (timedelta(seconds=1), True, ""),
        (timedelta(seconds=-30), True, "the clock is 30.0 s behind the database server's"),
        (timedelta(hours=1), False, "the clock is 3600.0 s ahead of the database server's"),
        (timedelta(0), False, "the clock follows no time server"),
    ],
)
def test_a_wrong_clock_is_described(offset: timedelta | None, synchronised: bool | None, words: str) -> None:
    assert clock.trouble_of_clock(offset, synchronised=synchronised) == words
