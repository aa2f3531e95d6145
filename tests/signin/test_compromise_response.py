"""*This wasn't me*: what it closes, what it leaves, and that a link from a mail alone never sets a password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from tests.alerts.playing import STRANGER, complete, pass_password
from tests.signin.test_actions import mail_opens
from tests.telephone import Telephone
from tests.world import ORIGIN, World, give_app_password, give_password, give_phone
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import AskFor, Deny, DenyReason, SetUpFirst
from watchword.core.policy import FactorKind, MfaState
from watchword.core.restrictions import Restrictions
from watchword.directory.actions import edit_person
from watchword.directory.models import MfaCause, MfaStateChange, User
from watchword.factors import vault
from watchword.signin import (
    access_passes,
    actions,
    app_passwords,
    attempts,
    compromise_response,
    enrolment,
    flow,
    password_change,
    queries,
    sessions,
)
from watchword.signin.compromise_response import CompromiseResponse, Disowned, disowned_by, respond_to_compromise
from watchword.signin.models import Session, SignInAttempt
from watchword.signin.results import Continue, SignInDenied
from watchword.signin.sign_in_view import view_of

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
THIEFS_NUMBER = "+4915199999966"


@dataclass
class Thief:
    """The session and the app password that a thief made with Bob's password."""

    session: Session
    app_password: str


def register_as(world: World, telephone: Telephone, user: User, *, now: datetime, number: str = THIEFS_NUMBER) -> Thief:
    """Sign in with the password alone, as an Enabled person, and register a phone."""
    attempt = pass_password(world, user, now=now)
    options = {"slot": "mobile", "number": number, "channel": "sms"}
    enrolment.start(attempt, FactorKind.PHONE, options, origin=STRANGER, now=now)
    done = enrolment.finish(attempt, FactorKind.PHONE, telephone.code, origin=STRANGER, now=now)
    assert isinstance(done, enrolment.Registered)
    assert done.complete is not None
    assert done.first_app_password is not None
    return Thief(done.complete.session, done.first_app_password.secret)


def newest(kind: EventKind) -> Event:
    return Event.objects.filter(kind=kind).latest("id")


def press(world: World, user: User, kind: EventKind, *, now: datetime) -> CompromiseResponse:
    """Press the button under the warning about the newest event of a kind."""
    disowned = disowned_by(newest(kind), rule="phone_added", credential_id=None)
    return respond_to_compromise(user, disowned, origin=ORIGIN, now=now)


def recovery_of(user: User, *, now: datetime) -> SignInAttempt:
    attempt = flow.find_attempt(attempts.begin_recovery(user, origin=ORIGIN, now=now), now=now)
    assert attempt is not None
    return attempt


def have_had_the_phone_for_long(world: World) -> UUID:
    """Replace Alice's phone with one that she has had for more than a week; return its id."""
    vault.revoke(world.alice, world.alices_phone.id, because="test", now=world.now)
    return vault.store(world.alice, world.alices_phone.data, now=world.now - 8 * DAY).id


def ends_of(user: User) -> list[str]:
    return [method.ends for method in queries.methods_of(user)]


@pytest.mark.parametrize("kind", [EventKind.METHOD_ADDED, EventKind.APP_PASSWORD_CREATED])
def test_what_a_thief_registered_before_the_owner_is_closed_whichever_warning_is_answered(
    world: World, telephone: Telephone, kind: EventKind
) -> None:
    thief = register_as(world, telephone, world.bob, now=world.now)
    assert mail_opens(world, thief.app_password, "bob@harbour.example")
    done = press(world, world.bob, kind, now=world.now + MINUTE)
    assert (done.phones, done.app_passwords) == (("66",), ("First app password",))
    assert (done.became_enabled, done.can_choose) == (True, False)
    assert not mail_opens(world, thief.app_password, "bob@harbour.example")
    assert not mail_opens(world, world.passwords["bob"], "bob@harbour.example")
    assert ends_of(world.bob) == []
    world.bob.refresh_from_db()
    assert world.bob.state is MfaState.ENABLED
    assert MfaStateChange.objects.filter(user=world.bob).latest("id").cause == MfaCause.NOT_ME
    assert sessions.sessions_of(world.bob, now=world.now + MINUTE) == []


