"""One wrong password, tried repeatedly."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW
from watchword.core.repeated_guesses import MOST_REMEMBERED, Repeated, remember, repeat, without


def type_all(typed: list[tuple[str, int]]) -> list[Repeated]:
    remembered: tuple[Repeated, ...] = ()
    said = []
    for digest, second in typed:
        latest = repeat(remembered, digest, NOW + timedelta(seconds=second))
        remembered = remember(remembered, latest)
        said.append(latest)
        assert len(remembered) <= MOST_REMEMBERED
        assert len({one.digest for one in remembered}) == len(remembered)
    return said


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 80_000)), max_size=60))
def test_of_eight_passwords_within_a_day_each_is_new_once(typed: list[tuple[str, int]]) -> None:
    typed.sort(key=lambda one: one[1])
    said = type_all(typed)
    assert sum(one.is_new for one in said) == len({digest for digest, _second in typed})


def test_what_a_device_polls_is_not_pushed_out_by_what_its_owner_mistypes() -> None:
    typed = [pair for number in range(30) for pair in ((f"slip {number}", number * 60), ("old", number * 60 + 30))]
    assert sum(one.is_new for one in type_all(typed) if one.digest == "old") == 1


def test_after_a_day_it_is_new_again() -> None:
    first, second = type_all([("old", 0), ("old", 86_400)])
    assert first.is_new
    assert second.is_new


def test_each_hour_begins_anew_and_the_whole_goes_on() -> None:
    said = type_all([("old", minute * 60) for minute in range(150)])
    assert [number for number, one in enumerate(said) if one.begins_an_hour] == [0, 60, 120]
    assert said[-1].altogether == 150


def test_what_was_right_after_all_is_not_remembered() -> None:
    assert without((Repeated("a", NOW, NOW), Repeated("b", NOW, NOW)), "a") == (Repeated("b", NOW, NOW),)
