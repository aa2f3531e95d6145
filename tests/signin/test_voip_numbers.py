"""VoIP numbers: allowed for new phones only where the organisation permits it; proven ones stay valid."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from tests.pages import text
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, give_phone, sign_in
from watchword.core.factors import Rejected, RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.doors.web import reasons
from watchword.factors.phone.factor import Number, read_number
from watchword.signin import enrolment, flow, sessions
from watchword.signin.enrolment import Registered
from watchword.signin.models import Session
from watchword.signin.otp.challenges import CodeSent

BRITISH = {"slot": "mobile", "number": "056 1234 5678", "channel": "voice", "country": "GB"}


def request_session(world: World) -> Session:
    proof = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=world.now)
    return sessions.open_session(world.alice, proof, origin=ORIGIN, now=world.now).session


def allow(world: World) -> None:
    world.organisation.phone_countries, world.organisation.voip_allowed = ["DE", "GB"], True
    world.organisation.save()
    world.alice.refresh_from_db()


@pytest.mark.parametrize(
    ("typed", "region", "is_voip"),
    [
        ("056 1234 5678", "GB", True),
        ("09 33 91 23 45", "FR", True),
        ("050-1234-5678", "JP", True),
        ("07400 123456", "GB", False),
        ("020 7946 0018", "GB", False),
        ("06 12 34 56 78", "FR", False),
        ("090-1234-5678", "JP", False),
        ("(415) 555-2671", "US", False),
    ],
)
def test_ranges_for_internet_telephony_are_known(typed: str, region: str, *, is_voip: bool) -> None:
    number = read_number(typed, region)
    assert isinstance(number, Number)
    assert number.is_voip is is_voip


def test_an_internet_telephone_registers_nothing_unless_the_organisation_allows_it(
    world: World, telephone: Telephone
) -> None:
    session = request_session(world)
    refused = enrolment.start(session, FactorKind.PHONE, BRITISH, origin=ORIGIN, now=world.now)
    assert refused == Rejected(RejectReason.VOIP_NOT_ALLOWED)
    assert telephone.received == []
    allow(world)
    session = request_session(world)
    assert isinstance(enrolment.start(session, FactorKind.PHONE, BRITISH, origin=ORIGIN, now=world.now), CodeSent)
    done = enrolment.finish(session, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert isinstance(done, Registered)
    assert done.stored.data.public["ends"] == "78"


def test_the_person_reads_which_numbers_are_taken() -> None:
    said = reasons.of_set_up(RejectReason.VOIP_NOT_ALLOWED)
    assert said == (
        "This is an Internet telephone number (VoIP). Your organisation allows mobile and fixed-line numbers only."
    )


def test_a_registered_internet_telephone_goes_on_getting_codes(world: World, telephone: Telephone) -> None:
    world.organisation.phone_countries = ["DE", "GB"]
    world.organisation.save()
    world.bob.refresh_from_db()
    phone = give_phone(world.bob, "+445612345678", slot="alternate", channel=Channel.VOICE)
    token = flow.begin(world.bob.sign_in_name, origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    flow.answer(attempt, FactorKind.PASSWORD, world.passwords["bob"], now=world.now)
    assert isinstance(flow.send_code(attempt, phone.id, Channel.VOICE, now=world.now + timedelta(seconds=1)), CodeSent)
    assert [message.number for message in telephone.received] == ["+445612345678"]


def test_what_telephony_can_not_promise_is_said_where_a_phone_is_added_later(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    said = text(client.get("/methods/add/phone/").content)
    assert "whoever takes over your number gets your codes." in said
    assert "other ways" not in said
