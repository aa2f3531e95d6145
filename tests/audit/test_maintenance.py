"""The last successful run of a backup, a drill and a restore is stored, and nothing of earlier runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from watchword.audit.maintenance import Task, last_run, note_run
from watchword.audit.models import MaintenanceRun


@pytest.mark.django_db
def test_only_the_last_run_of_each_task_is_stored() -> None:
    now = timezone.now()
    assert last_run(Task.BACKUP) is None
    note_run(Task.BACKUP, now=now - timedelta(days=1), details={"seal": "aa"})
    note_run(Task.DRILL, now=now)
    note_run(Task.BACKUP, now=now, details={"seal": "bb"})
    run = last_run(Task.BACKUP)
    assert run is not None
    assert (run.at, run.details) == (now, {"seal": "bb"})
    assert MaintenanceRun.objects.count() == 2
