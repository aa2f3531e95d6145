"""The Temporary Access Pass and the personal link: who makes them, what they open, and for how long."""

from __future__ import annotations

import io
import re
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.alerts.playing import pass_password, work
from tests.keys import rotated
from tests.signin.test_enrolment_evidence import THEIRS, add_phone, after_password, again
from tests.telephone import Telephone
from tests.world import ORIGIN, World, make_person
from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import AskFor, DenyReason, SetUpFirst
from watchword.core.factors import RejectReason
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.models import User
from watchword.directory.permissions import ForbiddenForYourself, StaysEnabled
from watchword.directory.roles import Role
from watchword.factors.models import Credential
from watchword.signin import access_passes, actions, enrolment, enrolment_evidence, flow
from watchword.signin.access_passes import NoUseForAPass, ShownPass
from watchword.signin.models import FailureCount, SignInAttempt
from watchword.signin.results import Continue, SignedIn, SignInDenied

HOUR = timedelta(hours=1)


def make(world: World, user: User, *, is_once: bool = True, lifetime: timedelta = HOUR) -> ShownPass:
    return access_passes.make(user, lifetime=lifetime, is_once=is_once, by=world.root, now=world.now)


def show(attempt: SignInAttempt, typed: str, now: datetime) -> object:
    return access_passes.answer(attempt, typed, now=now)


def test_with_password_and_pass_a_person_who_lost_their_phone_registers_another_one(
    world: World, telephone: Telephone
) -> None:
    shown = make(world, world.alice)
    attempt = pass_password(world, world.alice)
    decision = flow.stage(attempt, now=world.now)
    assert isinstance(decision, AskFor)
    assert decision.methods == {FactorKind.PHONE, FactorKind.ACCESS_PASS}
    outcome = show(attempt, shown.secret.upper().replace("-", " "), world.now)
    assert outcome == Continue(SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED))
    done = add_phone(world, attempt, telephone)
    assert isinstance(done.complete, SignedIn)
    assert again(world.alice).state is MfaState.ENFORCED


def test_without_the_pass_whoever_knows_the_password_registers_nothing(world: World) -> None:
    actions.reset_methods(world.alice, by=world.root, now=world.now)
    attempt = pass_password(world, world.alice)
    assert flow.stage(attempt, now=world.now) == AskFor(frozenset({FactorKind.ACCESS_PASS}), DenyReason.MFA_REQUIRED)
    with pytest.raises(enrolment.ReauthenticationRequired):
        enrolment.start(attempt, FactorKind.PHONE, THEIRS, origin=ORIGIN, now=world.now)


def test_a_pass_that_works_once_works_once(world: World) -> None:
    shown = make(world, world.alice)
    assert isinstance(show(pass_password(world, world.alice), shown.secret, world.now), Continue)
    second = pass_password(world, world.alice)
    assert flow.stage(second, now=world.now) == AskFor(frozenset({FactorKind.PHONE}), DenyReason.MFA_REQUIRED)
    assert not isinstance(show(second, shown.secret, world.now), SignedIn)
    assert not Event.objects.filter(kind=EventKind.ACCESS_PASS_USED).count() > 1


def test_one_that_works_several_times_works_until_its_time_is_over(world: World) -> None:
    shown = make(world, world.alice, is_once=False)
    for _turn in range(2):
        assert isinstance(show(pass_password(world, world.alice), shown.secret, world.now), Continue)
    late = world.now + HOUR
    attempt = pass_password(world, world.alice, now=late)
    decision = flow.stage(attempt, now=late)
    assert isinstance(decision, AskFor)
    assert FactorKind.ACCESS_PASS not in decision.methods
    assert not isinstance(show(attempt, shown.secret, late), SignedIn)


def test_a_new_pass_replaces_the_old_one_and_it_can_be_deleted(world: World) -> None:
    old, new = make(world, world.alice), make(world, world.alice)
    attempt = pass_password(world, world.alice)
    assert show(attempt, old.secret, world.now) == SignInDenied(RejectReason.WRONG)
    assert access_passes.delete(world.alice, by=world.root, now=world.now)
    assert not access_passes.delete(world.alice, by=world.root, now=world.now)
    assert not isinstance(show(attempt, new.secret, world.now), SignedIn)
    assert access_passes.open_pass_of(world.alice, now=world.now) is None


