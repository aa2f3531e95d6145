"""A person's list of codes: the phone and the result of each, and the language of codes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import product

import pytest
from django.test import Client
from django.utils import timezone

from tests.pages import text
from tests.telephone import Telephone
from tests.world import ORIGIN, World, sign_in
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import Organisation, User
from watchword.messaging.content.translations import LANGUAGES
from watchword.messaging.gateway import Result
from watchword.messaging.models import Delivery
from watchword.messaging.send import note_result
from watchword.portal.activity import fate_of
from watchword.signin import flow
from watchword.signin.models import SignInAttempt
from watchword.signin.queries import CodeRow


def ask_for_a_code(world: World, channel: Channel, *, at: datetime) -> SignInAttempt:
    """Type Alice's password and send a code by a channel; return the attempt."""
    attempt = flow.find_attempt(flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=at), now=at)
    assert attempt is not None
    flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=at)
    flow.send_code(attempt, world.alices_phone.id, channel, now=at)
    return attempt


def test_the_last_codes_are_shown_with_what_became_of_them(client: Client, world: World, telephone: Telephone) -> None:
    attempt = ask_for_a_code(world, Channel.SMS, at=world.now)
    note_result(Delivery.objects.get().pk, Result.DELIVERED, now=world.now)
    flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now)
    later = world.now + timedelta(minutes=1)
    ask_for_a_code(world, Channel.VOICE, at=later)
    note_result(Delivery.objects.latest("created_at").pk, Result.BUSY, now=later)
    sign_in(client, world.alice)
    for address, first in (("/security/", "text"), ("/activity/", "Text")):
        said = text(client.get(address).content)
        assert f"{first} to the number ending 78 · delivered · typed" in said
        assert "all to the number ending 78 · the line was busy" in said
    assert telephone.code not in client.get("/security/").content.decode()


def test_codes_of_another_person_are_never_shown(client: Client, world: World, telephone: Telephone) -> None:
    ask_for_a_code(world, Channel.SMS, at=world.now)
    sign_in(client, world.carol)
    said = text(client.get("/security/").content)
    assert "ending 78" not in said
    assert "Your last codes" not in said


@pytest.mark.parametrize(("result", "channel", "typed"), list(product(Result, Channel, (True, False))))
def test_every_result_has_words_in_the_persons_own_view(result: Result, channel: Channel, typed: bool) -> None:
    fate = fate_of(CodeRow(timezone.now(), channel, "42", result, typed))
    assert all(fate)
    assert not re.search(r"carrier|gateway|channel|provider", " ".join(fate))
    assert ("typed" in fate) is (typed and result is not Result.APPROVED)


@pytest.mark.parametrize(
    "kind",
    [EventKind.FRAUD_REPORTED, EventKind.CALL_MISMATCHED, EventKind.SIM_CHANGED, EventKind.PASSWORD_MARKED_KNOWN],
)
def test_what_a_thief_may_have_done_is_marked(client: Client, world: World, kind: EventKind) -> None:
    Event.objects.create(
        organisation_id=world.organisation.pk,
        at=world.now,
        kind=kind,
        subject_id=world.alice.pk,
        subject_name=world.alice.sign_in_name,
    )
    sign_in(client, world.alice)
    page = client.get("/activity/").content.decode()
    assert page.count('<span class="tag tag-notice">look</span>') == 1
    assert kind.value not in page


def test_a_person_chooses_the_language_of_their_codes(client: Client, world: World, telephone: Telephone) -> None:
    Organisation.objects.update(language="de")
    sign_in(client, world.alice)
    assert "Language of texts and calls Deutsch, as in your organisation" in text(client.get("/security/").content)
    page = text(client.get("/language/").content)
    assert all(name in page for name in LANGUAGES.values())
    said = text(client.post("/language/", {"language": "fr"}, follow=True).content)
    assert "Language of texts and calls Français" in said
    assert "The account's details were changed" in said
    ask_for_a_code(world, Channel.SMS, at=world.now)
    assert telephone.received[-1].language == "fr"
    client.post("/language/", {"language": ""})
    assert User.objects.get(pk=world.alice.pk).language == ""


@pytest.mark.parametrize("junk", ["xx", "en\0", "EN", "de" * 50])
def test_an_unknown_language_is_refused(client: Client, world: World, junk: str) -> None:
    sign_in(client, world.alice)
    assert "There is a problem" in text(client.post("/language/", {"language": junk}).content)
    assert User.objects.get(pk=world.alice.pk).language == ""


def test_choosing_the_same_language_again_is_no_news(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    client.post("/language/", {"language": ""})
    assert not Event.objects.filter(kind=EventKind.PERSON_EDITED).exists()
