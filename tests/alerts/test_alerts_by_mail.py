"""Alerts reach administrators who don't look at the page: by mail to a list, and by text if they chose it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from tests.admincenter.reading import as_role
from tests.admincenter.test_changes_and_files import SETTINGS
from tests.alerts.playing import alert_mails, pass_password, type_wrong_codes, work
from tests.messaging.test_sms_content import outgoing
from tests.pages import text
from tests.telephone import Telephone
from tests.world import World, give_phone, make_organisation, make_person, sign_in
from watchword.alerts import notice_sender
from watchword.alerts.models import Alert, By, Notice, WarningChoice
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import record
from watchword.directory.models import Organisation, User
from watchword.directory.roles import Role
from watchword.messaging import notices
from watchword.messaging.content.sms import said_at
from watchword.messaging.content.translations import WORDS
from watchword.messaging.voice.ivr import Call, CallState
from watchword.signin import service_settings

LIST = ["duty@harbour.example", "soc@elsewhere.example"]


def name(world: World, *addresses: str) -> None:
    world.organisation.alert_recipients = "\n".join(addresses)
    world.organisation.save()


def fraud(world: World, **more: object) -> None:
    record(EventKind.FRAUD_REPORTED, now=world.now, subject=world.alice, details=dict(more))


def test_each_address_of_the_list_gets_a_mail_about_a_new_alert(world: World) -> None:
    name(world, *LIST)
    fraud(world)
    mails = alert_mails(world.now)
    assert sorted(message.to for message in mails) == [[LIST[0]], [LIST[1]]]
    assert {message.subject for message in mails} == {"Alert: Call reported as fraud: Alice (Harbour & Hill)"}
    body = str(mails[0].body)
    assert "Alice (alice@harbour.example)" in body
    assert "Reset the password." in body
    assert "/admin/alerts/" in body
    assert mails[0].extra_headers["Auto-Submitted"] == "auto-generated"
    assert len({message.extra_headers["Message-ID"] for message in mails}) == 2


def test_without_a_list_the_global_administrators_get_it(world: World) -> None:
    make_person(world.organisation, "blocked", roles=(Role.GLOBAL_ADMINISTRATOR,))
    User.objects.filter(sign_in_name="blocked@harbour.example").update(blocked_at=world.now)
    make_person(world.organisation, "helper", roles=(Role.HELPDESK_ADMINISTRATOR,))
    fraud(world)
    assert [message.to for message in alert_mails(world.now)] == [["root@elsewhere.example"]]


def test_what_repeats_within_its_window_is_counted_and_not_mailed_again(world: World) -> None:
    name(world, LIST[0])
    for number in range(30):
        fraud(world, number=number)
    assert len(alert_mails(world.now)) == 1
    assert Alert.objects.get().times == 30
    world.now += timedelta(hours=1)
    fraud(world)
    assert len(alert_mails(world.now)) == 1


def test_the_alerts_of_one_organisation_reach_nobody_of_another(world: World) -> None:
    other = make_organisation("Other", "other.example")
    Organisation.objects.filter(pk=other.pk).update(alert_recipients="spy@other.example")
    name(world, LIST[0])
    fraud(world)
    assert [message.to for message in alert_mails(world.now)] == [[LIST[0]]]


def test_a_mail_that_can_t_leave_is_tried_again_and_its_alert_stands_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "WATCHWORD_CAN_MAIL", False)
    name(world, LIST[0])
    fraud(world)
    assert alert_mails(world.now) == []
    assert Alert.objects.count() == 1
    monkeypatch.setattr(settings, "WATCHWORD_CAN_MAIL", True)
    assert len(alert_mails(world.now + timedelta(minutes=2))) == 1


def test_an_administrator_who_wants_texts_gets_the_loud_ones(world: World, telephone: Telephone) -> None:
    give_phone(world.root, "+4915112345699")
    WarningChoice.objects.create(user=world.root, by_text=True)
    WarningChoice.objects.create(user=world.alice, by_text=True)
    type_wrong_codes(pass_password(world, world.alice), world.now)
    work(world.now)
    texts = {message.number: message.words for message in telephone.received}
    assert "alert: Right password, no code" in texts["+4915112345699"]
    assert "alert" not in texts["+4915112345678"].lower()


def test_an_administrator_s_own_page_of_warnings_does_not_take_alerts_for_theirs(
    client: Client, world: World, telephone: Telephone
) -> None:
    give_phone(world.root, "+4915112345699")
    WarningChoice.objects.create(user=world.root, by_text=True)
    type_wrong_codes(pass_password(world, world.alice), world.now)
    work(world.now)
    assert Notice.objects.filter(user=world.root, by=By.TEXT).exists()
    sign_in(client, world.root)
    assert "Somebody knows your password" not in text(client.get("/warnings/").content)


def test_a_changed_list_is_told_to_the_old_and_the_new_one_and_not_to_the_log(world: World) -> None:
    name(world, *LIST)
    changes = {"alert_recipients": "mallory@evil.example"}
    service_settings.change_settings(world.organisation, changes, by=world.root, now=world.now)
    told = {message.to[0] for message in alert_mails(world.now)}
    assert told == {*LIST, "mallory@evil.example"}
    event = Event.objects.get(kind=EventKind.SETTINGS_CHANGED)
    assert event.details["alert_recipients"] == {"before": 2, "after": 1}
    assert "mallory" not in str(event.details)


def test_the_list_is_sealed(world: World) -> None:
    name(world, *LIST)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM directory_organisation")
        row = cursor.fetchone()
    assert not any(LIST[0].encode() in bytes(cell) for cell in row if isinstance(cell, bytes | memoryview))
    assert LIST[0] not in str(row)


def test_the_list_is_changed_in_service_settings(client: Client, world: World) -> None:
    sign_in(client, world.root)
    page = client.post("/admin/service-settings/", {**SETTINGS, "alert_recipients": "duty@harbour.example nonsense"})
    assert "“nonsense” is no mail address." in text(page.content)
    many = " ".join(f"a{number}@harbour.example" for number in range(21))
    page = client.post("/admin/service-settings/", {**SETTINGS, "alert_recipients": many})
    assert "20 is the most" in text(page.content)
    client.post("/admin/service-settings/", {**SETTINGS, "alert_recipients": f"{LIST[0]}\r\n {LIST[1]}\n{LIST[0]}"})
    world.organisation.refresh_from_db()
    assert world.organisation.alert_recipients.split() == LIST


def test_the_navigation_says_how_many_alerts_are_open(client: Client, world: World) -> None:
    sign_in(client, world.root)
    assert "Alerts 1 open" not in text(client.get("/admin/users/").content)
    fraud(world)
    work(world.now)
    assert "Alerts 1 open" in text(client.get("/admin/users/").content)
    Alert.objects.update(closed_at=world.now)
    assert "Alerts 1 open" not in text(client.get("/admin/users/").content)
    Alert.objects.bulk_create(
        Alert(
            organisation=world.organisation,
            rule="locked",
            event_id=number,
            merge_key=str(number),
            raised_at=world.now,
            last_at=world.now,
        )
        for number in range(120)
    )
    as_role(client, world, Role.GLOBAL_READER)
    assert "Alerts 99+ open" in text(client.get("/admin/users/").content)


@pytest.mark.parametrize("language", list(WORDS))
def test_a_call_says_that_administrators_are_told_only_where_mail_can_leave(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = WORDS[language]
    call = Call(CallState.FRAUD)
    for can_mail, expected in ((True, words.thanks), (False, words.thanks_unmailed)):
        monkeypatch.setattr(settings, "WATCHWORD_CAN_MAIL", can_mail)
        assert [said.words for said in said_at(outgoing("123456", "Harbour & Hill", "h.example", language), call)] == [
            expected
        ]
    assert words.thanks != words.thanks_unmailed


def test_a_text_whose_notice_could_not_be_marked_is_not_sent_and_comes_once_later(
    world: World, telephone: Telephone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction marks the notice as sent and stores the message in the outbox, so neither exists alone."""

    def killed(*arguments: Any, **named: Any) -> Any:
        notices.warn(*arguments, **named)
        raise LookupError

    WarningChoice.objects.create(user=world.alice, by_text=True)
    type_wrong_codes(pass_password(world, world.alice), world.now)
    with monkeypatch.context() as patch:
        patch.setattr(notice_sender, "warn", killed)
        work(world.now)
    assert telephone.received == []
    waiting = Notice.objects.get(by=By.TEXT)
    assert (waiting.sent_at, waiting.trouble) == (None, "LookupError")
    for minutes in (1, 2):
        work(world.now + timedelta(minutes=minutes))
    assert len(telephone.received) == 1
    assert Notice.objects.get(by=By.TEXT).sent_at is not None