def test_wrong_passes_are_counted_with_the_wrong_codes_of_the_person(world: World) -> None:
    shown = make(world, world.alice)
    attempt = pass_password(world, world.alice)
    for _number in range(world.organisation.policy.limits.burst_failures):
        assert isinstance(show(attempt, "aaaa-bbbb-cccc", world.now), SignInDenied)
    refused = show(attempt, shown.secret, world.now)
    assert isinstance(refused, SignInDenied)
    assert refused.reason is DenyReason.SECOND_FACTOR_WAITS
    assert len(FailureCount.objects.get(pk=f"code:{world.alice.pk}").failures) == 10


def test_another_persons_pass_opens_nothing(world: World) -> None:
    shown = make(world, world.bob)
    make(world, world.alice)
    assert show(pass_password(world, world.alice), shown.secret, world.now) == SignInDenied(RejectReason.WRONG)


@pytest.mark.parametrize("lifetime", [timedelta(minutes=10) - timedelta(seconds=1), timedelta(days=30, seconds=1)])
def test_a_pass_works_for_ten_minutes_at_least_and_thirty_days_at_most(world: World, lifetime: timedelta) -> None:
    with pytest.raises(ValueError, match=r"day|0:"):
        make(world, world.alice, lifetime=lifetime)


def test_nobody_makes_a_way_past_the_phone_for_themselves(world: World) -> None:
    with pytest.raises(ForbiddenForYourself):
        make(world, world.root)
    with pytest.raises(ForbiddenForYourself):
        actions.reset_methods(world.root, by=world.root, now=world.now)


def test_a_pass_is_of_no_use_to_a_person_disabled_or_blocked(world: World) -> None:
    with pytest.raises(NoUseForAPass):
        make(world, world.carol)
    actions.block(world.alice, by=world.root, now=world.now)
    with pytest.raises(NoUseForAPass):
        make(world, world.alice)


def test_what_is_stored_opens_nothing_and_the_log_does_not_say_it(world: World) -> None:
    shown = make(world, world.alice)
    row = Credential.objects.get(kind=FactorKind.ACCESS_PASS)
    stored = repr((row.public, bytes(row.secret), bytes(row.lookup or b"")))
    event = Event.objects.get(kind=EventKind.ACCESS_PASS_MADE)
    bare = shown.secret.replace("-", "")
    assert shown.secret not in stored + repr(event.details) + repr(shown)
    assert bare not in stored + repr(event.details)
    assert (event.actor_id, event.subject_id) == (world.root.pk, world.alice.pk)


def test_the_person_and_administrators_are_told(world: World) -> None:
    make(world, world.alice)
    actions.reset_methods(world.bob, by=world.root, now=world.now)
    work(world.now)
    for rule, user in ((AlertRule.ACCESS_PASS_MADE, world.alice), (AlertRule.METHODS_RESET, world.bob)):
        assert Notice.objects.filter(rule=rule, user=user, has_link=True).exists()
        assert Alert.objects.filter(rule=rule, subject=user).exists()


