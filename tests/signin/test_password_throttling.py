"""Wrong account passwords throttle callers; what an old device repeats is one guess, and no account is ever locked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.alerts.playing import work
from tests.world import World, make_organisation, make_person, sign_in
from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin
from watchword.core.decision import DenyReason
from watchword.core.factors import Verdict
from watchword.core.policy import Door, FactorKind
from watchword.directory.models import Organisation
from watchword.factors.password.factor import PasswordFactor
from watchword.signin import actions, flow, non_interactive, password_change, password_throttling, service_settings
from watchword.signin.housekeeping import clean_up
from watchword.signin.models import FailureCount, Session
from watchword.signin.non_interactive import AuthRequest, Secret, Unavailable
from watchword.signin.results import Continue, Outcome, SignedIn, SignInDenied

HOME = "198.51.100.7"
OLD = "the passphrase of last year!"


def browser(world: World, password: str, at: datetime, *, name: str = "carol", address: str = HOME) -> Outcome:
    origin = Origin(address=address, door="web")
    token = flow.begin(f"{name}@harbour.example", origin=origin, next_url="/", now=at)
    attempt = flow.find_attempt(token, now=at)
    assert attempt is not None
    return flow.answer(attempt, FactorKind.PASSWORD, password, now=at)


def mail(password: str, at: datetime, *, name: str = "carol", address: str = HOME) -> str:
    question = AuthRequest(Door.MAIL, f"{name}@harbour.example", Secret(password), "imap", address)
    try:
        return "in" if non_interactive.check_account_password(question, now=at).allowed else "refused"
    except Unavailable:
        return "later"


def wait_here(world: World, *, name: str = "carol", address: str = HOME) -> None:
    """Type ten different wrong passwords, so that the next one is throttled."""
    for number in range(10):
        browser(world, f"wrong {number}", world.now, name=name, address=address)


def test_bru_12_the_owner_comes_in_beside_a_device_that_asks_with_an_old_password_for_days(world: World) -> None:
    """A device that tries an old password every five minutes for six days never prevents its owner from signing in."""
    for poll in range(6 * 288):
        at = world.now + timedelta(minutes=5 * poll)
        assert mail(OLD, at) == "refused"
        if poll % 50 == 0:
            assert isinstance(browser(world, world.passwords["carol"], at), SignedIn)
            assert mail(world.passwords["carol"], at) == "in"
            clean_up(now=at)
    assert Event.objects.filter(kind=EventKind.SIGN_IN_DENIED).count() <= 6 * 24 + 2
    assert FailureCount.objects.filter(locked_at__isnull=False).count() == 0


def test_a_device_that_storms_shuts_out_neither_its_owner_nor_the_office(world: World) -> None:
    for second in range(400):
        assert mail(OLD, world.now + timedelta(seconds=second)) == "refused"
    at = world.now + timedelta(seconds=400)
    assert mail(world.passwords["carol"], at) == "in"
    assert isinstance(browser(world, world.passwords["carol"], at), SignedIn)
    assert mail("the colleague's slip", at, name="bob") == "refused"


def test_the_same_wrong_password_is_hashed_three_hundred_times_an_hour_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    verify = PasswordFactor.verify

    def counted(factor: PasswordFactor, *args: Any, **named: Any) -> Verdict:
        looked_at.append(args[2])
        return verify(factor, *args, **named)

    monkeypatch.setattr(PasswordFactor, "verify", counted)
    for second in range(500):
        mail(OLD, world.now + timedelta(seconds=second))
    assert len(looked_at) == 300


def test_a_repeated_password_is_answered_as_a_new_one_is(world: World) -> None:
    """The caller can't learn which password the owner mistypes: the answer is the same, after the same slow hash."""
    first = browser(world, OLD, world.now)
    assert browser(world, OLD, world.now) == first == browser(world, "another wrong one", world.now)


def test_different_wrong_passwords_still_wait_beside_a_repeated_one(world: World) -> None:
    for number in range(10):
        browser(world, f"wrong {number}", world.now)
        browser(world, OLD, world.now)
    outcome = browser(world, world.passwords["carol"], world.now)
    assert isinstance(outcome, SignInDenied)
    assert outcome.reason is DenyReason.PASSWORD_WAITS


@pytest.mark.parametrize("door", ["web", "mail"])
def test_an_eleventh_different_password_waits_at_both_doors(world: World, door: str) -> None:
    for number in range(10):
        mail(f"wrong {number}", world.now)
    if door == "mail":
        assert mail(world.passwords["carol"], world.now) == "refused"
    else:
        assert isinstance(browser(world, world.passwords["carol"], world.now), SignInDenied)
    assert mail(world.passwords["carol"], world.now + timedelta(seconds=31)) == "in"


