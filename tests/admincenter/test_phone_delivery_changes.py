"""The form of the phone delivery rules, and test messages to a real phone, without a code and within limits."""

from __future__ import annotations

import asyncio
import random
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.admincenter.phones import PHONES, delivery
from tests.admincenter.reading import rows, stale_root
from tests.pages import text
from tests.telephone import Telephone
from tests.world import World, give_phone, sign_in
from watchword.admincenter.models import Draft
from watchword.admincenter.phones import test_messages
from watchword.admincenter.phones.forms import BUDGETS
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Channel
from watchword.messaging.config_file import Phones
from watchword.messaging.gateway import Result
from watchword.messaging.gateways.simulator.gateway import spoken
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.limits.counters import Permitted, budget_of, reserve_send, telephone_of
from watchword.messaging.models import Delivery, DeniedMessage, OutboxMessage
from watchword.messaging.voice import ivr
from watchword.messaging.worker import outbox

RULES = "/admin/phone-delivery/rules/"
TEST = "/admin/phone-delivery/test/"
FILLED_IN = {"phone_countries": "Germany (DE)", "language": "en"}
TO_GERMANY = {"country": "DE", "number": "0151 12345679", "channel": "sms"}


def test_the_rules_say_what_holds_and_what_the_default_would_be(root: Client, world: World) -> None:
    world.organisation.phone_budget = {"new_sends_each_day": 7}
    world.organisation.save()
    page = root.get(RULES)
    said = text(page.content)
    assert "Germany (DE)" in page.content.decode()
    assert re.search(r'name="new_sends_each_day" value="7"', page.content.decode())
    assert "Empty: 224, enough for your 4 people." in said
    assert "Empty: 54, enough for your 4 people. Never more than half of what the organisation sends." in said
    assert "Empty: 10." in said
    assert "Empty: no ceiling." in said


def test_the_rules_name_the_places_that_share_the_country_s_code(root: Client, world: World) -> None:
    assert "are also in" not in text(root.get(RULES).content)
    world.organisation.region = "GB"
    world.organisation.save()
    said = text(root.get(RULES).content)
    assert "Numbers with the code +44 are also in Guernsey, Isle Of Man, Jersey: codes go there only if" in said


def test_saved_rules_hold_at_once_and_are_remembered(root: Client, world: World, settings: Any) -> None:
    settings.WATCHWORD_PHONES = PHONES
    typed = {
        "phone_countries": "germany\nAT\nUnited Kingdom (GB), France; ch\n\n",
        "organisation_sends_each_day": "900",
        "new_sends_each_day": "40",
        "new_sends_each_country_and_day": "30",
        "sends_each_range_and_hour": "4",
        "new_numbers_each_day": "2",
        "cost_each_day": "12.50",
        "number_match": "on",
        "fraud_locks": "on",
        "voip_allowed": "on",
        "language": "de",
    }
    assert "Saved. It holds from now on." in text(root.post(RULES, typed, follow=True).content)
    world.organisation.refresh_from_db()
    assert sorted(world.organisation.phone_countries) == ["AT", "CH", "DE", "FR", "GB"]
    assert (world.organisation.number_match, world.organisation.fraud_locks) == (True, True)
    assert world.organisation.voip_allowed
    assert world.organisation.language == "de"
    budget = budget_of(world.organisation)
    assert budget.countries == {"AT", "CH", "DE", "FR", "GB"}
    assert budget.cost_micros_each_day == 12_500_000
    assert all(getattr(budget, name) == int(typed[name]) for name in BUDGETS)
    event = Event.objects.get(kind=EventKind.SETTINGS_CHANGED)
    assert event.details["language"] == {"before": "en", "after": "de"}
    assert 'value="12.5"' in root.get(RULES).content.decode()
    assert "Nothing was different." in text(root.post(RULES, typed, follow=True).content)


