"""Sessions that must end: an old one of the same browser, after a phone change, of a person who may not sign in."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.alerts.playing import complete, pass_password
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, give_phone, sign_in
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import FactorKind
from watchword.directory.models import User
from watchword.signin import enrolment, flow, queries, sessions
from watchword.signin.models import CodeChallenge, Session, SignInAttempt
from watchword.signin.otp import challenges

NEW_PHONE = {"slot": "mobile", "number": "+4915199999966", "channel": "sms"}


def fresh(world: World, *, at: datetime | None = None) -> sessions.Opened:
    evidence = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=at or world.now)
    return sessions.open_session(world.alice, evidence, origin=ORIGIN, now=at or world.now)


def test_ses_04_signing_in_again_in_a_browser_ends_its_old_session(client: Client, world: World) -> None:
    """Signing in again in a browser ends the session that it had."""
    old = sign_in(client, world.alice)
    client.post("/sign-in/", {"name": "carol@harbour.example"})
    assert Session.objects.get(pk=old.session.pk).ended_at is None
    client.post("/sign-in/password/", {"answer": world.passwords["carol"]})
    ended = Session.objects.get(pk=old.session.pk)
    assert (ended.ended_at is not None, ended.ended_because) == (True, "signed_in_again")
    assert sessions.find(old.token, now=timezone.now()) is None
    assert Session.objects.filter(user=world.carol, ended_at=None).count() == 1
    event = Event.objects.filter(kind=EventKind.SESSION_ENDED).get()
    assert (event.subject_id, event.reason) == (world.alice.pk, "signed_in_again")


def test_a_sign_in_that_does_not_come_in_leaves_the_old_session(client: Client, world: World) -> None:
    old = sign_in(client, world.alice)
    client.post("/sign-in/", {"name": "carol@harbour.example"})
    client.post("/sign-in/password/", {"answer": "wrong"})
    assert sessions.find(old.token, now=timezone.now()) is not None


def test_ses_10_another_phone_ends_the_other_sessions_and_renews_this_one(world: World, telephone: Telephone) -> None:
    """A replaced phone ends every other session in the same transaction."""
    other, here = fresh(world), fresh(world)
    enrolment.start(here.session, FactorKind.PHONE, NEW_PHONE, origin=ORIGIN, now=world.now)
    done = enrolment.finish(here.session, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert isinstance(done, enrolment.Registered)
    assert done.renewed is not None
    assert sessions.find(other.token, now=world.now) is None
    assert sessions.find(here.token, now=world.now) is None
    assert sessions.find(done.renewed.token, now=world.now) is not None


def test_one_more_phone_ends_no_session(world: World, telephone: Telephone) -> None:
    other, here = fresh(world), fresh(world)
    options = {**NEW_PHONE, "slot": "alternate"}
    enrolment.start(here.session, FactorKind.PHONE, options, origin=ORIGIN, now=world.now)
    enrolment.finish(here.session, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert sessions.find(other.token, now=world.now) is not None


def test_ses_10_a_removed_phone_ends_the_other_sessions_and_its_codes(world: World, telephone: Telephone) -> None:
    """A removed phone ends every other session, and the codes that went to it."""
    give_phone(world.alice, "+4915199999999", slot="alternate")
    other, here = fresh(world), fresh(world)
    attempt = pass_password(world, world.alice)
    flow.send_code(attempt, world.alices_phone.id, "sms", now=world.now)
    code = CodeChallenge.objects.get()
    assert enrolment.remove(here.session, world.alices_phone.id, origin=ORIGIN, now=world.now)
    code.refresh_from_db()
    assert code.void_at == world.now
    assert sessions.find(other.token, now=world.now) is None
    assert sessions.find(here.token, now=world.now) is not None


@pytest.mark.parametrize("field", ["blocked_at", "deleted_at"])
def test_a_session_of_a_person_who_may_not_sign_in_is_dead_though_nobody_ended_it(world: World, field: str) -> None:
    opened = fresh(world)
    User.objects.filter(pk=world.alice.pk).update(**{field: world.now})
    assert sessions.find(opened.token, now=world.now) is None
    assert not sessions.is_alive(Session.objects.get(pk=opened.session.pk), now=world.now)
    User.objects.filter(pk=world.alice.pk).update(**{field: None})
    assert sessions.is_alive(Session.objects.get(pk=opened.session.pk), now=world.now)


def test_a_void_code_is_spent_by_nobody(world: World, telephone: Telephone) -> None:
    attempt = pass_password(world, world.alice)
    flow.send_code(attempt, world.alices_phone.id, "sms", now=world.now)
    code = CodeChallenge.objects.get()
    challenges.void_all(world.alice, now=world.now)
    assert not challenges.spend(code, now=world.now)
    code.refresh_from_db()
    assert code.spent_at is None


def test_a_code_is_spent_once_and_never_after(world: World, telephone: Telephone) -> None:
    attempt = pass_password(world, world.alice)
    flow.send_code(attempt, world.alices_phone.id, "sms", now=world.now)
    code = CodeChallenge.objects.get()
    assert challenges.reserve_try(code, 5, now=world.now)
    assert challenges.spend(code, now=world.now)
    assert not challenges.spend(code, now=world.now)


def test_an_attempt_that_was_ended_meanwhile_registers_no_phone(world: World, telephone: Telephone) -> None:
    attempt = pass_password(world, world.bob)
    enrolment.start(attempt, FactorKind.PHONE, NEW_PHONE, origin=ORIGIN, now=world.now)
    code = telephone.code
    # Only the attempt has ended; its code, which would be invalidated with it, is still valid, as in a race.
    SignInAttempt.objects.filter(pk=attempt.pk).update(ended_at=world.now)
    with pytest.raises(enrolment.ReauthenticationRequired):
        enrolment.finish(attempt, FactorKind.PHONE, code, origin=ORIGIN, now=world.now)
    assert queries.methods_of(world.bob) == []


def test_coming_in_by_a_known_browser_keeps_other_sessions(world: World, telephone: Telephone) -> None:
    give_phone(world.alice, "+4915112345699", slot="alternate")
    first = complete(world, telephone, world.alice)
    complete(world, telephone, world.alice, now=world.now + timedelta(minutes=1), browser=first.browser_token)
    assert sessions.find(first.token, now=world.now + timedelta(minutes=1)) is not None