@pytest.mark.parametrize("day_failures", [30, 5])
def test_however_many_wrong_passwords_the_right_one_comes_in_after_an_hour(world: World, day_failures: int) -> None:
    """The daily limit of wrong codes doesn't apply to passwords, because strangers can produce wrong passwords."""
    Organisation.objects.update(limits={"day_failures": day_failures})
    at = world.now
    for number in range(200):
        mail(f"wrong {number}", at)
        at += timedelta(minutes=3)
    assert mail(world.passwords["carol"], at + timedelta(hours=1)) == "in"


def test_what_an_earlier_release_locked_is_open(world: World) -> None:
    mail("wrong", world.now)
    FailureCount.objects.filter(pk__startswith="password:").update(locked_at=world.now)
    assert mail(world.passwords["carol"], world.now) == "in"


def test_tries_for_a_name_that_waits_do_not_count_against_the_address(world: World) -> None:
    for number in range(250):
        browser(world, f"wrong {number}", world.now)
    assert isinstance(browser(world, world.passwords["bob"], world.now, name="bob"), Continue)
    source = FailureCount.objects.get(pk__startswith="source:")
    assert len(source.failures) == 10


def test_sign_ins_without_an_address_wait_like_those_of_one_address(world: World) -> None:
    number = 0
    while mail(f"wrong {number}", world.now, name=f"nobody{number}", address="") == "refused":
        number += 1
        assert number < 1000, "the limits of an address apply"
    assert mail(world.passwords["carol"], world.now, address="") == "later"
    assert mail(world.passwords["carol"], world.now, address=HOME) == "in"


def test_a_name_that_waits_fills_no_log(world: World) -> None:
    for number in range(250):
        browser(world, f"wrong {number}", world.now)
    denied = Event.objects.filter(kind=EventKind.SIGN_IN_DENIED)
    assert denied.filter(reason=DenyReason.PASSWORD_WAITS).count() == 1
    assert denied.count() == 11


@pytest.mark.parametrize("act", ["unlock", "reset", "own change"])
def test_unlock_reset_and_a_new_password_forget_what_was_counted(world: World, act: str) -> None:
    wait_here(world)
    password = world.passwords["carol"]
    if act == "unlock":
        assert actions.unlock_second_factor(world.carol, by=world.root, now=world.now)
    elif act == "reset":
        password = actions.reset_password(world.carol, by=world.root, now=world.now).secret
    else:
        session = sign_in(Client(), world.carol).session
        password = "seven green herons on a wall"
        current = world.passwords["carol"]
        password_change.choose_password(session, password, current=current, origin=Origin(), now=timezone.now())
    assert not isinstance(browser(world, password, world.now), SignInDenied)
    assert not FailureCount.objects.filter(subject_id=world.carol.pk).exclude(failures=[]).exists()


def test_the_panel_shows_the_wait_and_the_way_out(client: Client, world: World) -> None:
    wait_here(world)
    sign_in(client, world.root)
    page = client.get(f"/admin/users/?person={world.carol.pk}").content.decode()
    assert "Too many wrong passwords from one place" in page
    assert f"/admin/users/{world.carol.pk}/unlock/" in page


def test_no_digest_outlives_the_password_or_the_key(world: World) -> None:
    """The digest of a wrong password is keyed and ends with this password, so it is no hash to guess against."""
    browser(world, OLD, world.now)
    rows = FailureCount.objects.get(pk__startswith="password:").repeated
    assert OLD not in str(rows)
    actions.reset_password(world.carol, by=world.root, now=world.now)
    assert not FailureCount.objects.filter(subject_id=world.carol.pk).exists()


def test_the_owner_hears_once_a_week_of_a_device_with_an_old_password(world: World) -> None:
    mails = []
    for poll in range(10 * 24):
        at = world.now + timedelta(hours=poll)
        for _ in range(3):
            mail(OLD, at)
        mails += work(at)
    assert [one.subject for one in mails] == ["A device still tries an old password (Harbour & Hill)"] * len(mails)
    assert 1 <= len(mails) <= 3
    assert "(IMAP)" in mails[0].body
    assert OLD not in mails[0].body
    assert not Alert.objects.exists()


def test_nine_times_the_same_slip_is_no_device(world: World) -> None:
    for _ in range(9):
        browser(world, OLD, world.now)
    assert work(world.now) == []
    browser(world, OLD, world.now)
    assert len(work(world.now)) == 1
    assert Notice.objects.get().rule == AlertRule.OLD_PASSWORD_TRIED


