"""People are found by any part of a name, however it is typed."""

from __future__ import annotations

import pytest

from tests.world import World
from watchword.directory import actions
from watchword.directory.models import User
from watchword.directory.search import found_by


@pytest.mark.parametrize(
    "typed",
    ["Björn", "bjorn", "BJORN", "bjo", "rsson", "anders björn", "ＢＪＯＲＮ", "b.andersson@", "bjo\u0308rn", "bjorn\0"],  # noqa: RUF001  (full-width letters on purpose)
)
def test_a_person_is_found_by_any_part_of_a_name(world: World, typed: str) -> None:
    bjorn = actions.create_person(
        world.organisation,
        sign_in_name="b.andersson@harbour.example",
        display_name="Björn Andersson",
        by=world.root,
        now=world.now,
    )
    assert list(found_by(User.objects.all(), typed)) == [bjorn]


@pytest.mark.parametrize("typed", ["zzz", "bjorn carlsson", "%", "_", "' OR 1=1"])
def test_nobody_else_is_found(world: World, typed: str) -> None:
    assert not found_by(User.objects.all(), typed).exists()


def test_no_words_find_everybody(world: World) -> None:
    assert found_by(User.objects.all(), "  ").count() == len(world.people)