def test_emptied_rules_are_watchwords_own_again(root: Client, world: World) -> None:
    world.organisation.phone_countries, world.organisation.phone_budget = ["DE", "FR"], {"new_sends_each_day": 7}
    world.organisation.save()
    root.post(RULES, {"phone_countries": "", "language": "en"})
    world.organisation.refresh_from_db()
    assert (world.organisation.phone_countries, world.organisation.phone_budget) == ([], {})
    assert budget_of(world.organisation).countries == {"DE"}


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("phone_countries", "Germny", "“Germny” is no country that we know. Do you mean Germany?"),
        ("phone_countries", "DE\nNarnia", "“Narnia” is no country that we know."),
        ("phone_countries", "ZZ", "“ZZ” is no country that we know."),
        ("phone_countries", "<script>", "“<script>” is no country that we know."),
        ("phone_countries", "DE\n" * 5_000, "This list is too long."),
        ("organisation_sends_each_day", "0", "At least 1. To stop codes, take countries off the list."),
        ("organisation_sends_each_day", "-5", "At least 1."),
        ("new_sends_each_day", "many", "Enter a whole number, or nothing."),
        ("new_sends_each_day", "1.5", "Enter a whole number, or nothing."),
        ("sends_each_range_and_hour", "9" * 30, "At most 1000000."),
        ("cost_each_day", "0", "Enter an amount above zero, or nothing."),
        ("cost_each_day", "1.234", "Enter at most two decimals."),
        ("cost_each_day", "9" * 12, "This amount is too large."),
        ("cost_each_day", "NaN", "Enter an amount, such as 20 or 12.50."),
        ("language", "tlh", "Choose one of these languages."),
    ],
)
def test_what_makes_no_sense_is_explained_and_nothing_is_lost(
    root: Client, world: World, field: str, typed: str, says: str
) -> None:
    page = root.post(RULES, {**FILLED_IN, "new_numbers_each_day": "2", "fraud_locks": "on", field: typed})
    assert page.status_code == 200
    assert says in text(page.content)
    shown = page.content.decode()
    assert 'name="new_numbers_each_day" value="2"' in shown
    assert re.search(r'name="fraud_locks"[^>]* checked', shown)
    assert shown.count('aria-invalid="true"') == 1
    assert "<script>" not in shown.replace("<script src", "")
    assert not Event.objects.filter(kind=EventKind.SETTINGS_CHANGED).exists()


def test_nobody_shuts_their_own_phone_out(root: Client, world: World) -> None:
    give_phone(world.root)
    page = root.post(RULES, {**FILLED_IN, "phone_countries": "France"})
    assert "Your own phone is in Germany: you would shut yourself out. Add that country." in text(page.content)
    world.organisation.refresh_from_db()
    assert world.organisation.phone_countries == []
    assert root.post(RULES, {**FILLED_IN, "phone_countries": "France\nDE"}).status_code == 302


def test_rules_that_were_filled_in_outlive_proving_again(client: Client, world: World) -> None:
    answer = stale_root(client, world).post(RULES, {**FILLED_IN, "phone_countries": "France"})
    assert answer["Location"].startswith("/sign-in/confirm/")
    sign_in(client, world.root)
    assert "France" in client.get(f"{RULES}?draft={Draft.objects.get().pk}").content.decode()
    world.organisation.refresh_from_db()
    assert world.organisation.phone_countries == []


def test_a_test_text_has_no_code_and_is_remembered(root: Client, world: World, telephone: Telephone) -> None:
    done = root.post(TEST, TO_GERMANY, follow=True)
    assert "The test is on its way to the number ending 79." in text(done.content)
    (outgoing,) = telephone.received
    assert (outgoing.number, outgoing.code, outgoing.purpose) == ("+4915112345679", "", "test")
    assert outgoing.words == "This is a test of Harbour & Hill. No code is needed."
    row = Delivery.objects.get()
    assert (row.user, row.purpose, row.result) == (world.root, "test", Result.SENT)
    event = Event.objects.get(kind=EventKind.PHONE_TESTED)
    assert event.details == {"channel": "sms", "country": "DE", "ends": "79", "gateway": ""}
    assert rows(done)[0].endswith("text · test number ending 79 · Germany sent by telephone \N{EN DASH}")


def test_a_test_speaks_the_organisations_language(root: Client, world: World, telephone: Telephone) -> None:
    world.organisation.language = "de"
    world.organisation.save()
    root.post(TEST, TO_GERMANY)
    assert telephone.received[0].words.startswith("Dies ist ein Test von Harbour & Hill.")


def test_a_test_that_fails_says_how(root: Client, world: World, telephone: Telephone) -> None:
    telephone.break_down(permanent=True, result=Result.BAD_NUMBER)
    done = root.post(TEST, TO_GERMANY, follow=True)
    assert "The test to the number ending 79 failed: number does not exist." in text(done.content)


def test_a_test_goes_to_the_chosen_channel_through_the_queue(root: Client, world: World, settings: Any) -> None:
    settings.WATCHWORD_PHONES = PHONES
    page = root.get(f"{TEST}?gateway=north").content.decode()
    assert '<option value="north" selected>north (text)</option>' in page
    done = root.post(TEST, {**TO_GERMANY, "gateway": "north"}, follow=True)
    assert "waiting for a channel" in text(done.content)
    row = OutboxMessage.objects.get()
    claimed = outbox._claimed(row)
    assert (claimed.outgoing.gateway, claimed.purpose) == ("north", "test")
    from watchword.messaging.gateway import Condition
    from watchword.messaging.worker.dispatcher import Dispatcher, GatewayRoute

    class Idle:
        channels = frozenset(Channel)
        fetches_voice_script = False
        condition = Condition(is_up=False)

        def __init__(self, name: str) -> None:
            self.name = name

    from watchword.messaging.worker.route_selection import Route

    names = ["south", "north", "west"]
    random.shuffle(names)
    lines: list[Any] = [GatewayRoute(Idle(name), Route(name, frozenset(Channel))) for name in names]  # type: ignore[arg-type]  # never asked to send
    dispatcher = asyncio.run(_make(Dispatcher, lines))
    assert [line.route.name for line in dispatcher._order(claimed)] == ["north"]


