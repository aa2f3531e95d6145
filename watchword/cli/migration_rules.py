"""Says of each migration whether the previous release may serve while it runs and afterwards: whether it only expands.

A migration that contracts (removes, renames or demands what the previous release does not know) says so by a class
attribute ``lowest_release``, which LOWEST_RELEASE must have reached. One that runs code or SQL of its own says by
``previous_release_serves`` why that is no obstacle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.migrations import Migration
from django.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    AlterModelManagers,
    AlterModelOptions,
    CreateModel,
    RemoveConstraint,
    RemoveIndex,
    RenameIndex,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import CharField, Field, IntegerField
from django.db.models.fields import NOT_PROVIDED

_FREE: Mapping[type[Operation], str] = {
    CreateModel: "a new table",
    AddIndex: "an index",
    RemoveIndex: "an index less",
    RenameIndex: "an index renamed",
    RemoveConstraint: "a constraint less",
    AlterModelOptions: "options of Python",
    AlterModelManagers: "managers of Python",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a migration: what it does, on which table, and why the previous release can't stand it."""

    words: str
    table: str
    why_contracting: str = ""


def steps_of(migration: Migration, before: ProjectState) -> Iterator[Step]:
    """Yield the operations of a migration, judged against the state before it. ``before`` is not changed."""
    state = before.clone()
    for operation in migration.operations:
        yield from _steps(operation, migration, state)
        operation.state_forwards(migration.app_label, state)


def why_contracting(migration: Migration, before: ProjectState) -> list[str]:
    """Return why the previous release can't serve during and after a migration; empty if it can."""
    return [f"{step.words}: {step.why_contracting}" for step in steps_of(migration, before) if step.why_contracting]


def lowest_release_of(migration: Migration) -> str:
    """Return the release that a contracting migration names as the lowest that may serve; empty if none."""
    return str(getattr(migration, "lowest_release", ""))


def _steps(operation: Operation, migration: Migration, state: ProjectState) -> Iterator[Step]:
    if isinstance(operation, SeparateDatabaseAndState):
        for each in operation.database_operations:
            yield from _steps(each, migration, state)
        return
    yield Step(operation.describe(), _table(operation, migration, state), _why(operation, migration, state))


def _why(operation: Operation, migration: Migration, state: ProjectState) -> str:
    if type(operation) in _FREE:
        return ""
    if isinstance(operation, AddField):
        return _why_not_added(operation.field)
    if isinstance(operation, AlterField):
        before = state.models[migration.app_label, operation.model_name_lower].get_field(operation.name)
        return _why_not_altered(before, operation.field)
    if isinstance(operation, (RunPython, RunSQL)):
        is_explained = bool(getattr(migration, "previous_release_serves", ""))
        return "" if is_explained else "code of its own, and no previous_release_serves says why that is no obstacle"
    if isinstance(operation, AddConstraint):
        return "the previous release may write rows that the constraint refuses"
    return "the previous release still reads or writes what it takes away"


def _why_not_added(field: Field[object, object]) -> str:
    if field.many_to_many or field.null or field.db_default is not NOT_PROVIDED:
        return ""
    # Django gives the default to the rows that are there, and takes it away from the column again.
    return "the previous release writes rows without it: it needs null=True or a db_default"


def _why_not_altered(before: Field[object, object], after: Field[object, object]) -> str:
    if before.null and not after.null:
        return "the previous release writes NULL there"
    if not before.unique and after.unique:
        return "the previous release may write the same value twice"
    if type(before) is not type(after) and not (isinstance(before, IntegerField) and isinstance(after, IntegerField)):
        return "the column has another type"
    if isinstance(before, CharField) and isinstance(after, CharField):
        lengths = (before.max_length or 0, after.max_length or 0)
        if lengths[1] < lengths[0]:
            return "the previous release writes longer texts"
    if before.db_default is not NOT_PROVIDED and after.db_default is NOT_PROVIDED and not after.null:
        return "the previous release writes rows without it"
    if before.db_column != after.db_column:
        return "the column has another name"
    return ""


def _table(operation: Operation, migration: Migration, state: ProjectState) -> str:
    """Return the name of the table that an operation touches and that is there already; empty if none."""
    name = getattr(operation, "model_name", None) or getattr(operation, "name", None)
    model = state.models.get((migration.app_label, str(name).lower()))
    if model is None or isinstance(operation, (CreateModel, AlterModelOptions, AlterModelManagers)):
        return ""
    return str(model.options.get("db_table") or f"{migration.app_label}_{model.name_lower}")
