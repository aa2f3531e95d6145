"""What counts as a wrong code, who is notified, and what settles it; on every page where a code is typed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.alerts.playing import STRANGER, complete, pass_password, work
from tests.keys import rotated
from tests.pages import text
from tests.telephone import Telephone
from tests.world import ORIGIN, World, sign_in
from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import DenyReason
from watchword.core.factors import RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.messaging.content.sms import text_of
from watchword.messaging.models import Delivery
from watchword.signin import enrolment, flow, housekeeping
from watchword.signin.models import CodeChallenge, FailureCount, SignInAttempt
from watchword.signin.results import Outcome, SignedIn, SignInDenied
from watchword.signin.sign_in_view import view_of

PAUSE = timedelta(seconds=31)


def code_on_the_way(world: World, at: datetime) -> SignInAttempt:
    attempt = pass_password(world, world.alice, now=at)
    send(attempt, at)
    return attempt


def send(attempt: SignInAttempt, at: datetime) -> None:
    choice = view_of(attempt, now=at).methods[0]
    flow.send_code(attempt, choice.credential_id, Channel.SMS, now=at)


def type_code(attempt: SignInAttempt, typed: str, at: datetime) -> Outcome:
    return flow.answer(attempt, FactorKind.PHONE, typed, now=at)


def failures_of(world: World) -> int:
    row = FailureCount.objects.filter(pk=f"code:{world.alice.pk}").first()
    return len(row.failures) if row is not None else 0


@pytest.mark.parametrize("typed", ["12345", "1234567", "", "abcdef", "123456 or 654321"])
def test_what_is_no_code_is_no_guess_and_no_event(world: World, telephone: Telephone, typed: str) -> None:
    attempt = code_on_the_way(world, world.now)
    for _ in range(20):
        assert type_code(attempt, typed, world.now) == SignInDenied(RejectReason.NOT_SHAPED)
    assert failures_of(world) == 0
    assert CodeChallenge.objects.get().tries == 0
    assert not Event.objects.filter(kind=EventKind.CODE_REJECTED).exists()
    assert isinstance(type_code(attempt, telephone.code, world.now), SignedIn)


def test_a_whole_message_that_is_pasted_is_read(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world, world.now)
    assert telephone.code in text_of(telephone.received[-1]).replace(" ", "")
    assert isinstance(type_code(attempt, text_of(telephone.received[-1]), world.now), SignedIn)


def test_an_earlier_code_is_no_failure_and_opens_nothing(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world, world.now)
    first, later = telephone.code, world.now + PAUSE
    send(attempt, later)
    for _ in range(10):
        assert type_code(attempt, first, later) == SignInDenied(RejectReason.EARLIER_CODE)
    assert failures_of(world) == 0
    assert not Event.objects.filter(kind=EventKind.CODE_REJECTED).exists()
    assert isinstance(type_code(attempt, telephone.code, later), SignedIn)


def test_an_earlier_code_of_another_sign_in_is_a_wrong_one(world: World, telephone: Telephone) -> None:
    code_on_the_way(world, world.now)
    first, later = telephone.code, world.now + PAUSE
    attempt = code_on_the_way(world, later)
    assert type_code(attempt, first, later) == SignInDenied(RejectReason.WRONG)
    assert failures_of(world) == 1


def test_a_code_whose_sign_in_is_over_came_too_late_and_proves_a_reader(world: World, telephone: Telephone) -> None:
    """The text took half an hour: its code is no failure and opens nothing, and the newest code still works."""
    code_on_the_way(world, world.now)
    first, later = telephone.code, world.now + timedelta(minutes=30)
    attempt = code_on_the_way(world, later)
    assert type_code(attempt, first, later) == SignInDenied(RejectReason.TOO_LATE)
    assert failures_of(world) == 0
    delivery = Delivery.objects.order_by("created_at")[0]
    assert (delivery.typed_late_at, delivery.entered_at) == (later, None)
    assert isinstance(type_code(attempt, telephone.code, later), SignedIn)


def test_after_an_hour_a_code_is_forgotten(world: World, telephone: Telephone) -> None:
    code_on_the_way(world, world.now)
    first, later = telephone.code, world.now + timedelta(hours=1)
    attempt = code_on_the_way(world, later)
    assert type_code(attempt, first, later) == SignInDenied(RejectReason.WRONG)
    assert failures_of(world) == 1


@pytest.mark.parametrize("death", ["too old", "tried too often"])
def test_the_right_code_that_is_dead_opens_nothing_and_is_no_guess(
    world: World, telephone: Telephone, death: str
) -> None:
    attempt = code_on_the_way(world, world.now)
    later, before = world.now + timedelta(seconds=301), 0
    if death == "tried too often":
        later, before = world.now, 5
        for _ in range(5):
            type_code(attempt, telephone.wrong_code(), later)
    outcome = type_code(attempt, telephone.code, later)
    assert isinstance(outcome, SignInDenied)
    assert outcome.reason in {RejectReason.TOO_LATE, RejectReason.TOO_MANY_TRIES}
    assert failures_of(world) == before


def test_the_page_says_that_the_newest_code_counts(client: Client, world: World, telephone: Telephone) -> None:
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    first = telephone.code
    CodeChallenge.objects.update(created_at=world.now - PAUSE)
    Delivery.objects.update(created_at=world.now - PAUSE)
    client.post("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "sms"})
    assert telephone.code != first
    page = text(client.post("/sign-in/prove/", {"answer": first}).content)
    assert "That is an earlier code. Only the newest one counts" in page


def test_at_registration_an_earlier_code_and_five_digits_are_no_failures(
    client: Client, world: World, telephone: Telephone
) -> None:
    session = sign_in(client, world.alice).session
    options = {"slot": "alternate", "country": "DE", "number": "+4915187654321", "channel": "sms"}
    now = timezone.now()
    enrolment.start(session, FactorKind.PHONE, options, origin=ORIGIN, now=now)
    first, later = telephone.code, now + PAUSE
    enrolment.start(session, FactorKind.PHONE, options, origin=ORIGIN, now=later)
    for typed, reason in ((first, RejectReason.EARLIER_CODE), ("12345", RejectReason.NOT_SHAPED)):
        assert enrolment.finish(session, FactorKind.PHONE, typed, origin=ORIGIN, now=later) == SignInDenied(reason)
    assert failures_of(world) == 0
    registered = enrolment.finish(session, FactorKind.PHONE, text_of(telephone.received[-1]), origin=ORIGIN, now=later)
    assert isinstance(registered, enrolment.Registered)


def test_a_slip_of_the_owner_in_a_new_browser_is_told_nobody(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world, world.now)
    type_code(attempt, telephone.wrong_code(), world.now)
    assert isinstance(type_code(attempt, telephone.code, world.now), SignedIn)
    later = world.now + timedelta(minutes=11)
    housekeeping.close_abandoned(now=later)
    work(later)
    assert not Notice.objects.filter(rule=AlertRule.CODE_MISSING).exists()
    assert not Alert.objects.exists()
    assert Event.objects.filter(kind=EventKind.CODE_REJECTED).count() == 1


@pytest.mark.parametrize("browser", ["known", "new"])
def test_one_wrong_code_that_no_right_one_follows_is_told_when_its_attempt_ends(
    world: World, telephone: Telephone, browser: str
) -> None:
    token = complete(world, telephone, world.alice).browser_token if browser == "known" else ""
    later = world.now + timedelta(minutes=1)
    attempt = pass_password(world, world.alice, now=later, browser=token)
    type_code(attempt, "000000", later)
    work(later)
    assert not Alert.objects.exists()
    over = later + timedelta(minutes=11)
    housekeeping.close_abandoned(now=over)
    work(over)
    assert Alert.objects.get().rule == AlertRule.CODE_MISSING
    assert Notice.objects.filter(rule=AlertRule.CODE_MISSING, user=world.alice).count() == 1


def test_the_right_code_in_the_same_sign_in_closes_the_alert_and_the_log_keeps_it(
    world: World, telephone: Telephone
) -> None:
    attempt = code_on_the_way(world, world.now)
    for _ in range(2):
        type_code(attempt, telephone.wrong_code(), world.now)
    work(world.now)
    assert Alert.objects.get().closed_at is None
    type_code(attempt, telephone.code, world.now)
    work(world.now)
    alert = Alert.objects.get()
    assert (alert.closed_at, alert.closed_by_name) == (world.now, "")
    assert Event.objects.filter(kind=EventKind.CODE_REJECTED).count() == 2
    closed = Event.objects.get(kind=EventKind.ALERT_CLOSED)
    assert (closed.details["by"], closed.details["attempt"]) == ("right_code", str(attempt.pk))


def test_a_right_code_in_another_sign_in_closes_no_alert(world: World, telephone: Telephone) -> None:
    thief = pass_password(world, world.alice, origin=STRANGER)
    for _ in range(2):
        type_code(thief, "000000", world.now)
    work(world.now)
    complete(world, telephone, world.alice, now=world.now)
    work(world.now)
    assert Alert.objects.get().closed_at is None


def test_a_right_code_does_not_close_what_two_sign_ins_were_counted_in(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world, world.now)
    thief = pass_password(world, world.alice, origin=STRANGER)
    for one in (attempt, thief):
        for _ in range(2):
            type_code(one, "000000", world.now)
    work(world.now)
    type_code(attempt, telephone.code, world.now)
    work(world.now)
    alert = Alert.objects.get()
    assert alert.closed_at is None
    assert alert.times == 3


@pytest.mark.parametrize("closed_by", ["code", "administrator"])
def test_who_comes_after_an_alert_was_closed_is_told_of_anew(
    client: Client, world: World, telephone: Telephone, closed_by: str
) -> None:
    """A new attack is not merged into an alert of the same hour that was closed already."""
    attempt = code_on_the_way(world, world.now)
    for _ in range(2):
        type_code(attempt, telephone.wrong_code(), world.now)
    work(world.now)
    if closed_by == "code":
        type_code(attempt, telephone.code, world.now)
        work(world.now)
    else:
        sign_in(client, world.root)
        client.post(f"/admin/alerts/{Alert.objects.get().pk}/close/", {"note": "asked"})
    assert not Alert.objects.filter(closed_at=None).exists()
    thief = pass_password(world, world.alice, origin=STRANGER)
    for _ in range(2):
        type_code(thief, "000000", world.now)
    mails = work(world.now)
    assert Alert.objects.filter(closed_at=None).count() == 1
    to_alice = [mail for mail in mails if mail.to == ["alice@elsewhere.example"]]
    assert len(to_alice) == (1 if closed_by == "code" else 0)


def test_a_hundred_wrong_codes_in_a_row_lock_and_a_right_one_begins_anew(world: World, telephone: Telephone) -> None:
    at = world.now
    FailureCount.objects.create(pk=f"code:{world.alice.pk}", in_a_row=98, changed_at=at)
    attempt = code_on_the_way(world, at)
    type_code(attempt, telephone.wrong_code(), at)
    assert isinstance(type_code(attempt, telephone.code, at), SignedIn)
    assert FailureCount.objects.get(pk=f"code:{world.alice.pk}").in_a_row == 0
    FailureCount.objects.filter(pk=f"code:{world.alice.pk}").update(in_a_row=99, failures=[])
    later = at + timedelta(minutes=1)
    type_code(pass_password(world, world.alice, now=later), "000000", later)
    assert FailureCount.objects.get(pk=f"code:{world.alice.pk}").locked_at == later
    months = later + timedelta(days=60)
    token = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=months)
    locked = flow.find_attempt(token, now=months)
    assert locked is not None
    right = flow.answer(locked, FactorKind.PASSWORD, world.passwords["alice"], now=months)
    assert right == SignInDenied(DenyReason.SECOND_FACTOR_LOCKED)


def test_one_wrong_code_in_each_of_two_sign_ins_is_told_at_once(world: World) -> None:
    for _ in range(2):
        type_code(pass_password(world, world.alice, origin=STRANGER), "000000", world.now)
    work(world.now)
    assert Alert.objects.get().rule == AlertRule.CODE_MISSING


def test_a_code_sent_before_a_rotation_of_the_keys_is_right_after_it(
    world: World, telephone: Telephone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a node that seals with the older key still, of a code that another one has sealed with the newer."""
    old = settings.WATCHWORD_KEY_RING
    new = rotated(old)
    not_yet = new.using(old.keys[0].id)
    for sealing, reading in ((old, new), (new, not_yet)):
        monkeypatch.setattr(settings, "WATCHWORD_KEY_RING", sealing)
        attempt = code_on_the_way(world, world.now)
        monkeypatch.setattr(settings, "WATCHWORD_KEY_RING", reading)
        assert isinstance(type_code(attempt, telephone.code, world.now), SignedIn)
