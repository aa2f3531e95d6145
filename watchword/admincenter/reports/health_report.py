"""The health of the installation, read at one time: processes, queues, gateways, maintenance, keys, mails, clocks.

The page *Health*, `watchword health` and the metrics show the same report. It names no person and no address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, QuerySet
from django.utils.translation import gettext as _

from watchword.admincenter.phones.gateways import GatewayRow, gateway_rows
from watchword.alerts import undelivered
from watchword.alerts.models import Notice
from watchword.alerts.outbox_consumer import MOST_TRIES
from watchword.audit import clock, heartbeats
from watchword.audit.maintenance import Task
from watchword.audit.models import Heartbeat, MaintenanceRun, OutboxEvent, SealingKey
from watchword.messaging.models import OutboxMessage
from watchword.signin import emergency_access

BACKUP_WITHIN = timedelta(days=2)
DRILL_WITHIN = timedelta(days=100)
VERIFY_WITHIN = timedelta(days=8)
KEY_WITHIN = timedelta(days=400)
CERTIFICATE_LEFT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process that serves, or served until it ended without a word."""

    process: str
    host: str
    release: str
    started_at: datetime
    seen_at: datetime
    is_late: bool
    clock_offset: timedelta | None
    clock_trouble: str


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue: how many rows wait in it, since when the oldest one, and the age from which on that is too long."""

    name: str
    waiting: int
    oldest_at: datetime | None
    at_most: timedelta

    def is_late(self, now: datetime) -> bool:
        """Return whether the oldest row has waited too long."""
        return self.oldest_at is not None and now - self.oldest_at > self.at_most


@dataclass(frozen=True, slots=True)
class RunRow:
    """One task of maintenance: when it last succeeded, if ever, and how often it should."""

    task: Task
    at: datetime | None
    within: timedelta

    def is_late(self, now: datetime) -> bool:
        """Return whether it should have run again by now."""
        return self.at is None or now - self.at > self.within


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key that seals values, and the time of its first use."""

    key_id: str
    first_used_at: datetime


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """Something that an operator has to look at: a stable code, and what is wrong in one sentence."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Everything that the report knows."""

    at: datetime
    processes: Sequence[ProcessRow]
    queues: Sequence[QueueRow]
    gateways: Sequence[GatewayRow]
    runs: Sequence[RunRow]
    keys: Sequence[KeyRow]
    certificate_expires_at: datetime | None
    unmailed: undelivered.Unmailed
    emergency: emergency_access.EmergencyReadiness

    @property
    def problems(self) -> Sequence[HealthProblem]:
        """Return what has to be looked at, the most urgent first."""
        return [
            *_of_processes(self),
            *_of_mails(self),
            *_of_queues(self),
            *_of_gateways(self),
            *_of_clocks(self),
            *_of_certificate(self),
            *_of_maintenance(self),
            *_of_keys(self),
            *_of_emergency_access(self),
        ]


def read(*, now: datetime) -> HealthReport:
    """Return the report. Only reads."""
    runs = {run.task: run for run in MaintenanceRun.objects.all()}
    certificate = runs.get(Task.CERTIFICATE.value)
    return HealthReport(
        at=now,
        processes=[_process(row, now) for row in Heartbeat.objects.order_by("process", "host", "started_at")],
        queues=_queues(),
        gateways=gateway_rows(now=now),
        runs=[
            RunRow(task, runs[task.value].at if task.value in runs else None, within)
            for task, within in (
                (Task.BACKUP, BACKUP_WITHIN),
                (Task.DRILL, DRILL_WITHIN),
                (Task.VERIFY, VERIFY_WITHIN),
            )
        ],
        keys=[
            KeyRow(row.key_id, row.first_used_at)
            for row in SealingKey.objects.filter(retired_at=None).order_by("first_used_at")
        ],
        certificate_expires_at=_expiry(certificate),
        unmailed=undelivered.unmailed(now=now),
        emergency=emergency_access.readiness(),
    )


def _process(row: Heartbeat, now: datetime) -> ProcessRow:
    offset = None if row.clock_offset_ms is None else timedelta(milliseconds=row.clock_offset_ms)
    return ProcessRow(
        process=row.process,
        host=row.host,
        release=row.release,
        started_at=row.started_at,
        seen_at=row.seen_at,
        is_late=now - row.seen_at > heartbeats.LATE,
        clock_offset=offset,
        clock_trouble=clock.trouble_of_clock(offset, synchronised=row.is_clock_synchronised),
    )


def _queues() -> list[QueueRow]:
    events = OutboxEvent.objects.filter(tries__lt=MOST_TRIES)
    notices = Notice.objects.filter(sent_at=None, given_up_at=None)
    # Reading the first event by its key costs less than joining all that wait.
    oldest = events.order_by("pk").select_related("event").first()
    return [
        QueueRow("events", events.count(), oldest.event.at if oldest else None, timedelta(minutes=5)),
        _queue("notices", notices, "created_at", timedelta(minutes=15)),
        _queue("messages", OutboxMessage.objects.all(), "delivery__created_at", timedelta(minutes=1)),
    ]


