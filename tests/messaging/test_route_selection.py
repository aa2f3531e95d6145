"""The order in which gateways are tried, and when a failing one is left out for a while."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from watchword.core.policy import Channel
from watchword.messaging.worker.circuit_breaker import (
    FAILURES,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    TRIAL_SECONDS,
    CircuitBreaker,
)
from watchword.messaging.worker.route_selection import Measured, Route, order

NUMBER = "+4915112345678"
prefixes = st.lists(st.sampled_from(["+", "+4", "+49", "+491", "+49151", "+43", "+1"]), max_size=3).map(
    lambda some: tuple(prefix for prefix in some if len(prefix) > 1)
)
channels = st.frozensets(st.sampled_from(Channel), min_size=1)


@st.composite
def some_routes(draw: st.DrawFn) -> list[Route]:
    number = draw(st.integers(0, 6))
    return [Route(f"c{n}", draw(channels), draw(st.integers(0, 9)), draw(prefixes)) for n in range(number)]


measures = st.dictionaries(
    st.sampled_from([f"c{n}" for n in range(6)]),
    st.tuples(st.integers(0, 500), st.floats(0, 1)).map(lambda pair: Measured(pair[0], int(pair[0] * pair[1]))),
)
chances = st.lists(st.floats(0, 1, exclude_max=True), min_size=10, max_size=10)


def fit(route: Route) -> int:
    return max((len(prefix) for prefix in route.prefixes if NUMBER.startswith(prefix)), default=0)


def ordered(
    routes: Sequence[Route], measured: dict[str, Measured], drawn: list[float], down: frozenset[str] = frozenset()
) -> list[Route]:
    left = list(drawn)
    return order(
        routes,
        channel=Channel.SMS,
        number=NUMBER,
        is_usable=lambda name: name not in down,
        measured=measured,
        random_source=lambda: left.pop() if left else 0.0,
    )


@given(some_routes(), measures, chances, st.frozensets(st.sampled_from([f"c{n}" for n in range(6)])))
def test_every_gateway_that_can_send_it_is_tried_once_and_no_other(
    routes: list[Route], measured: dict[str, Measured], drawn: list[float], down: frozenset[str]
) -> None:
    asked = ordered(routes, measured, drawn, down)
    fitting = [route for route in routes if Channel.SMS in route.channels and (not route.prefixes or fit(route))]
    assert sorted(route.name for route in asked) == sorted(route.name for route in fitting)


@given(some_routes(), measures, chances, st.frozensets(st.sampled_from([f"c{n}" for n in range(6)])))
def test_usable_gateways_of_the_longest_prefix_come_first_and_those_that_are_down_last(
    routes: list[Route], measured: dict[str, Measured], drawn: list[float], down: frozenset[str]
) -> None:
    asked = ordered(routes, measured, drawn, down)
    ranks = [(route.name in down, -fit(route)) for route in asked]
    assert ranks == sorted(ranks)


def shares(routes: Sequence[Route], measured: dict[str, Measured], tries: int = 4000) -> dict[str, float]:
    random_source = random.Random(7).random
    first = [
        order(
            routes,
            channel=Channel.SMS,
            number=NUMBER,
            is_usable=lambda _name: True,
            measured=measured,
            random_source=random_source,
        )[0].name
        for _ in range(tries)
    ]
    return {route.name: first.count(route.name) / tries for route in routes}


def test_traffic_is_shared_by_weight() -> None:
    text = frozenset({Channel.SMS})
    found = shares([Route("one", text, 3), Route("two", text, 1)], {})
    assert 0.72 < found["one"] < 0.78


def test_traffic_moves_to_what_arrives_and_a_trickle_is_left_to_see_a_recovery() -> None:
    text = frozenset({Channel.SMS})
    routes = [Route("good", text), Route("bad", text)]
    even = shares(routes, {"good": Measured(100, 95), "bad": Measured(100, 95)})
    worse = shares(routes, {"good": Measured(100, 95), "bad": Measured(100, 60)})
    dead = shares(routes, {"good": Measured(100, 95), "bad": Measured(1000, 0)})
    assert 0.45 < even["bad"] < 0.55
    assert 0.2 < worse["bad"] < 0.35
    assert 0.02 < dead["bad"] < 0.08


def test_two_losses_are_no_verdict() -> None:
    assert Measured(2, 0).share > 0.7
    assert Measured(0, 0).share == 1.0


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_share_is_a_share(taken: int, part: float) -> None:
    assert 0 < Measured(taken, int(taken * part)).share <= 1


def test_a_breaker_opens_after_five_failures_in_a_row() -> None:
    breaker = CircuitBreaker()
    for _ in range(FAILURES - 1):
        breaker.failed(0)
    breaker.succeeded()
    for _ in range(FAILURES - 1):
        breaker.failed(0)
    assert breaker.allows(0)
    breaker.failed(0)
    assert not breaker.allows(FIRST_PAUSE_SECONDS - 0.1)


def opened() -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(FAILURES):
        breaker.failed(0)
    return breaker


def test_after_the_pause_one_message_finds_out_and_the_others_wait_for_it() -> None:
    breaker = opened()
    now = FIRST_PAUSE_SECONDS
    assert breaker.allows(now)
    breaker.tries(now)
    assert not breaker.allows(now)
    assert breaker.allows(now + TRIAL_SECONDS)
    breaker.succeeded()
    assert breaker.allows(now)
    assert breaker.is_closed


def test_each_failed_trial_doubles_the_pause_up_to_five_minutes() -> None:
    breaker, now, pauses = opened(), FIRST_PAUSE_SECONDS, []
    for _ in range(8):
        breaker.tries(now)
        breaker.failed(now)
        assert breaker.open_until is not None
        pauses.append(breaker.open_until - now)
        now = breaker.open_until
    assert pauses == [20, 40, 80, 160, 300, 300, 300, 300]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_failures_of_messages_that_were_out_already_do_not_lengthen_the_pause() -> None:
    breaker = opened()
    for _ in range(50):
        breaker.failed(1)
    assert breaker.allows(FIRST_PAUSE_SECONDS)


@given(st.lists(st.tuples(st.sampled_from(["fails", "works", "tries"]), st.floats(0, 400)), max_size=60))
def test_a_gateway_is_never_left_alone_for_ever(acts: list[tuple[str, float]]) -> None:
    breaker, now = CircuitBreaker(), 0.0
    for act, passes in acts:
        now += passes
        match act:
            case "fails":
                breaker.failed(now)
            case "works":
                breaker.succeeded()
                assert breaker.is_closed
            case _:
                breaker.tries(now)
    assert breaker.allows(now + LONGEST_PAUSE_SECONDS)
