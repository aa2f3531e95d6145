"""When maintenance last succeeded: backups, restore drills and restores. A task that never ran has no row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from watchword.audit.models import MaintenanceRun


class Task(StrEnum):
    """A task of maintenance. The values are stored: never change one, only add."""

    BACKUP = "backup"
    DRILL = "drill"
    RESTORE = "restore"
    ACCESS_LIST = "access_list"
    MOVE = "move"
    VERIFY = "verify"
    CERTIFICATE = "certificate"


def note_run(task: Task, *, now: datetime, details: Mapping[str, object] | None = None) -> None:
    """Record that a task has just succeeded; ``details`` must contain no secret. Only the last run is stored."""
    MaintenanceRun.objects.update_or_create(pk=task.value, defaults={"at": now, "details": dict(details or {})})


def last_run(task: Task) -> MaintenanceRun | None:
    """Return the last run of a task that succeeded; None if there was none."""
    return MaintenanceRun.objects.filter(pk=task.value).first()
