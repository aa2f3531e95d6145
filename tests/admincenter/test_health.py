"""The page Health, its report, and the banner that says that warnings can't be mailed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.pages import text
from tests.world import World, make_person, sign_in
from watchword.admincenter.reports import health_report
from watchword.alerts import undelivered
from watchword.alerts.models import By, Notice
from watchword.audit.heartbeats import LATE, ProcessHeart
from watchword.audit.maintenance import Task, note_run
from watchword.audit.models import Heartbeat, SealingKey
from watchword.directory.models import User
from watchword.directory.roles import Role

BANNER = "Warnings can't be mailed, so neither"


def all_well(now: datetime) -> None:
    """Plant an installation without problems."""
    for process in ("web", "mail", "worker", "phones"):
        Heartbeat.objects.create(
            process=process,
            host="node1",
            pid=1,
            release="0.1.0",
            started_at=now,
            seen_at=now,
            is_clock_synchronised=True,
        )
    for task in (Task.BACKUP, Task.DRILL, Task.VERIFY):
        note_run(task, now=now)
    User.objects.filter(sign_in_name="root@harbour.example").update(emergency_since=now)


def failed_mail(now: datetime, key: str, **columns: Any) -> Notice:
    given = {"tries": 4, "trouble": "SMTPServerDisconnected", "next_try_at": now, **columns}
    return Notice.objects.create(
        rule="code_missing", event_id=1, by=By.MAIL, to=b"", merge_key=key, created_at=now, **given
    )


def codes(now: datetime) -> set[str]:
    return {problem.code for problem in health_report.read(now=now).problems}


def test_a_sound_installation_has_no_problems(world: World) -> None:
    all_well(world.now)
    assert codes(world.now) == set()


def test_an_installation_that_was_just_made_says_what_is_missing(world: World) -> None:
    assert codes(world.now) == {
        "process.missing",
        "backup.never",
        "drill.never",
        "verify.never",
        "emergency_access.none",
    }


def test_a_process_that_ended_without_a_word_is_a_problem(world: World) -> None:
    all_well(world.now - LATE)
    Heartbeat.objects.exclude(process="mail").update(seen_at=world.now + timedelta(seconds=1))
    assert codes(world.now + timedelta(seconds=1)) == {"process.late"}
    Heartbeat.objects.filter(process="worker").update(seen_at=world.now - LATE)
    assert "process.missing" in codes(world.now + timedelta(seconds=1))


def test_what_was_done_too_long_ago_is_a_problem(world: World) -> None:
    all_well(world.now)
    SealingKey.objects.create(key_id="k1", probe=b"", first_used_at=world.now)
    later = world.now + timedelta(days=401)
    Heartbeat.objects.update(seen_at=later)
    assert codes(later) == {"backup.old", "drill.old", "verify.old", "key.old", "emergency_access.untested"}


def test_a_certificate_that_ends_soon_is_a_problem(world: World) -> None:
    all_well(world.now)
    for days, expected in ((15, set()), (13, {"certificate.expires"}), (-1, {"certificate.expires"})):
        ends = world.now + timedelta(days=days)
        note_run(Task.CERTIFICATE, now=world.now, details={"expires_at": ends.isoformat()})
        assert codes(world.now) == expected


def test_a_wrong_clock_of_a_node_is_a_problem_with_its_name(world: World) -> None:
    all_well(world.now)
    Heartbeat.objects.filter(process="web").update(host="node2", clock_offset_ms=-31_000)
    (problem,) = health_report.read(now=world.now).problems
    assert problem.words == "node2: the clock is 31.0 s behind the database server's."


def test_queues_that_stand_still_are_problems(world: World) -> None:
    all_well(world.now)
    failed_mail(world.now, "a", tries=0, trouble="")
    assert codes(world.now + timedelta(minutes=14)) - {"process.late", "process.missing"} == set()
    assert "queue.late" in codes(world.now + timedelta(minutes=16))


@pytest.mark.parametrize("role", list(Role))
def test_every_administrator_sees_health_and_no_name_of_a_person(client: Client, world: World, role: Role) -> None:
    all_well(world.now)
    sign_in(client, make_person(world.organisation, "rita", roles=(role,)))
    response = client.get("/admin/health/")
    page = text(response.content)
    assert response.status_code == 200
    for word in ("node1", "Backup", "Warnings not mailed"):
        assert word in page
    assert "alice@" not in response.content.decode()


def test_mails_that_fail_for_minutes_are_told_on_every_page_of_an_administrator(root: Client, world: World) -> None:
    notice = failed_mail(world.now, "a")
    assert BANNER not in text(root.get("/admin/users/").content)
    Notice.objects.filter(pk=notice.pk).update(created_at=world.now - timedelta(minutes=11))
    assert BANNER in text(root.get("/admin/users/").content)
    assert "Warnings can't be mailed: 1 wait." in text(root.get("/admin/health/").content)
    Notice.objects.filter(pk=notice.pk).update(sent_at=world.now)
    assert BANNER not in text(root.get("/admin/users/").content)


def test_without_a_mail_server_the_banner_says_so(root: Client, world: World, settings: Any) -> None:
    settings.WATCHWORD_CAN_MAIL = False
    assert BANNER in text(root.get("/admin/users/").content)
    assert "mail.none" in codes(world.now)


def test_mails_given_up_are_counted_for_a_week(world: World) -> None:
    all_well(world.now)
    failed_mail(world.now, "a", given_up_at=world.now)
    assert codes(world.now) == {"mail.given_up"}
    assert undelivered.unmailed(now=world.now + timedelta(days=8)).given_up == 0


def test_warnings_that_can_not_be_mailed_are_logged_as_an_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    failed_mail(world.now, "a")
    undelivered.report_stuck(now=world.now)
    assert caplog.records == []
    undelivered.report_stuck(now=world.now + timedelta(minutes=20))
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "1 warnings not mailed, the oldest for 20 minutes")


def test_the_heartbeat_of_this_process_is_on_the_page(root: Client, world: World) -> None:
    ProcessHeart("worker").beat(now=world.now)
    assert "worker" in text(root.get("/admin/health/").content)
