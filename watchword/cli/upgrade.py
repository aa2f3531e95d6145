"""`watchword upgrade`: says what an upgrade would do to the database, takes a backup, and migrates.

The times are estimates, from rates well below what was measured on a small machine (200,000 events: an index in 0.1 s,
a copy of the table in 0.13 s, both from memory).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchword import __version__
from watchword.cli.main import run, set_up_django

if TYPE_CHECKING:
    from watchword.cli.migration_rules import Step

INDEXED_ROWS_EACH_SECOND = 500_000
COPIED_ROWS_EACH_SECOND = 100_000
CHECKED_SEALS = 20
_BUILD = ("Create index", "Create constraint")
"""How Django describes what reads a whole table, and lets its readers go on."""


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """A migration that would run, with the steps that it consists of."""

    name: str
    steps: tuple[Step, ...]

    @property
    def why_contracting(self) -> list[str]:
        """Why the previous release can't serve during and after it; empty if it can."""
        return [f"{self.name}: {step.words}: {step.why_contracting}" for step in self.steps if step.why_contracting]


def upgrade(arguments: Sequence[str]) -> int:
    """Run the command; return 0 if nothing is left to do, or with ``--plan`` if the plan could be made, else 1."""
    parser = argparse.ArgumentParser(
        prog="watchword upgrade",
        description="Bring the database up to this release: say what would be done, take a backup, and migrate.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", action="store_true", help="only say what would be done, and change nothing")
    what.add_argument("--backup", metavar="FILE|FOLDER", help="take a backup there first")
    what.add_argument("--no-backup", action="store_true", help="you have a backup of this moment")
    config = parser.parse_args(arguments)
    if set_up_django() != 0:
        return 1
    from watchword.cli import readiness

    if reason := readiness.why_not_migratable():
        print(f"watchword upgrade: {reason}", file=sys.stderr)
        return 1
    planned = plan()
    _print_plan(planned)
    if config.plan:
        return 0
    if config.backup and (status := run("backup", [config.backup])) != 0:
        print("watchword upgrade: without a backup nothing was migrated.", file=sys.stderr)
        return status
    return run("migrate", [])


def plan() -> list[PlannedMigration]:
    """Return the migrations that would run, in their order."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from watchword.cli.migration_rules import steps_of

    executor = MigrationExecutor(connection)
    todo = {migration for migration, _backwards in executor.migration_plan(executor.loader.graph.leaf_nodes())}
    planned = []
    state = executor.loader.project_state([])
    for migration, _backwards in executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True):
        if migration in todo:
            steps = tuple(steps_of(migration, state))
            planned.append(PlannedMigration(f"{migration.app_label}.{migration.name}", steps))
        state = migration.mutate_state(state)
    return planned


def check_newest_seals() -> list[str]:
    """Return what is wrong with the newest seals of the log: quick, however long the log is."""
    from watchword.audit import hash_chain

    return list(hash_chain.look(newest=CHECKED_SEALS).problems)


def _print_plan(planned: list[PlannedMigration]) -> None:
    from watchword.audit import installation
    from watchword.audit.models import Release
    from watchword.cli.readiness import has_table

    row = installation.noted_release() if has_table(Release._meta.db_table) else None
    print(f"This is Watchword {__version__}; the database was migrated by {row.migrated_by if row else 'none so far'}.")
    if not planned:
        print("The database is up to date: nothing would be migrated.")
        return
    print(f"{len(planned)} migrations would run:")
    for migration in planned:
        print(f"  {migration.name}")
        for step in migration.steps:
            print(f"    {step.words}{_locks(step)}")
    reasons = [reason for migration in planned for reason in migration.why_contracting]
    if row is None:
        print("Nothing is served from the database yet.")
    elif reasons:
        print("Stop the previous release first, on every node:")
        for reason in reasons:
            print(f"  {reason}")
    else:
        print("The previous release may go on serving meanwhile.")
    _print_backup()


def _print_backup() -> None:
    from watchword.audit.maintenance import Task, last_run
    from watchword.audit.models import MaintenanceRun
    from watchword.cli.readiness import has_table

    last = last_run(Task.BACKUP) if has_table(MaintenanceRun._meta.db_table) else None
    when = f"{last.at:%Y-%m-%d %H:%M:%S} UTC" if last is not None else "not known"
    print(f"Last backup: {when}. Take one first: `watchword upgrade --backup FOLDER` does so and migrates.")


def _locks(step: Step) -> str:
    """Return what a step on a table that has rows keeps waiting, and for about how long."""
    from django.db import connection

    from watchword.cli.readiness import has_table

    if not step.table or not has_table(step.table):
        return ""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(step.table)}")  # noqa: S608  (a model's table)
        rows = cursor.fetchone()[0]
    if step.words.startswith(_BUILD):
        seconds, whom = rows / INDEXED_ROWS_EACH_SECOND, "writers wait"
    elif connection.vendor == "sqlite":
        # SQLite changes most things by copying the table.
        seconds, whom = rows / COPIED_ROWS_EACH_SECOND, "writers wait"
    else:
        seconds, whom = 0.0, "everybody waits, for a moment, once running transactions have ended"
    time = f", about {seconds:.0f} s" if seconds >= 1 else ""
    return f" ({step.table}, {rows} rows: {whom}{time})"
