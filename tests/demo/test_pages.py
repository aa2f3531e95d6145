"""The phone page and the webmail through Django's client: keys, fraud reports, invalid input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.pages import text
from tests.world import ORIGIN, World, sign_in
from watchword.core.policy import Channel, FactorKind
from watchword.demo import mailbox_store, ports
from watchword.messaging.gateway import Outgoing
from watchword.messaging.gateways.simulator.gateway import take
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.models import Delivery
from watchword.messaging.voice import tts
from watchword.signin import flow
from watchword.signin.models import SignInAttempt
from watchword.signin.results import SignInDenied

pytestmark = pytest.mark.usefixtures("simulator")


def call_alice(world: World) -> tuple[SignInAttempt, Arrival]:
    token = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    flow.send_code(attempt, world.alices_phone.id, Channel.VOICE, now=world.now)
    return attempt, Arrival.objects.get()


def call_of_alice() -> Arrival:
    return Arrival.objects.get(channel=Channel.VOICE)


def text_a_person(world: World) -> None:
    delivery = Delivery.objects.create(
        organisation=world.organisation,
        user=world.carol,
        channel=Channel.SMS,
        purpose="sign_in",
        number_key=b"k",
        ends="01",
        created_at=world.now,
        changed_at=world.now,
    )
    message = Outgoing(delivery.pk, Channel.SMS, "+4915100000001", "", "493027", "Harbour & Hill", "sign-in.example")
    take(message)


def test_a_call_rings_is_answered_and_speaks_after_a_key(client: Client, world: World) -> None:
    _attempt, arrival = call_alice(world)
    assert "Incoming call" in text(client.get("/demo/telephone/").content)
    address = f"/demo/telephone/call/{arrival.pk}/"
    assert client.get(f"{address}speech.wav").status_code == 404
    client.post(address, {"do": "answer"})
    client.post(address, {"do": "1"})
    assert arrival.code[0] + ". " + arrival.code[1] in text(client.get("/demo/telephone/").content)
    heard = client.get(f"{address}speech.wav")
    assert heard["Content-Type"] == "audio/wav"
    assert heard.content[:4] == b"RIFF"


def test_zero_and_hash_make_the_code_worthless(client: Client, world: World) -> None:
    attempt, arrival = call_alice(world)
    for key in ("answer", "0", "#"):
        client.post(f"/demo/telephone/call/{arrival.pk}/", {"do": key})
    assert "you reported that it was not you" in text(client.get("/demo/telephone/").content)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, arrival.code, now=world.now), SignInDenied)


def test_a_telephone_is_picked_by_its_owner_and_stays_picked(client: Client, world: World) -> None:
    call_alice(world)
    text_a_person(world)
    number = "/demo/telephone/?number=%2B4915100000001"
    page = client.get(number)
    assert "Alice" in text(page.content)
    assert "Incoming call" not in text(page.content)
    assert "493 027 is your" in text(page.content)
    assert "newest/?number=%2B4915100000001" in page.content.decode()
    answered = client.post(f"/demo/telephone/call/{call_of_alice().pk}/?number=%2B49", {"do": "answer"})
    assert answered["Location"] == "/demo/telephone/?number=%2B49"


def test_a_text_that_comes_during_a_call_is_seen_beside_it(client: Client, world: World) -> None:
    call_alice(world)
    client.post(f"/demo/telephone/call/{call_of_alice().pk}/", {"do": "answer"})
    before = client.get("/demo/telephone/newest/").json()["stamp"]
    picked = client.get("/demo/telephone/newest/", {"number": call_of_alice().number}).json()["stamp"]
    text_a_person(world)
    page = text(client.get("/demo/telephone/").content)
    assert "Connected" in page
    assert "493 027 is your" in page
    assert client.get("/demo/telephone/newest/").json()["stamp"] != before
    after = client.get("/demo/telephone/newest/", {"number": call_of_alice().number}).json()["stamp"]
    assert after == picked, "what happens at another telephone must not cut the voice short"


def test_a_page_that_speaks_is_not_loaded_again_by_itself(client: Client, world: World) -> None:
    call_alice(world)
    assert b'http-equiv="refresh"' in client.get("/demo/telephone/").content
    client.post(f"/demo/telephone/call/{call_of_alice().pk}/", {"do": "answer"})
    assert b'http-equiv="refresh"' not in client.get("/demo/telephone/").content


@pytest.mark.parametrize("junk", ["", "dance", "11", "\0", "x" * 5000])
def test_senseless_keys_do_nothing(client: Client, world: World, junk: str) -> None:
    _attempt, arrival = call_alice(world)
    client.post(f"/demo/telephone/call/{arrival.pk}/", {"do": "answer"})
    assert client.post(f"/demo/telephone/call/{arrival.pk}/", {"do": junk}).status_code == 302
    arrival.refresh_from_db()
    assert arrival.state == "greeting"
    assert client.get("/demo/telephone/?number=%00").status_code == 200


def test_where_nothing_can_be_heard_the_page_says_so_loudly(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tts, "PROGRAM", "no-such-synthesiser")
    _attempt, arrival = call_alice(world)
    client.post(f"/demo/telephone/call/{arrival.pk}/", {"do": "answer"})
    page = client.get("/demo/telephone/")
    assert "Nothing can be heard here: no synthesiser is installed" in text(page.content)
    assert "press 1" in text(page.content)


def test_the_demo_is_shut_outside_the_demo(client: Client, world: World, settings: Any) -> None:
    settings.WATCHWORD_DEMO = False
    assert client.get("/demo/telephone/").status_code == 404
    assert client.get("/demo/telephone/newest/").status_code == 404


def test_the_webmail_needs_a_session_and_shows_the_own_mails_only(client: Client, world: World) -> None:
    assert client.get("/demo/mail/")["Location"] == "/sign-in/?next=%2Fdemo%2Fmail%2F"
    mailbox_store.deliver("carol@harbour.example", b"Subject: For Carol\nFrom: x@y.example\n\nhello\n")
    sign_in(client, world.alice)
    assert "For Carol" not in text(client.get("/demo/mail/").content)
    key = mailbox_store.inbox("carol@harbour.example")[0].key
    assert client.get(f"/demo/mail/{key}/").status_code == 404


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"to": "nobody@harbour.example"}, "There is nobody by this name here"),
        ({"to": ""}, "This field is required"),
        ({"text": ""}, "This field is required"),
    ],
)
def test_a_bad_mail_is_explained_and_kept(client: Client, world: World, changes: dict[str, str], says: str) -> None:
    sign_in(client, world.alice)
    before = len(mailbox_store.inbox("bob@harbour.example"))
    mail = {"to": "bob@harbour.example", "subject": "Kept", "text": "Kept too", **changes}
    page = client.post("/demo/mail/write/", mail)
    assert says in text(page.content)
    assert 'value="Kept"' in page.content.decode()
    assert len(mailbox_store.inbox("bob@harbour.example")) == before


def test_a_mail_with_a_forged_line_is_one_line(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    before = len(mailbox_store.inbox("bob@harbour.example"))
    mail = {"to": "BOB@harbour.example", "subject": "Hello\r\nBcc: x@y.example", "text": "hello"}
    assert client.post("/demo/mail/write/", mail)["Location"] == "/demo/mail/"
    mails = mailbox_store.inbox("bob@harbour.example")
    assert len(mails) == before + 1
    assert any(mail.subject == "Hello Bcc: x@y.example" for mail in mails)


def test_the_webmail_tells_a_mail_program_where_this_demo_answers(
    client: Client, world: World, settings: Any, tmp_path: Path
) -> None:
    settings.WATCHWORD_HOME = tmp_path
    sign_in(client, world.alice)
    assert "IMAP, 127.0.0.1, port 1143, no encryption" in text(client.get("/demo/mail/").content)
    ports.keep(tmp_path, ports.Ports(imap=20143, submission=20587))
    page = text(client.get("/demo/mail/").content)
    assert "IMAP, 127.0.0.1, port 20143, no encryption" in page
    assert "SMTP, 127.0.0.1, port 20587, no encryption" in page
    assert "alice@harbour.example" in page