async def _make(kind: Any, lines: list[Any]) -> Any:
    return kind(lines)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"number": ""}, "Enter the number of a phone that you can look at."),
        ({"number": "12"}, "Enter a telephone number that exists in this country."),
        ({"number": "0900 1234567"}, "Nothing is ever sent to this kind of number."),
        ({"number": "030 123456"}, "This number can't get texts. Choose a call."),
        ({"country": "ZZ"}, "Choose a country."),
        ({"channel": "pigeon"}, "Choose a text or a call."),
        ({"gateway": "west"}, "This channel does not exist. Choose another one."),
        ({"gateway": "exchange"}, "exchange carries no texts."),
        ({"gateway": "north", "channel": "voice"}, "north carries no calls."),
        ({"gateway": "north", "country": "FR", "number": "0612345678"}, "begin with +49, +43."),
        ({"country": "FR", "number": "0612345678"}, "Your rules allow no codes to France, so no test goes there."),
    ],
)
def test_a_test_that_can_t_be_sent_is_explained(
    root: Client, world: World, telephone: Telephone, settings: Any, typed: dict[str, str], says: str
) -> None:
    settings.WATCHWORD_PHONES = PHONES
    page = root.post(TEST, {**TO_GERMANY, **typed})
    assert page.status_code == 200
    assert says in text(page.content)
    assert telephone.received == []
    assert not Event.objects.filter(kind=EventKind.PHONE_TESTED).exists()


def test_a_country_that_is_not_allowed_is_noted_as_blocked(root: Client, world: World, telephone: Telephone) -> None:
    root.post(TEST, {"country": "FR", "number": "0612345678", "channel": "sms"})
    assert (DeniedMessage.objects.get().rule, DeniedMessage.objects.get().country) == ("country_not_allowed", "FR")


def test_an_administrator_sends_ten_tests_an_hour(root: Client, world: World, telephone: Telephone) -> None:
    for number in range(test_messages.EACH_HOUR):
        page = root.post(TEST, {**TO_GERMANY, "number": f"0151 1234560{number}"})
        assert page.status_code == 302
    page = root.post(TEST, {**TO_GERMANY, "number": "0151 12345699"})
    assert "You have sent 10 tests within an hour, the most at once." in text(page.content)
    assert len(telephone.received) == 10
    Delivery.objects.update(created_at=world.now - timedelta(minutes=61))
    assert root.post(TEST, {**TO_GERMANY, "number": "0151 12345699"}).status_code == 302


def test_tests_use_up_none_of_the_codes_that_let_an_administrator_in(world: World) -> None:
    for number in range(10):
        delivery(world.root, world.now, purpose="test", number=f"+491511234560{number}")
    telephone = telephone_of("+4915112345678")
    verdict = reserve_send(world.root, telephone, Channel.SMS, sends_in_attempt=0, is_new=False, now=world.now)
    assert isinstance(verdict, Permitted)


def test_nobody_s_number_is_flooded_with_tests(root: Client, world: World, telephone: Telephone) -> None:
    for _ in range(10):
        delivery(world.alice, world.now - timedelta(hours=2), number="+4915112345679")
    page = root.post(TEST, TO_GERMANY)
    assert "One number is sent at most 10 codes in a day, whoever asks for them." in text(page.content)
    assert telephone.received == []


def test_a_test_needs_a_fresh_proof(client: Client, world: World, telephone: Telephone) -> None:
    assert stale_root(client, world).post(TEST, TO_GERMANY)["Location"].startswith("/sign-in/confirm/")
    assert telephone.received == []
    assert not Delivery.objects.exists()


def test_the_number_of_a_test_is_nowhere_kept_whole(client: Client, world: World, telephone: Telephone) -> None:
    """Not even while the administrator re-authenticates."""
    stale_root(client, world).post(TEST, TO_GERMANY)
    assert not Draft.objects.exists()
    sign_in(client, world.root)
    page = client.get(TEST)
    assert "Prove that it is you, then fill this in again: the number was not kept." in text(page.content)
    assert "12345679" not in page.content.decode()


def test_without_a_gateway_the_page_says_so(root: Client, world: World, settings: Any) -> None:
    settings.WATCHWORD_PHONES = Phones()
    page = root.get(TEST)
    assert "No carrier is configured, so nothing can be sent." in text(page.content)
    assert "Send the test" not in text(page.content)
    assert root.post(TEST, TO_GERMANY).status_code == 200


def test_the_demos_telephone_speaks_a_test_at_pick_up(root: Client, world: World, simulator: None) -> None:
    root.post(TEST, {**TO_GERMANY, "channel": "voice"})
    arrival = Arrival.objects.get()
    assert spoken(arrival) == ""
    arrival.state = ivr.answer(arrival.call).state
    said = spoken(arrival)
    assert "This is a test of Harbour & Hill. No code is needed." in said
    assert "press 1" not in said
