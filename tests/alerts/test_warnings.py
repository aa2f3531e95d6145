"""Who is warned of which event, at once, and how floods of warnings are prevented."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from tests.alerts.playing import STRANGER, complete, pass_password, type_wrong_codes, work
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, give_app_password, give_phone, make_person
from watchword.alerts.models import Alert, By, Notice, WarningChoice
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event, OutboxEvent
from watchword.audit.record import record
from watchword.core.policy import Door, FactorKind, MfaState
from watchword.directory.actions import edit_person
from watchword.factors import vault
from watchword.signin import (
    actions,
    app_passwords,
    enrolment,
    flow,
    housekeeping,
    non_interactive,
    remembered_browsers,
    sessions,
)
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.sign_in_view import view_of

MINUTE = timedelta(minutes=1)


def use_mail(world: World, secret: str, address: str, service_name: str = "imap") -> bool:
    question = AuthRequest(Door.MAIL, world.alice.sign_in_name, Secret(secret), service_name, address)
    if non_interactive.is_shaped_like_app_password(question):
        return non_interactive.check_many([question], now=world.now)[0].allowed
    return non_interactive.check_account_password(question, now=world.now).allowed


def rules(mails: list[EmailMessage]) -> list[str]:
    ids = [str(message.extra_headers["Message-ID"]).strip("<").split("@")[0] for message in mails]
    by_id = {str(notice.pk): notice.rule for notice in Notice.objects.all()}
    return [by_id[pk] for pk in ids]


def test_a_stranger_with_the_right_password_is_told_of_at_the_second_wrong_code(world: World) -> None:
    attempt = pass_password(world, world.alice)
    type_wrong_codes(attempt, world.now, number=1)
    assert work(world.now) == []
    type_wrong_codes(attempt, world.now, number=1)
    (message,) = work(world.now)
    assert message.to == ["alice@elsewhere.example"]
    assert message.subject == "Somebody knows your password (Harbour & Hill)"
    assert "203.0.113.66" in str(message.body)
    assert "Chrome on Windows" in str(message.body)
    assert "/not-me/" in str(message.body)
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    alert = Alert.objects.get()
    assert (alert.rule, alert.subject) == (AlertRule.CODE_MISSING, world.alice)


def test_a_known_browser_may_mistype_once(world: World, telephone: Telephone) -> None:
    token = complete(world, telephone, world.alice).browser_token
    work(world.now)
    later = world.now + MINUTE
    attempt = pass_password(world, world.alice, origin=ORIGIN, now=later, browser=token)
    choice = view_of(attempt, now=later).methods[0]
    flow.send_code(attempt, choice.credential_id, choice.channels[0], now=later)
    flow.answer(attempt, FactorKind.PHONE, telephone.wrong_code(), now=later)
    assert work(later) == []
    flow.answer(attempt, FactorKind.PHONE, telephone.wrong_code(), now=later)
    assert rules(work(later)) == [AlertRule.CODE_MISSING]


def test_a_password_without_any_code_is_told_of_when_the_time_is_over(world: World) -> None:
    pass_password(world, world.alice)
    assert housekeeping.close_abandoned(now=world.now) == 0
    later = world.now + timedelta(minutes=11)
    assert housekeeping.close_abandoned(now=later) == 1
    assert housekeeping.close_abandoned(now=later) == 0
    assert rules(work(later)) == [AlertRule.CODE_MISSING]
    assert Event.objects.filter(kind=EventKind.SIGN_IN_DENIED, reason="not_finished").count() == 1


def test_an_attempt_that_never_passed_the_password_is_no_warning(world: World) -> None:
    flow.begin(world.alice.sign_in_name, origin=STRANGER, next_url="/", now=world.now)
    later = world.now + timedelta(minutes=11)
    assert housekeeping.close_abandoned(now=later) == 0
    assert work(later) == []


def test_wrong_passwords_cause_no_warning_and_unknown_names_leave_no_trace(world: World) -> None:
    for name in ("alice@harbour.example", "nobody@harbour.example"):
        token = flow.begin(name, origin=STRANGER, next_url="/", now=world.now)
        attempt = flow.find_attempt(token, now=world.now)
        assert attempt is not None
        flow.answer(attempt, FactorKind.PASSWORD, "wrong", now=world.now)
    assert work(world.now) == []
    assert not Notice.objects.exists()
    assert not Alert.objects.exists()


def test_a_hundred_wrong_codes_make_one_mail_and_one_alert(world: World) -> None:
    for number in range(100):
        record(EventKind.CODE_REJECTED, now=world.now, subject=world.alice, details={"wrong": number + 2})
    assert rules(work(world.now)) == [AlertRule.CODE_MISSING]
    assert Alert.objects.get().times == 100


def test_the_next_hour_is_told_of_again(world: World) -> None:
    later = world.now + timedelta(hours=1)
    for at in (world.now, later):
        type_wrong_codes(pass_password(world, world.alice, now=at), at)
    assert rules(work(later)) == [AlertRule.CODE_MISSING] * 2


def test_every_browser_is_told_of_once_the_first_one_too(world: World, telephone: Telephone) -> None:
    first = complete(world, telephone, world.alice)
    assert rules(work(world.now)) == [AlertRule.NEW_BROWSER]
    later = world.now + MINUTE
    complete(world, telephone, world.alice, now=later, browser=first.browser_token)
    assert work(later) == []
    complete(world, telephone, world.alice, now=later + MINUTE, origin=STRANGER)
    assert rules(work(later + MINUTE)) == [AlertRule.NEW_BROWSER]


def test_after_this_wasnt_me_the_next_browser_is_told_of(world: World, telephone: Telephone) -> None:
    known = complete(world, telephone, world.alice).browser_token
    work(world.now)
    remembered_browsers.forget_all(world.alice)
    later = world.now + MINUTE
    complete(world, telephone, world.alice, now=later, browser=known)
    assert rules(work(later)) == [AlertRule.NEW_BROWSER]


def test_the_account_password_in_a_mail_program_is_told_of_once_a_day(world: World) -> None:
    for _ in range(5):
        assert not use_mail(world, world.passwords["alice"], "203.0.113.9")
    assert rules(work(world.now)) == [AlertRule.PASSWORD_IN_MAIL]


def test_an_app_password_typed_in_a_browser_is_told_of(world: World) -> None:
    token = flow.begin("alice@harbour.example", origin=STRANGER, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    refused = flow.answer(attempt, FactorKind.PASSWORD, world.alices_app_password, now=world.now)
    wrong = flow.answer(attempt, FactorKind.PASSWORD, "wrong", now=world.now)
    assert refused == wrong
    assert rules(work(world.now)) == [AlertRule.APP_PASSWORD_IN_BROWSER]


def test_app_19_an_app_password_from_a_new_network_is_told_of_and_from_a_known_one_not(world: World) -> None:
    for address in ("198.51.100.7", "198.51.100.7", "198.51.100.200"):
        assert use_mail(world, world.alices_app_password, address)
    assert work(world.now) == []
    assert use_mail(world, world.alices_app_password, "203.0.113.5")
    (message,) = work(world.now)
    assert "“Laptop”" in str(message.body)
    for address in ("198.51.100.9", "203.0.113.77"):
        assert use_mail(world, world.alices_app_password, address)
    assert work(world.now) == []


def test_a_forgotten_device_with_a_deleted_app_password_is_named_to_its_owner_once(world: World) -> None:
    stored = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    vault.revoke(world.alice, stored.id, because="test", now=world.now)
    for _ in range(20):
        assert not use_mail(world, world.alices_app_password, "198.51.100.7")
    (message,) = work(world.now)
    assert "“Laptop”" in str(message.body)
    assert "/not-me/" not in str(message.body)


def test_changes_to_the_account_are_told_of(world: World) -> None:
    opened = sessions.open_session(
        world.alice, evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=world.now), origin=ORIGIN, now=world.now
    )
    enrolment.create_app_password(opened.session, "Tablet", origin=ORIGIN, now=world.now)
    give_phone(world.alice, "+4915187654321", slot="alternate")
    enrolment.remove(opened.session, world.alices_phone.id, origin=ORIGIN, now=world.now)
    actions.reset_password(world.alice, by=world.root, now=world.now)
    actions.set_mfa_state(world.alice, MfaState.DISABLED, by=world.root, now=world.now)
    told = [AlertRule.APP_PASSWORD_CREATED, AlertRule.PHONE_REMOVED, AlertRule.PASSWORD_RESET, AlertRule.MFA_STATE]
    assert sorted(rules(work(world.now))) == sorted(told)


def test_a_new_contact_address_is_told_to_both(world: World) -> None:
    edit_person(world.alice, {"contact_mail": "mallory@evil.example"}, by=world.root, now=world.now)
    assert {message.to[0] for message in work(world.now)} == {"mallory@evil.example", "alice@elsewhere.example"}
    event = Event.objects.filter(kind=EventKind.PERSON_EDITED).get()
    assert "elsewhere" not in str(event.details)


def test_texts_go_to_those_who_want_them_and_only_for_urgent_things(world: World, telephone: Telephone) -> None:
    WarningChoice.objects.create(user=world.alice, by_text=True)
    type_wrong_codes(pass_password(world, world.alice), world.now)
    record(EventKind.PASSWORD_RESET, now=world.now, subject=world.alice, by=world.root)
    work(world.now)
    (sent,) = telephone.received
    assert "Somebody knows your password" in sent.words
    assert (sent.code, "http" in sent.words) == ("", False)
    assert Notice.objects.filter(by=By.TEXT).count() == 1


def test_a_person_gets_no_more_than_five_texts_a_day(world: World, telephone: Telephone) -> None:
    WarningChoice.objects.create(user=world.alice, by_text=True)
    for _ in range(9):
        record(EventKind.METHOD_ADDED, now=world.now, subject=world.alice, details={"ends": "42"})
    work(world.now)
    assert len(telephone.received) == 5


def test_a_mail_server_that_is_away_is_tried_again_under_the_same_message_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[EmailMessage] = []

    def fail(self: EmailMessage) -> int:
        tried.extend([self] if self.to == ["alice@elsewhere.example"] else [])
        raise SMTPServerDisconnected("alice@elsewhere.example")

    type_wrong_codes(pass_password(world, world.alice), world.now)
    with monkeypatch.context() as broken:
        broken.setattr(EmailMessage, "send", fail)
        work(world.now)
    notice = Notice.objects.get(user=world.alice)
    assert (notice.sent_at, notice.trouble, notice.tries) == (None, "SMTPServerDisconnected", 1)
    (message,) = work(world.now + 5 * MINUTE)
    assert message.extra_headers["Message-ID"] == tried[0].extra_headers["Message-ID"]
    assert work(world.now + 10 * MINUTE) == []


def test_a_worker_that_died_after_sending_leaves_a_lease_that_the_next_one_takes_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(self: EmailMessage) -> int:
        mail.outbox.append(self)
        raise Killed

    record(EventKind.METHOD_ADDED, now=world.now, subject=world.alice, details={"ends": "42"})
    with monkeypatch.context() as dying:
        dying.setattr(EmailMessage, "send", die)
        with pytest.raises(Killed):
            work(world.now)
    assert work(world.now + timedelta(seconds=30)) == []
    assert len(work(world.now + 2 * MINUTE)) == 1
    assert len({str(message.extra_headers["Message-ID"]) for message in mail.outbox}) == 1


def test_an_event_that_cannot_be_understood_holds_up_no_other_warning(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(EventKind.SIGN_IN_ALLOWED, now=world.now, subject=world.alice, notify=True, details={"credential": "junk"})
    type_wrong_codes(pass_password(world, world.alice), world.now)
    assert len(work(world.now)) == 1
    assert OutboxEvent.objects.get().tries == 1


def test_inj_02_names_cannot_write_headers_or_lines_of_a_mail(world: World) -> None:
    hostile = make_person(world.organisation, "eve")
    type(hostile).objects.filter(pk=hostile.pk).update(display_name="Eve\r\nBcc: all@harbour.example")
    world.organisation.name = "Evil\r\nX-Injected: yes"
    world.organisation.save()
    record(EventKind.PASSWORD_RESET, now=world.now, subject=hostile, by=world.root)
    (message,) = work(world.now)
    head, _, _body = message.message().as_string().partition("\n\n")
    assert "X-Injected: yes" not in head.splitlines()
    assert "Bcc" not in head


def test_a_paused_app_password_is_refused_and_a_resumed_one_is_not(world: World) -> None:
    opened = sessions.open_session(
        world.alice, evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=world.now), origin=ORIGIN, now=world.now
    )
    give_app_password(world.alice, "Tablet")
    stored = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    assert app_passwords.pause(opened.session, stored.id, origin=ORIGIN, now=world.now)
    assert not use_mail(world, world.alices_app_password, "198.51.100.7")
    assert Event.objects.latest("id").reason == "app_password_paused"
    assert app_passwords.resume(opened.session, stored.id, origin=ORIGIN, now=world.now)
    assert use_mail(world, world.alices_app_password, "198.51.100.7")