def test_many_passwords_for_one_name_from_many_addresses_are_an_alert(world: World) -> None:
    """The owner is not throttled by a stranger's guesses, and the administrators are alerted to them."""
    for number in range(120):
        mail(f"guess {number}", world.now, address=f"203.0.{number}.9")
    work(world.now)
    alert = Alert.objects.get()
    assert (alert.rule, alert.subject, alert.times) == (AlertRule.PASSWORD_GUESSED, world.carol, 2)
    assert not Notice.objects.filter(user=world.carol).exists()
    assert mail(world.passwords["carol"], world.now, address=HOME) == "in"


def test_a_device_that_travels_is_no_alert(world: World) -> None:
    for number in range(120):
        mail(OLD, world.now + timedelta(minutes=number), address=f"203.0.{number}.9")
    assert not Event.objects.filter(kind=EventKind.PASSWORD_GUESSED).exists()


def test_guesses_for_a_name_of_nobody_are_no_alert(world: World) -> None:
    for number in range(60):
        mail(f"guess {number}", world.now, name="nobody", address=f"203.0.{number}.9")
    work(world.now)
    assert not Alert.objects.exists()


def office(world: World, network: str) -> None:
    service_settings.change_settings(world.organisation, {"shared_networks": [network]}, by=world.root, now=world.now)


@pytest.mark.parametrize("name", ["nobody", "bob"])
def test_a_shared_address_bears_ten_times_as_many_wrong_passwords(world: World, name: str) -> None:
    """The same holds for unknown names, so the limit of an office doesn't reveal which names exist."""
    office(world, "198.51.100.0/24")
    for number in range(499):
        mail("Winter2026!", world.now, name=f"colleague{number}")
    assert mail("a slip", world.now, name=name) == "refused"
    assert mail("another slip", world.now, name=name) == "later"
    assert Event.objects.filter(kind=EventKind.SOURCE_CLOSED).count() == 1


def test_another_address_bears_as_many_as_before(world: World) -> None:
    office(world, "192.0.2.0/24")
    for number in range(50):
        mail("Winter2026!", world.now, name=f"colleague{number}")
    assert mail(world.passwords["carol"], world.now) == "later"


def test_at_a_shared_address_the_code_is_asked_as_everywhere(world: World) -> None:
    office(world, "198.51.100.0/24")
    outcome = browser(world, world.passwords["alice"], world.now, name="alice")
    assert isinstance(outcome, Continue)
    assert not Session.objects.exists()


@pytest.mark.parametrize("state", ["blocked_at", "deleted_at"])
@pytest.mark.parametrize("door", ["web", "mail"])
def test_enu_01_a_right_password_of_a_person_who_may_not_come_in_is_counted_as_a_wrong_one(
    world: World, state: str, door: str
) -> None:
    """The time until throttling doesn't reveal that the password of a blocked or deleted person was right."""
    setattr(world.carol, state, world.now)
    world.carol.save()
    tries = [f"wrong {number}" for number in range(9)] + [world.passwords["carol"]]
    for password in tries:
        if door == "web":
            browser(world, password, world.now)
        else:
            mail(password, world.now)
    outcome = browser(world, "one more", world.now)
    assert isinstance(outcome, SignInDenied)
    assert outcome.reason is DenyReason.PASSWORD_WAITS


def test_names_of_nobody_meet_the_limits_of_the_organisation_whose_domain_they_name(world: World) -> None:
    """Otherwise the time until throttling would tell a name of a stricter organisation from an unknown name."""
    Organisation.objects.update(limits={"burst_failures": 3})
    for number in range(3):
        mail(f"wrong {number}", world.now, name="nobody")
        mail(f"wrong {number}", world.now, name="carol")
    rows = FailureCount.objects.filter(pk__startswith="password:")
    assert [len(row.failures) for row in rows] == [3, 3]
    for name in ("nobody", "carol"):
        outcome = browser(world, "one more", world.now, name=name)
        assert isinstance(outcome, SignInDenied)
        assert outcome.reason is DenyReason.PASSWORD_WAITS


def test_another_organisations_people_are_not_forgotten_with_an_unlock(world: World) -> None:
    other = make_person(make_organisation("Elsewhere", "elsewhere.example"), "dora")
    guess = password_throttling.Guess(
        "dora@elsewhere.example", "x", Origin(address=HOME), other, None, other.organisation.policy
    )
    password_throttling.reserve(guess, now=world.now)
    wait_here(world)
    actions.unlock_second_factor(world.carol, by=world.root, now=world.now)
    assert FailureCount.objects.filter(subject_id=other.pk).count() == 1
