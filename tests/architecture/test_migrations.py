"""Migrations: one initial one for each app, descriptive names, and a previous release that goes on serving."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import migrations, models
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from watchword.audit import installation
from watchword.audit.models import Release
from watchword.cli import migration_rules

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path for path in (ROOT / "watchword").rglob("migrations") if path.is_dir())
MADE_UP_BY_DJANGO = re.compile(r"\d{4}_auto_|_and_more$|^\d{4}_(alter|add|remove|rename|delete)_\w+_\w+_\w+_\w+_\w+_")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_an_app_begins_with_one_migration_and_names_the_later_ones(folder: Path) -> None:
    names = sorted(path.stem for path in folder.glob("[0-9]*.py"))
    assert names[0] == "0001_initial"
    assert [name for name in names[1:] if name.endswith("initial") or MADE_UP_BY_DJANGO.search(name)] == []


def test_the_folders_of_migrations_are_found() -> None:
    assert {"audit", "directory", "factors", "messaging", "signin"} <= {folder.parent.name for folder in FOLDERS}


def later_migrations() -> list[tuple[Migration, ProjectState]]:
    """Return every migration after the initial ones, each with the state before it."""
    loader = MigrationLoader(None)
    state = loader.project_state([])
    found = []
    for node in loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True):
        migration = loader.graph.nodes[node]
        if node[1] != "0001_initial" and (ROOT / migration.__module__.replace(".", "/")).with_suffix(".py").exists():
            found.append((migration, state.clone()))
        state = migration.mutate_state(state)
    return found


def problems_of(migration: Migration, before: ProjectState) -> list[str]:
    """Return why the previous release can't go on serving, unless the migration says so and the release is raised."""
    reasons = migration_rules.why_contracting(migration, before)
    lowest = migration_rules.lowest_release_of(migration)
    if reasons and lowest:
        return (
            []
            if installation.may_serve(installation.LOWEST_RELEASE, Release(lowest=lowest))
            else [f"LOWEST_RELEASE must be at least {lowest}"]
        )
    return reasons


def test_a_later_migration_lets_the_previous_release_serve_or_raises_the_lowest_release() -> None:
    later = later_migrations()
    assert ("audit", "0002_maintenance_run") in {(each.app_label, each.name) for each, _state in later}
    assert {each.name: problems for each, state in later if (problems := problems_of(each, state))} == {}


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (migrations.RemoveField("seal", "at"), "still reads or writes"),
        (migrations.RenameField("seal", "at", "sealed_at"), "still reads or writes"),
        (migrations.RenameModel("Seal", "Stamp"), "still reads or writes"),
        (migrations.DeleteModel("Repeat"), "still reads or writes"),
        (migrations.AlterUniqueTogether("seal", {("number", "at")}), "still reads or writes"),
        (migrations.AddField("seal", "place", models.CharField(max_length=3)), "writes rows without it"),
        (migrations.AddField("seal", "place", models.CharField(max_length=3, default="")), "writes rows without it"),
        (migrations.AlterField("event", "actor_id", models.UUIDField()), "writes NULL there"),
        (migrations.AlterField("event", "reason", models.CharField(max_length=8)), "writes longer texts"),
        (migrations.AlterField("event", "reason", models.TextField(unique=True)), "the same value twice"),
        (migrations.AlterField("event", "reason", models.JSONField()), "has another type"),
        (
            migrations.AddConstraint("seal", models.CheckConstraint(condition=models.Q(number__gt=0), name="some")),
            "may write rows that the constraint refuses",
        ),
        (migrations.RunPython(migrations.RunPython.noop), "code of its own"),
        (migrations.RunSQL("DELETE FROM audit_repeat"), "code of its own"),
    ],
)
def test_a_planted_contraction_is_found(operation: Operation, says: str) -> None:
    migration, before = planted(operation)
    (problem,) = problems_of(migration, before)
    assert says in problem
    migration.lowest_release = "99.0"  # type: ignore[attr-defined]  # (Django does not know the attribute)
    assert problems_of(migration, before) == ["LOWEST_RELEASE must be at least 99.0"]
    migration.lowest_release = "0.1.0"  # type: ignore[attr-defined]  # (Django does not know the attribute)
    assert problems_of(migration, before) == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.CreateModel("Stamp", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("seal", "place", models.CharField(max_length=3, null=True)),
        migrations.AddField("seal", "place", models.CharField(max_length=3, default="", db_default="")),
        migrations.AddIndex("seal", models.Index(fields=["at"], name="some")),
        migrations.AlterField("event", "reason", models.CharField(max_length=80, help_text="wider")),
        migrations.AlterField("event", "at", models.DateTimeField(null=True)),
    ],
)
def test_an_expansion_is_let_through(operation: Operation) -> None:
    assert problems_of(*planted(operation)) == []


def test_code_that_says_why_it_is_no_obstacle_is_let_through() -> None:
    migration, before = planted(migrations.RunPython(migrations.RunPython.noop))
    migration.previous_release_serves = "it fills a column that the previous release does not know"  # type: ignore[attr-defined]  # (Django does not know the attribute)
    assert problems_of(migration, before) == []


def planted(operation: Operation) -> tuple[Migration, ProjectState]:
    """Return a migration of the audit log with one operation, and the state of today."""
    planted_one = type("Planted", (Migration,), {"operations": [operation]})
    return planted_one("0999_planted", "audit"), MigrationLoader(None).project_state()
