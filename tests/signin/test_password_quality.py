"""Which new passwords are accepted."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from hypothesis import given
from hypothesis import strategies as st

from tests.world import World
from watchword.core.factors import RejectReason, SetupContext
from watchword.core.policy import Policy
from watchword.factors.password.breach_file import is_breached, why_not_usable
from watchword.factors.password.factor import why_not_good_enough
from watchword.signin.actions import new_initial_password
from watchword.signin.facts import setup_context_of

HERE = ("alice", "harbour", "Harbour & Hill", "Harbour", "Hill", "Alice")


def evaluate(password: str, *, alone: bool = False, words: tuple[str, ...] = HERE) -> RejectReason | None:
    return why_not_good_enough(password, SetupContext(Policy(), context_words=words, has_second_factor=not alone))


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "123456789012345",
        "watchwordwatchword",
        "watchword1",
        "harbour202611",
        "alice123456",
        "P@ssw0rd1",
        "Summer2026!",
        "Winter2026!",
        "qwertyuiopasdfg",
        "abcabcabcabcabc",
        "H4rb0ur2026H@rbour",
        "W@tchw0rd-2026",
        "aaaaaaaaaaaaaaaa",
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_what_others_would_try_first_is_refused(password: str, alone: bool) -> None:
    if alone and len(password) < 15:
        password += password
    assert evaluate(password, alone=alone) in {RejectReason.TOO_COMMON, RejectReason.CONTAINS_CONTEXT}


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "seven green herons on a wall",
        "the long passphrase of carol!",
        "gruener reiher am see",
        "x7Kp2mQ9",
        "blue whale 42",
        "herons of the harbour at noon today",
        "ぬるぬるした猫が三匹いる",
    ],
)
def test_a_few_words_in_a_row_and_what_has_no_pattern_are_taken(password: str) -> None:
    assert evaluate(password) is None


def test_a_word_of_the_organisations_own_list_protects_nothing_however_it_is_dressed_up(world: World) -> None:
    world.organisation.banned_words = ["contoso", "blank"]
    listed = setup_context_of(
        type(world.alice)(organisation=world.organisation, sign_in_name="a@b.example", mfa_state="enforced")
    )
    assert why_not_good_enough("C0ntos0Blank12", listed) is RejectReason.CONTAINS_CONTEXT
    listed = SetupContext(Policy(), context_words=("Contoso",), has_second_factor=True)
    assert why_not_good_enough("C0ntos0Blank12", listed) is RejectReason.CONTAINS_CONTEXT
    assert why_not_good_enough("ContoS0Bl@nkf9!", listed) is None


def test_initial_passwords_are_always_good_enough() -> None:
    class Dice:
        def __init__(self) -> None:
            self._random = random.Random(7)

        def below(self, bound: int) -> int:
            return self._random.randrange(bound)

        def octets(self, length: int) -> bytes:
            return self._random.randbytes(length)

    dice = Dice()
    assert {evaluate(new_initial_password(dice), alone=True) for _ in range(2_000)} == {None}


def lines_of(passwords: list[str], ending: str = ":3\n") -> str:
    hashes = {hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper() for password in passwords}
    return "".join(f"{digest}{ending}" for digest in sorted(hashes))


@given(
    known=st.lists(st.text(max_size=6), max_size=40),
    asked=st.text(max_size=6),
    ending=st.sampled_from(["\n", ":1\r\n", ":123456\n"]),
)
def test_a_file_of_breached_passwords_has_exactly_its_lines(
    tmp_path_factory: Any, known: list[str], asked: str, ending: str
) -> None:
    file = tmp_path_factory.mktemp("breached") / "sorted.txt"
    file.write_text(lines_of(known, ending))
    assert all(is_breached(password, file) for password in known)
    assert is_breached(asked, file) == (asked in known)


def test_a_breached_password_is_refused_and_a_lost_file_keeps_no_person_out(tmp_path: Path, settings: Any) -> None:
    file = tmp_path / "sorted.txt"
    file.write_text(lines_of(["seven green herons on a wall", "another"]))
    settings.WATCHWORD_BREACHED_PASSWORDS_FILE = str(file)
    assert evaluate("seven green herons on a wall") is RejectReason.BREACHED
    assert evaluate("eight green herons on a wall") is None
    file.unlink()
    assert evaluate("seven green herons on a wall") is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (lines_of(["a", "b", "c"]), ""),
        ("".join(reversed(lines_of(["a", "b", "c"]).splitlines(keepends=True))), "its lines are not sorted"),
        ("password\nhunter2\n", "its lines don't begin with a SHA-1 in 40 hexadecimal digits"),
        ("", "its lines don't begin with a SHA-1 in 40 hexadecimal digits"),
    ],
)
def test_a_file_that_bisection_can_not_read_is_found_by_check(
    tmp_path: Path, settings: Any, content: str, problem: str
) -> None:
    file = tmp_path / "breached.txt"
    file.write_text(content)
    assert why_not_usable(file) == problem
    settings.WATCHWORD_BREACHED_PASSWORDS_FILE = str(file)
    assert ("watchword.E029" in {found.id for found in run_checks(tags=["security"])}) == bool(problem)