def test_a_pass_outlives_a_rotation_of_the_keys(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = make(world, world.alice)
    monkeypatch.setattr(settings, "WATCHWORD_KEY_RING", rotated(settings.WATCHWORD_KEY_RING))
    assert isinstance(show(pass_password(world, world.alice), shown.secret, world.now), Continue)


def test_enr_02_the_personal_link_works_once_for_its_person_and_for_a_day(world: World, telephone: Telephone) -> None:
    """The link that registering needs is random (157 bits), works once, for one person, and for 24 hours"""
    token = actions.reset_methods(world.alice, by=world.root, now=world.now).token
    assert access_passes.owner_of_link(token, now=world.now) == world.alice
    assert access_passes.owner_of_link(token[:-1] + ("a" if token[-1] != "a" else "b"), now=world.now) is None
    assert access_passes.owner_of_link(token, now=world.now + timedelta(hours=24)) is None
    make(world, world.bob)
    assert show(pass_password(world, world.bob), token, world.now) == SignInDenied(RejectReason.WRONG)
    attempt = pass_password(world, world.alice)
    assert isinstance(show(attempt, token, world.now), Continue)
    assert access_passes.owner_of_link(token, now=world.now) is None
    add_phone(world, attempt, telephone)
    event = Event.objects.get(kind=EventKind.METHOD_ADDED, subject_id=world.alice.pk)
    assert "registration" not in event.details, "she was Enforced all the time"


def test_enr_16_the_personal_link_alone_opens_nothing(world: World) -> None:
    """A personal link opens nothing without the password: access to a person's mail alone is never enough"""
    token = actions.reset_methods(world.alice, by=world.root, now=world.now).token
    begun = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(begun, now=world.now)
    assert attempt is not None
    outcome = show(attempt, token, world.now)
    assert outcome == Continue(AskFor(frozenset({FactorKind.PASSWORD}), DenyReason.WHO_ARE_YOU))
    assert access_passes.owner_of_link(token, now=world.now) == world.alice


def test_a_person_who_was_required_to_register_again_needs_the_link_even_without_any_phone_before(world: World) -> None:
    """Bob never had a phone. From now on his password alone registers no phone, even after the link was deleted."""
    actions.reset_methods(world.bob, by=world.root, now=world.now)
    assert after_password(world, world.bob) == Continue(
        AskFor(frozenset({FactorKind.ACCESS_PASS}), DenyReason.MFA_REQUIRED)
    )
    access_passes.delete(world.bob, by=world.root, now=world.now)
    assert after_password(world, world.bob) == SignInDenied(DenyReason.NO_METHOD_LEFT)


def test_a_registration_that_begins_with_a_pass_is_vouched_for(world: World, telephone: Telephone) -> None:
    shown = make(world, world.bob)
    attempt = pass_password(world, world.bob)
    show(attempt, shown.secret, world.now)
    add_phone(world, attempt, telephone)
    event = Event.objects.get(kind=EventKind.METHOD_ADDED, subject_id=world.bob.pk)
    assert event.details["registration"] == enrolment_evidence.BY_PASS


def test_a_blocked_persons_link_is_nobodys(world: World) -> None:
    token = actions.reset_methods(world.alice, by=world.root, now=world.now).token
    actions.block(world.alice, by=world.root, now=world.now)
    assert access_passes.owner_of_link(token, now=world.now) is None


def code(name: str) -> str:
    out = io.StringIO()
    call_command("code", name, stdout=out)
    found = re.search(r"^    (\S+)$", out.getvalue(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_console_gives_an_administrator_a_way_in_until_a_channel_works(world: World) -> None:
    """No code was ever typed here: the pass signs Root in once, to set up a channel, and is refused the next time."""
    User.objects.filter(pk=world.root.pk).update(mfa_state=MfaState.ENABLED)
    attempt = pass_password(world, world.root)
    secret = code("ROOT@harbour.example")
    assert isinstance(show(attempt, secret, world.now), SignedIn)
    assert not isinstance(show(pass_password(world, world.root), secret, world.now), SignedIn)
    assert after_password(world, world.root) == SignInDenied(DenyReason.NO_METHOD_LEFT)
    event = Event.objects.get(kind=EventKind.ACCESS_PASS_MADE)
    assert (event.door, event.actor_id, event.subject_id) == ("console", None, world.root.pk)


def test_once_codes_arrive_the_console_leads_to_registering_a_phone(world: World, telephone: Telephone) -> None:
    add_phone(world, pass_password(world, world.bob), telephone)
    attempt = pass_password(world, world.root)
    outcome = show(attempt, code("root@harbour.example"), world.now)
    assert outcome == Continue(SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED))


def test_the_code_of_the_console_lasts_ten_minutes(world: World) -> None:
    attempt = pass_password(world, world.root, now=world.now + timedelta(minutes=11))
    secret = code("root@harbour.example")
    assert not isinstance(show(attempt, secret, world.now + timedelta(minutes=11)), SignedIn)


def test_the_console_makes_codes_for_administrators_alone(world: World) -> None:
    with pytest.raises(CommandError, match="administers nothing"):
        code("alice@harbour.example")
    with pytest.raises(CommandError, match="there is nobody"):
        code("mallory@harbour.example")


def test_an_administrator_is_never_disabled(world: World) -> None:
    helper = make_person(world.organisation, "helper", roles=(Role.HELPDESK_ADMINISTRATOR,))
    with pytest.raises(StaysEnabled):
        actions.set_mfa_state(helper, MfaState.DISABLED, by=world.root, now=world.now)