def _queue(name: str, rows: QuerySet[Notice] | QuerySet[OutboxMessage], since: str, at_most: timedelta) -> QueueRow:
    found = rows.aggregate(waiting=Count("pk"), oldest=Min(since))
    return QueueRow(name, found["waiting"], found["oldest"], at_most)


def _expiry(run: MaintenanceRun | None) -> datetime | None:
    if run is None or not isinstance(text := run.details.get("expires_at"), str):
        return None
    return datetime.fromisoformat(text)


def _of_processes(report: HealthReport) -> Iterator[HealthProblem]:
    running = {row.process for row in report.processes if not row.is_late}
    needed = {"web", "worker"} | ({"phones"} if settings.WATCHWORD_PHONES.gateways else set())
    for process in sorted(needed - running):
        yield HealthProblem("process.missing", _("No process %(process)s is running.") % {"process": process})
    for row in report.processes:
        if row.is_late and row.process in running | {"mail"}:
            told = {"process": row.process, "host": row.host}
            yield HealthProblem("process.late", _("A process %(process)s on %(host)s ended without a word.") % told)


def _of_mails(report: HealthReport) -> Iterator[HealthProblem]:
    if not settings.WATCHWORD_CAN_MAIL:
        yield HealthProblem("mail.none", _("No mail server is set, so nobody is warned by mail (WATCHWORD_SMTP_URL)."))
    elif report.unmailed.is_stuck:
        yield HealthProblem(
            "mail.stuck", _("Warnings can't be mailed: %(number)d wait.") % {"number": report.unmailed.waiting}
        )
    if report.unmailed.given_up:
        said = _("%(number)d warnings of the last seven days were given up.") % {"number": report.unmailed.given_up}
        yield HealthProblem("mail.given_up", said)


def _of_queues(report: HealthReport) -> Iterator[HealthProblem]:
    for queue in report.queues:
        if queue.name == "notices" and report.unmailed.is_stuck:
            continue
        if queue.oldest_at is not None and queue.is_late(report.at):
            told = {
                "queue": QUEUE_NAMES[queue.name](),
                "minutes": (report.at - queue.oldest_at) // timedelta(minutes=1),
            }
            yield HealthProblem("queue.late", _("%(queue)s: the oldest has waited for %(minutes)d minutes.") % told)


QUEUE_NAMES = {
    "events": lambda: _("Events to look at for warnings"),
    "notices": lambda: _("Warnings to send"),
    "messages": lambda: _("Texts and calls to send"),
}
"""What each queue holds, for people."""

RUN_NAMES = {
    Task.BACKUP: lambda: _("Backup"),
    Task.DRILL: lambda: _("Restore drill"),
    Task.VERIFY: lambda: _("Check of the database"),
}
"""The tasks of maintenance, for people."""


def _of_gateways(report: HealthReport) -> Iterator[HealthProblem]:
    for gateway in report.gateways:
        if gateway.standing == "down":
            yield HealthProblem("gateway.down", _("The gateway %(name)s is down.") % {"name": gateway.name})


def _of_clocks(report: HealthReport) -> Iterator[HealthProblem]:
    troubles = {(row.host, row.clock_trouble) for row in report.processes if row.clock_trouble and not row.is_late}
    for host, trouble in sorted(troubles):
        yield HealthProblem("clock.wrong", _("%(host)s: %(trouble)s.") % {"host": host, "trouble": trouble})


def _of_certificate(report: HealthReport) -> Iterator[HealthProblem]:
    ends = report.certificate_expires_at
    if ends is not None and ends - report.at < CERTIFICATE_LEFT:
        days = max(0, (ends - report.at) // timedelta(days=1))
        said = _("The certificate of the public address expires in %(days)d days.") % {"days": days}
        yield HealthProblem("certificate.expires", said)


def _of_maintenance(report: HealthReport) -> Iterator[HealthProblem]:
    for run in report.runs:
        name = RUN_NAMES[run.task]()
        if run.at is None:
            yield HealthProblem(f"{run.task}.never", _("%(task)s: never done.") % {"task": name})
        elif run.is_late(report.at):
            told = {"task": name, "days": (report.at - run.at) // timedelta(days=1)}
            yield HealthProblem(f"{run.task}.old", _("%(task)s: the last one is %(days)d days old.") % told)


def _of_keys(report: HealthReport) -> Iterator[HealthProblem]:
    if report.keys and report.at - report.keys[-1].first_used_at > KEY_WITHIN:
        days = (report.at - report.keys[-1].first_used_at) // timedelta(days=1)
        yield HealthProblem("key.old", _("The newest key has sealed for %(days)d days; rotate it.") % {"days": days})


def _of_emergency_access(report: HealthReport) -> Iterator[HealthProblem]:
    if report.emergency.organisations_without:
        said = _(
            "There is no emergency access account for the time when no administrator can sign in "
            "(watchword emergency-access)."
        )
        yield HealthProblem("emergency_access.none", said)
    tested_at = report.emergency.tested_at
    if tested_at is not None and report.at - tested_at > emergency_access.TEST_WITHIN:
        said = _("An emergency access account was last tried %(days)d days ago; sign in with it.")
        yield HealthProblem("emergency_access.untested", said % {"days": (report.at - tested_at) // timedelta(days=1)})