def test_without_an_older_phone_no_new_password_can_be_chosen_and_nothing_is_sent(
    world: World, telephone: Telephone
) -> None:
    register_as(world, telephone, world.bob, now=world.now)
    press(world, world.bob, EventKind.METHOD_ADDED, now=world.now + MINUTE)
    sent = len(telephone.received)
    attempt = recovery_of(world.bob, now=world.now + MINUTE)
    assert flow.stage(attempt, now=world.now + MINUTE) == Deny(DenyReason.NO_PROOF_LEFT)
    assert view_of(attempt, now=world.now + MINUTE).methods == ()
    with pytest.raises(enrolment.ReauthenticationRequired):
        password_change.choose_password(attempt, "a wholly new passphrase", origin=ORIGIN, now=world.now + MINUTE)
    assert len(telephone.received) == sent


def test_a_thief_who_comes_again_with_the_phone_they_registered_is_closed_whole(
    world: World, telephone: Telephone
) -> None:
    first = register_as(world, telephone, world.bob, now=world.now)
    later = world.now + DAY
    complete(world, telephone, world.bob, origin=STRANGER, now=later)
    event = newest(EventKind.SIGN_IN_ALLOWED)
    done = respond_to_compromise(
        world.bob, disowned_by(event, rule="new_browser", credential_id=None), origin=ORIGIN, now=later + MINUTE
    )
    assert (done.phones, done.app_passwords, done.can_choose) == (("66",), ("First app password",), False)
    assert not mail_opens(world, first.app_password, "bob@harbour.example")


def test_an_owner_who_passed_a_code_on_keeps_the_phone_that_is_older(world: World, telephone: Telephone) -> None:
    old = have_had_the_phone_for_long(world)
    complete(world, telephone, world.alice, origin=STRANGER)
    event = newest(EventKind.SIGN_IN_ALLOWED)
    disowned = disowned_by(event, rule="new_browser", credential_id=None)
    done = respond_to_compromise(world.alice, disowned, origin=ORIGIN, now=world.now + MINUTE)
    assert (done.phones, done.can_choose) == ((), True)
    assert [method.id for method in queries.methods_of(world.alice)] == [old]


def test_app_passwords_that_a_session_made_before_or_since_are_paused_and_older_ones_work(
    world: World, telephone: Telephone
) -> None:
    have_had_the_phone_for_long(world)
    arrival = complete(world, telephone, world.alice, origin=STRANGER)
    made = enrolment.create_app_password(arrival.session, "Thief's", origin=STRANGER, now=world.now)
    assert isinstance(made, enrolment.ShownOnce)
    enrolment.start(
        arrival.session,
        FactorKind.PHONE,
        {"slot": "alternate", "number": THIEFS_NUMBER, "channel": "sms"},
        origin=STRANGER,
        now=world.now + MINUTE,
    )
    enrolment.finish(arrival.session, FactorKind.PHONE, telephone.code, origin=STRANGER, now=world.now + MINUTE)
    done = press(world, world.alice, EventKind.METHOD_ADDED, now=world.now + 2 * MINUTE)
    assert done.phones == ("66",)
    assert done.app_passwords == ("Thief's",)
    assert not mail_opens(world, made.secret)
    assert mail_opens(world, world.alices_app_password)
    assert ends_of(world.alice) == ["78"]


def test_a_resumed_and_a_widened_app_password_are_paused_again(world: World, telephone: Telephone) -> None:
    second = give_app_password(world.alice, "Tablet")
    laptop, tablet = queries.app_passwords_of(world.alice)
    arrival = complete(world, telephone, world.alice, origin=STRANGER, now=world.now)
    app_passwords.pause(arrival.session, laptop.id, origin=STRANGER, now=world.now)
    app_passwords.resume(arrival.session, laptop.id, origin=STRANGER, now=world.now)
    app_passwords.limit(arrival.session, tablet.id, Restrictions(), origin=STRANGER, now=world.now)
    done = press(world, world.alice, EventKind.SIGN_IN_ALLOWED, now=world.now + MINUTE)
    assert set(done.app_passwords) == {"Laptop", "Tablet"}
    assert not mail_opens(world, world.alices_app_password)
    assert not mail_opens(world, second)


