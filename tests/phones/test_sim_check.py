"""Before a code is sent, the operator's SIM swap check is asked when the number moved to another SIM, if configured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.messaging.test_dispatcher import FakeGateway, carry, result_of, waiting
from tests.phones.http_benches import NUMBER, outgoing, phones_file, phones_of, run
from tests.phones.provider import Mood, Provider, provider
from tests.world import ALICES_NUMBER, World
from watchword.core.policy import Channel
from watchword.messaging.gateway import LeasedMessage, Result
from watchword.messaging.gateways.sim_swap import SimSwapCheck, SimSwapConfig
from watchword.messaging.models import Delivery
from watchword.messaging.worker.delivery_receipts import Changed

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def claimed(purpose: str = "sign_in") -> LeasedMessage:
    return LeasedMessage(outgoing(), 1, "DE", purpose, 1, is_urgent=False)


def check(one: Provider, **more: Any) -> SimSwapCheck:
    """Return the check as a phones file creates it."""
    values = {"url": f"{one.base}/sim?number={{number}}", "private_networks_allowed": True, "timeout_seconds": 0.4}
    return SimSwapCheck(SimSwapConfig(**{**values, **more}), clock=lambda: NOW)


def moved(sim: SimSwapCheck, message: LeasedMessage) -> bool:
    found: list[bool] = []

    async def play() -> None:
        found.append(await sim.has_moved(message))
        await sim.close()

    run(play)
    return found[0]


@pytest.mark.parametrize(
    ("at", "has_moved"),
    [
        ("2026-11-24T11:00:00Z", True),
        ("2026-11-21T13:00:00+01:00", False),
        ("2026-11-21T13:00:01+01:00", True),
        ("2026-11-22T00:00:00", True),
        ("2019-01-01", False),
        ("2026-11-25T00:00:00Z", True),
        (None, False),
        ("never", False),
        ("", False),
    ],
)
def test_fld_09_a_number_that_moved_in_the_last_three_days_is_found(at: str | None, has_moved: bool) -> None:
    """A SIM swap in the last three days is detected, in each time format that a provider may send."""
    with provider() as one:
        if at is not None:
            one.sim_changes[NUMBER] = at
        assert moved(check(one), claimed()) is has_moved
        assert one.requests[0].query == {"number": NUMBER}
        assert one.requests[0].method == "GET"


def test_fld_09_the_interface_of_camara_is_asked_as_it_wants() -> None:
    """A SIM swap check by CAMARA's "retrieve-date" is a POST with the number in JSON."""
    with provider() as one:
        one.sim_changes[NUMBER] = "2026-11-24T11:00:00Z"
        sim = check(
            one,
            url=f"{one.base}/sim-swap/v2/retrieve-date",
            json={"phoneNumber": "{number}"},
            headers={"Authorization": "Bearer secret"},
        )
        assert moved(sim, claimed())
        request = one.requests[0]
        assert (request.method, request.path) == ("POST", "/sim-swap/v2/retrieve-date")
        assert request.json == {"phoneNumber": NUMBER}
        assert request.headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.FAILING, Mood.BABBLING, Mood.CUT, Mood.ENDLESS, Mood.REFUSING])
def test_fld_09_a_sim_check_without_an_answer_holds_no_code_up(mood: Mood, caplog: pytest.LogCaptureFixture) -> None:
    """A SIM swap check that fails doesn't hold a code back; the operator's log says so, without the number."""
    with provider(mood) as one:
        assert not moved(check(one), claimed())
    assert "SIM swap check failed" in caplog.text
    assert NUMBER not in caplog.text


@pytest.mark.parametrize(("mood", "words"), [(Mood.REFUSING, "status 401"), (Mood.FAILING, "status 500")])
def test_the_log_says_what_a_gateway_answers_that_says_no(
    mood: Mood, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With an expired token, for example, every code is sent unchecked until it is renewed."""
    with provider(mood) as one:
        assert not moved(check(one), claimed())
    assert words in caplog.text


def test_fld_09_a_number_that_is_being_registered_has_no_past_here() -> None:
    """A number that is being registered isn't checked for a SIM swap, since it has no history here yet."""
    with provider() as one:
        one.sim_changes[NUMBER] = "2026-11-24T11:00:00Z"
        assert not moved(check(one), claimed("register"))
        assert one.requests == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "https://x.example/"}, "number"),
        ({"url": "http://x.example/{number}", "private_networks_allowed": False}, "https"),
        ({"url": "https://a:b@x.example/{number}"}, "user name"),
        ({"url": "https://zürich.example/{number}"}, "outside ASCII"),
        ({"headers": {"X Key": "a"}}, "no name of a header"),
        ({"timeout_seconds": 30.0}, "a code waits for it"),
        ({"hours": 0}, "hours"),
    ],
)
def test_wishes_that_can_not_be_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SimSwapConfig(**{"url": "https://x.example/{number}", **wrong})


def test_secrets_of_the_check_are_not_shown() -> None:
    config = SimSwapConfig(
        url="https://x.example/{number}", password="the secret", headers={"Authorization": "Bearer s3"}
    )
    assert "the secret" not in repr(config)
    assert "s3" not in repr(config)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recent", [True, False])
def test_fld_09_a_phones_file_that_names_a_check_keeps_codes_from_stolen_numbers(world: World, recent: bool) -> None:
    """A code for a number on a new SIM is not sent and its sign-in is told of it; any other code arrives."""
    with provider() as one:
        at = datetime.now(UTC) - timedelta(hours=1 if recent else 1000)
        delivery = waiting(world)
        one.sim_changes[ALICES_NUMBER] = at.isoformat()
        file = f"""
{phones_file("twilio-messages", one.base)}
[sim_check]
url = "{one.base}/sim?number={{number}}"
private_networks_allowed = true
"""
        config = phones_of(file).sim_check
        assert isinstance(config, SimSwapConfig)
        sim, gateway, changes = SimSwapCheck(config), FakeGateway(), list[Changed]()
        expected = Result.SIM_CHANGED if recent else Result.SENT

        async def has_moved(message: LeasedMessage) -> bool:
            try:
                return await sim.has_moved(message)
            finally:
                await sim.close()

        carry(gateway, until=lambda: result_of(delivery) is expected, decided=changes.append, sim_changed=has_moved)
        assert len(gateway.sent) == (0 if recent else 1)
        assert changes == ([Changed(delivery.pk, Result.SIM_CHANGED)] if recent else [])
        assert Delivery.objects.get().channel == Channel.SMS
