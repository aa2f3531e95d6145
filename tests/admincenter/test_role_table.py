"""The documentation of the roles is generated from the table that the code uses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from tests.admincenter.reading import rows
from tests.world import World
from watchword.admincenter.labels import ACT_NAMES
from watchword.directory.roles import MAY, MAY_TOUCH, WHOM_NAMES, Act, Role, Whom

PAGE = Path(__file__).parents[2] / "docs" / "admin" / "roles.md"


def test_the_documentation_is_current() -> None:
    out = io.StringIO()
    call_command("role_table", stdout=out)
    assert PAGE.read_text() == out.getvalue(), "run: watchword role_table > docs/admin/roles.md"


@pytest.mark.parametrize("act", list(Act))
def test_page_and_documentation_tell_each_act_for_each_role(root: Client, world: World, act: Act) -> None:
    answers = [act in MAY[role] for role in Role]
    line = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {ACT_NAMES[act]} |"))
    assert [cell.strip() == "yes" for cell in line.split("|")[2:-1]] == answers
    row = next(row for row in rows(root.get("/admin/roles/")) if row.startswith(str(ACT_NAMES[act])))
    assert [word == "yes" for word in row.removeprefix(str(ACT_NAMES[act])).split()] == answers


@pytest.mark.parametrize("whom", list(Whom))
def test_page_and_documentation_tell_whom_each_role_reaches(root: Client, world: World, whom: Whom) -> None:
    name = str(WHOM_NAMES[whom])
    answers = [whom in MAY_TOUCH[role] for role in Role]
    line = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {name} |"))
    assert [cell.strip() == "yes" for cell in line.split("|")[2:-1]] == answers
    row = next(row for row in rows(root.get("/admin/roles/"), table=2) if row.startswith(name))
    assert [word == "yes" for word in row.removeprefix(name).split()] == answers