def test_language_and_contact_address_are_put_back_where_the_sign_in_changed_them(
    world: World, telephone: Telephone
) -> None:
    edit_person(world.root, {"contact_mail": "mallory@evil.example"}, by=world.root, now=world.now)
    disowned = Disowned("new_browser", world.now - MINUTE)
    done = respond_to_compromise(world.root, disowned, origin=ORIGIN, now=world.now + MINUTE)
    world.root.refresh_from_db()
    assert (done.undone, world.root.contact_mail) == (("contact_mail",), "root@elsewhere.example")


def test_a_contact_address_that_an_administrator_wrote_stays(world: World) -> None:
    edit_person(world.alice, {"contact_mail": "alice@new.example"}, by=world.root, now=world.now)
    disowned = disowned_by(newest(EventKind.PERSON_EDITED), rule="contact_changed", credential_id=None)
    respond_to_compromise(world.alice, disowned, origin=ORIGIN, now=world.now + MINUTE)
    world.alice.refresh_from_db()
    assert world.alice.contact_mail == "alice@new.example"


@pytest.mark.parametrize("state", [MfaState.DISABLED, MfaState.ENABLED])
def test_enr_16_only_a_person_enforced_chooses_a_new_password_after_this_wasnt_me(
    world: World, state: MfaState
) -> None:
    """Where a phone was added with the password alone, a link from a mail can't set a password."""
    give_phone(world.carol)
    User.objects.filter(pk=world.carol.pk).update(mfa_state=state)
    world.carol.refresh_from_db()
    done = respond_to_compromise(
        world.carol, Disowned("new_browser", world.now + MINUTE), origin=ORIGIN, now=world.now + MINUTE
    )
    assert not done.can_choose
    attempt = recovery_of(world.carol, now=world.now + MINUTE)
    assert flow.stage(attempt, now=world.now + MINUTE) == Deny(DenyReason.NO_PROOF_LEFT)


def test_enr_16_a_link_sets_a_password_only_behind_a_code_and_signs_nobody_in(
    world: World, telephone: Telephone
) -> None:
    now = world.now + MINUTE
    done = respond_to_compromise(world.alice, Disowned("new_browser", now), origin=ORIGIN, now=now)
    assert done.can_choose
    attempt = recovery_of(world.alice, now=now)
    with pytest.raises(enrolment.ReauthenticationRequired):
        password_change.choose_password(attempt, "a wholly new passphrase", origin=ORIGIN, now=now)
    stage = flow.stage(attempt, now=now)
    assert isinstance(stage, AskFor)
    choice = view_of(attempt, now=now).methods[0]
    flow.send_code(attempt, choice.credential_id, choice.channels[0], now=now)
    wrong = flow.answer(attempt, FactorKind.PHONE, telephone.wrong_code(), now=now)
    assert isinstance(wrong, SignInDenied)
    right = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=now)
    assert right == Continue(SetUpFirst(FactorKind.PASSWORD, DenyReason.NOT_ME))
    chosen = password_change.choose_password(attempt, "a wholly new passphrase", origin=ORIGIN, now=now)
    assert isinstance(chosen, password_change.PasswordChosen)
    assert (chosen.complete, chosen.next, chosen.renewed) == (None, None, None)
    assert sessions.sessions_of(world.alice, now=now) == []
    attempt.refresh_from_db()
    assert attempt.ended_at == now
    world.passwords["alice"] = "a wholly new passphrase"
    assert view_of(pass_password(world, world.alice, now=now), now=now).methods


def test_a_password_that_an_administrator_gives_meanwhile_ends_the_way_to_another_one(
    world: World, telephone: Telephone
) -> None:
    now = world.now + MINUTE
    respond_to_compromise(world.alice, Disowned("new_browser", now), origin=ORIGIN, now=now)
    attempt = recovery_of(world.alice, now=now)
    choice = view_of(attempt, now=now).methods[0]
    flow.send_code(attempt, choice.credential_id, choice.channels[0], now=now)
    flow.answer(attempt, FactorKind.PHONE, telephone.code, now=now)
    actions.reset_password(world.alice, by=world.root, now=now)
    with pytest.raises(enrolment.ReauthenticationRequired):
        password_change.choose_password(attempt, "a wholly new passphrase", origin=ORIGIN, now=now)
    assert compromise_response.close_more(attempt, [str(world.alices_phone.id)], origin=ORIGIN, now=now) is None
    assert ends_of(world.alice) == ["78"]


