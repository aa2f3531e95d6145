"""Every delivery result and every rate limit rule has a sentence for the person, which reveals nothing more."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import product
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from tests.doors.web.test_pages import PHONE, at_code, registering
from tests.pages import text
from tests.telephone import Telephone
from tests.world import World, give_phone
from watchword.core.factors import RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.doors.web import reasons
from watchword.messaging.gateway import Result
from watchword.messaging.limits import rules
from watchword.messaging.limits.rules import LimitRule, SendThrottled
from watchword.signin.otp.challenges import CodeDenied, CodeOnTheWay

NEVER_SAID = re.compile(
    r"carrier|operator|SIM|provider|gateway|channel|budget|cost|limit|range|account|people", re.IGNORECASE
)
"""Words that a person with the password alone must not read on this page, or would not understand."""
A_WAY_ON = re.compile(r"another (one|phone|method)|administrator|Start again|Try again|mobile")


def code(result: Result, channel: Channel, match: str = "") -> CodeOnTheWay:
    now = timezone.now()
    return CodeOnTheWay(
        kind=FactorKind.PHONE,
        channel=channel,
        ends="42",
        credential_id=uuid4(),
        result=result,
        next_send_at=now,
        tries_left=5,
        match=match,
    )


@pytest.mark.parametrize(("result", "channel", "match"), list(product(Result, Channel, ("", "47"))))
def test_every_result_has_words_for_the_person(result: Result, channel: Channel, match: str) -> None:
    on_the_way = code(result, channel, match)
    progress, trouble = reasons.of_progress(on_the_way), reasons.of_trouble(on_the_way)
    assert bool(trouble) is result.is_trouble
    assert bool(progress) is not result.is_trouble
    said = progress + trouble
    assert not NEVER_SAID.search(said)
    assert "47" not in said
    assert "42" not in said
    if channel is Channel.SMS:
        assert "call" not in said.lower(), "nobody was called"
    else:
        assert "text" not in said.lower()


@pytest.mark.parametrize("reasons_", [(Result.FAILED, Result.BLOCKED, Result.UNREACHABLE)])
@pytest.mark.parametrize("channel", list(Channel))
def test_why_a_network_refused_is_the_administrators_to_read(channel: Channel, reasons_: tuple[Result, ...]) -> None:
    assert len({reasons.of_trouble(code(result, channel)) for result in reasons_}) == 1


@pytest.mark.parametrize("is_adding", [True, False], ids=["adding a phone", "signing in"])
@pytest.mark.parametrize("hours", [None, 5])
@pytest.mark.parametrize(
    "reason", [*LimitRule, RejectReason.CHANNEL_NOT_ALLOWED, RejectReason.NOT_REGISTERED, RejectReason.TOO_MANY_TRIES]
)
def test_every_refusal_says_why_and_leaves_a_way_on(
    reason: LimitRule | RejectReason, hours: int | None, is_adding: bool
) -> None:
    until = timezone.now() + timedelta(hours=hours, seconds=5) if hours else None
    said = reasons.of_not_sent(CodeDenied(until, reason), is_adding=is_adding)
    assert A_WAY_ON.search(said)
    assert said.count(".") >= 2, "why, and the way on"
    assert "%" not in said
    assert not re.search(r"carrier|operator|provider|gateway|channel|budget|cost|range|account", said)
    assert reason is LimitRule.NUMBER_PEOPLE or "people" not in said
    if reason is not RejectReason.NOT_REGISTERED:
        assert "No code could be sent by this method" not in said, "each has a sentence of its own"


def test_rules_that_would_tell_about_others_share_their_words() -> None:
    def said(rule: LimitRule) -> str:
        return reasons.of_not_sent(CodeDenied(timezone.now() + timedelta(hours=5), rule))

    assert said(LimitRule.NUMBER_PEOPLE).startswith("Too many people use this number today. ")
    assert (
        len(
            {
                said(rule)
                for rule in (LimitRule.RANGE_HOUR, LimitRule.NEW_DAY, LimitRule.NEW_COUNTRY_DAY, LimitRule.COST_DAY)
            }
        )
        == 1
    )
    assert said(LimitRule.COUNTRY_CLOSED) == reasons.of_not_sent(CodeDenied(None, LimitRule.COUNTRY))


@pytest.mark.parametrize("rule", [rule for rule in LimitRule if rule is not LimitRule.PAUSE])
def test_a_sign_in_that_gets_no_code_is_no_dead_end(
    client: Client, world: World, telephone: Telephone, monkeypatch: pytest.MonkeyPatch, rule: LimitRule
) -> None:
    give_phone(world.alice, "+4915187654342", slot="alternate")
    refusal = SendThrottled(timezone.now() + timedelta(hours=2), rule)
    monkeypatch.setattr(rules, "evaluate", lambda *_facts: refusal)
    at_code(client, world)
    assert telephone.received == []
    page = client.get("/sign-in/prove/")
    said = text(page.content)
    assert reasons.of_not_sent(CodeDenied(refusal.until, rule))[:30] in said
    for way_on in ("Text the number ending 78", "Call the number ending 42", "Start again", "Ask your administrator"):
        assert way_on in said
    monkeypatch.setattr(rules, "evaluate", lambda *_facts: rules.Permitted())
    method = re.findall(r'name="method" value="([^"]+)"', page.content.decode())[-1]
    client.post("/sign-in/send/", {"method": method, "channel": "sms"})
    assert client.post("/sign-in/prove/", {"answer": telephone.code})["Location"] == "/"


@pytest.mark.parametrize("rule", list(LimitRule))
def test_a_registration_that_gets_no_code_keeps_what_was_typed(
    client: Client, world: World, telephone: Telephone, monkeypatch: pytest.MonkeyPatch, rule: LimitRule
) -> None:
    registering(client, world)
    monkeypatch.setattr(rules, "evaluate", lambda *_facts: SendThrottled(None, rule))
    page = client.post("/methods/add/phone/", {**PHONE, "slot": "alternate"})
    assert page.status_code == 200
    assert reasons.of_not_sent(CodeDenied(None, rule), is_adding=True)[:30] in text(page.content)
    assert 'value="0151 23456789"' in page.content.decode()
    assert re.search(r'value="alternate"[^>]* checked', page.content.decode())
    assert telephone.received == []


def test_a_country_that_is_not_allowed_is_explained_and_the_form_is_kept(
    client: Client, world: World, telephone: Telephone
) -> None:
    registering(client, world)
    page = client.post("/methods/add/phone/", {**PHONE, "country": "FR", "number": "06 12 34 56 78"})
    assert "Your organisation does not send codes to France. Use another phone" in text(page.content)
    assert 'value="06 12 34 56 78"' in page.content.decode()
    assert re.search(r'<option value="FR" selected', page.content.decode())
    assert telephone.received == []


def test_nobody_is_sent_to_a_way_that_does_not_exist() -> None:
    """Many people have one phone: another phone or channel is named only beside the administrator or as an offer."""
    for rule in (*LimitRule, RejectReason.NOT_CARRIED, RejectReason.CHANNEL_NOT_ALLOWED, RejectReason.NOT_REGISTERED):
        said = reasons.of_not_sent(CodeDenied(None, rule))
        if "nother" in said:
            assert "ask your administrator" in said, rule
