"""The checker of histories finds each kind of contradiction, and nothing in a true history."""

from __future__ import annotations

import pytest

from tests.scenarios.nodes.history import Act, Kind, Told, check

WHO = "alice@harbour.example"


def history(*acts: tuple[Kind, str, Told, float]) -> list[Act]:
    return [Act(WHO, kind, subject, at, at + 0.1, told, "code 1") for kind, subject, told, at in acts]


TRUE = (
    (Kind.SIGN_IN, "s", Told.OK, 0),
    (Kind.REPLAY, "", Told.REFUSED, 1),
    (Kind.MAKE, "a", Told.OK, 2),
    (Kind.LOGIN, "a", Told.OK, 3),
    (Kind.REVOKE, "a", Told.OK, 4),
    (Kind.LOGIN, "a", Told.OK, 4.5),
    (Kind.LOGIN, "a", Told.REFUSED, 6),
    (Kind.SIGN_OUT, "", Told.OK, 7),
    (Kind.VISIT, "s", Told.REFUSED, 9),
    (Kind.BLOCK, "", Told.OK, 10),
    (Kind.SIGN_IN, "t", Told.REFUSED, 11),
)


def test_a_true_history_has_no_problem() -> None:
    assert check(history(*TRUE)) == []


@pytest.mark.parametrize(
    "acts",
    [
        [(Kind.REPLAY, "", Told.OK, 0)],
        [(Kind.WRONG_CODE, "", Told.OK, 0)],
        [(Kind.SIGN_IN, "s", Told.OK, 0), (Kind.SIGN_IN, "t", Told.OK, 1)],
        [(Kind.SIGN_IN, "s", Told.REFUSED, 0)],
        [(Kind.SIGN_IN, "s", Told.OK, 0), (Kind.VISIT, "s", Told.REFUSED, 1)],
        [(Kind.SIGN_IN, "s", Told.OK, 0), (Kind.SIGN_OUT, "", Told.OK, 1), (Kind.VISIT, "s", Told.OK, 2.5)],
        [(Kind.MAKE, "a", Told.OK, 0), (Kind.LOGIN, "a", Told.REFUSED, 1)],
        [(Kind.MAKE, "a", Told.OK, 0), (Kind.REVOKE, "a", Told.OK, 1), (Kind.LOGIN, "a", Told.OK, 2.5)],
        [(Kind.MAKE, "a", Told.OK, 0), (Kind.BLOCK, "", Told.OK, 1), (Kind.LOGIN, "a", Told.OK, 2.5)],
    ],
)
def test_each_contradiction_is_found(acts: list[tuple[Kind, str, Told, float]]) -> None:
    assert len(check(history(*acts))) == 1


@pytest.mark.parametrize(
    "acts",
    [
        [(Kind.MAKE, "a", Told.OK, 0), (Kind.REVOKE, "a", Told.UNAVAILABLE, 1), (Kind.LOGIN, "a", Told.REFUSED, 3)],
        [(Kind.MAKE, "a", Told.OK, 0), (Kind.REVOKE, "a", Told.UNAVAILABLE, 1), (Kind.LOGIN, "a", Told.OK, 3)],
        [(Kind.SIGN_IN, "s", Told.OK, 0), (Kind.BLOCK, "", Told.UNAVAILABLE, 1), (Kind.VISIT, "s", Told.REFUSED, 3)],
    ],
)
def test_an_act_without_an_answer_may_have_happened_or_not(acts: list[tuple[Kind, str, Told, float]]) -> None:
    assert check(history(*acts)) == []