def test_a_phone_that_was_added_with_the_password_alone_is_no_phone_that_is_left(world: World) -> None:
    data = replace(world.alices_phone.data, slot="alternate")
    unproven = replace(data, public={**data.public, "unproven": "yes"})
    vault.store(world.alice, unproven, now=world.now - 8 * DAY)
    disowned = Disowned("phone_added", world.now + MINUTE, credential_id=world.alices_phone.id)
    done = respond_to_compromise(world.alice, disowned, origin=ORIGIN, now=world.now + MINUTE)
    assert (done.became_enabled, done.can_choose) == (True, False)


@pytest.mark.parametrize("act", [actions.block, actions.delete])
def test_a_block_and_a_deletion_void_a_temporary_access_pass(world: World, act: Callable[..., bool]) -> None:
    access_passes.make(world.alice, lifetime=DAY, is_once=False, by=world.root, now=world.now)
    act(world.alice, by=world.root, now=world.now + MINUTE)
    assert access_passes.open_pass_of(world.alice, now=world.now + MINUTE) is None


def test_after_this_wasnt_me_without_a_phone_a_password_alone_registers_nothing(
    world: World, telephone: Telephone
) -> None:
    register_as(world, telephone, world.bob, now=world.now)
    now = world.now + MINUTE
    press(world, world.bob, EventKind.METHOD_ADDED, now=now)
    world.passwords["bob"] = "a wholly new passphrase"
    give_password(world.bob, world.passwords["bob"])
    attempt = pass_password(world, world.bob, now=now)
    options = {"slot": "mobile", "number": THIEFS_NUMBER, "channel": "sms"}
    with pytest.raises(enrolment.ReauthenticationRequired):
        enrolment.start(attempt, FactorKind.PHONE, options, origin=STRANGER, now=now)


def test_what_is_ticked_is_closed_and_the_last_phone_leaves_the_person_enabled(
    world: World, telephone: Telephone
) -> None:
    now = world.now + MINUTE
    respond_to_compromise(world.alice, Disowned("new_browser", now), origin=ORIGIN, now=now)
    attempt = recovery_of(world.alice, now=now)
    laptop = queries.app_passwords_of(world.alice)[0]
    assert compromise_response.close_more(attempt, [str(laptop.id)], origin=ORIGIN, now=now) == 1
    assert not mail_opens(world, world.alices_app_password)
    assert compromise_response.close_more(attempt, [str(world.alices_phone.id)], origin=ORIGIN, now=now) == 1
    world.alice.refresh_from_db()
    assert (world.alice.state, ends_of(world.alice)) == (MfaState.ENABLED, [])
    assert "no longer" in telephone.received[-1].words


def test_nobody_closes_what_is_another_persons(world: World) -> None:
    now = world.now + MINUTE
    respond_to_compromise(world.bob, Disowned("new_browser", now), origin=ORIGIN, now=now)
    attempt = recovery_of(world.bob, now=now)
    assert compromise_response.close_more(attempt, [str(world.alices_phone.id), "junk"], origin=ORIGIN, now=now) == 0
    assert ends_of(world.alice) == ["78"]


def test_an_hour_after_the_button_nothing_more_can_be_closed(world: World) -> None:
    respond_to_compromise(world.alice, Disowned("new_browser", world.now), origin=ORIGIN, now=world.now)
    attempt = recovery_of(world.alice, now=world.now)
    late = world.now + timedelta(hours=1)
    assert compromise_response.close_more(attempt, [str(world.alices_phone.id)], origin=ORIGIN, now=late) is None


def test_a_session_bears_the_id_of_the_sign_in_that_opened_it(world: World, telephone: Telephone) -> None:
    arrival = complete(world, telephone, world.alice)
    assert newest(EventKind.SIGN_IN_ALLOWED).details["attempt"] == str(arrival.session.pk)
    again = flow.begin_confirmation(arrival.session, origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(again, now=world.now)
    assert attempt is not None
    assert attempt.sign_in_id == arrival.session.sign_in_id
