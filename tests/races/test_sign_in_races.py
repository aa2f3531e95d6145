"""Many browsers at one moment: a code opens one session, the limit of tries holds, app passwords stay at forty."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.races.parallel import in_processes, in_threads
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, give_app_password, make_person, make_world
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.cli.verify import verify
from watchword.core.factors import Rejected
from watchword.core.policy import Channel, FactorKind, MfaState
from watchword.directory.administrators import LastGlobalAdministrator
from watchword.directory.models import MfaStateChange, User
from watchword.directory.roles import Role
from watchword.signin import actions, enrolment, flow, queries, sessions
from watchword.signin.models import CodeChallenge, FailureCount, Session, SignInAttempt
from watchword.signin.results import Continue, SignedIn, SignInDenied

pytestmark = pytest.mark.django_db(transaction=True)

type Parallel = Callable[[Callable[[int], str]], list[str]]


@pytest.fixture(params=["threads", "processes"])
def parallel(request: pytest.FixtureRequest) -> Parallel:
    """Run twenty acts at once, in one process or in two."""
    if request.param == "threads":
        return lambda act: in_threads(20, act)
    return lambda act: in_processes(2, 10, act)


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other connections see them."""
    return make_world()


def with_code(world: World) -> str:
    token = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = attempt_of(token)
    assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now), Continue)
    flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=world.now)
    return token


def attempt_of(token: str) -> SignInAttempt:
    attempt = flow.find_attempt(token, now=timezone.now())
    assert attempt is not None
    return attempt


def test_otp_02_one_right_code_posted_by_many_makes_one_session(
    world: World, telephone: Telephone, parallel: Parallel
) -> None:
    """A right code posted by twenty parallel requests opens exactly one session."""
    token = with_code(world)

    def post(_which: int) -> str:
        attempt = flow.find_attempt(token, now=timezone.now())
        if attempt is None:
            return "Refused"
        return type(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=timezone.now())).__name__

    outcomes = parallel(post)
    assert outcomes.count(SignedIn.__name__) == 1
    assert outcomes.count(SignInDenied.__name__) == 19
    assert Session.objects.count() == 1
    assert Event.objects.filter(kind=EventKind.SIGN_IN_ALLOWED).count() == 1


def test_bru_04_parallel_wrong_codes_never_get_more_tries_than_one_after_another(
    world: World, telephone: Telephone, parallel: Parallel
) -> None:
    """Twenty parallel wrong codes get no more tries than sequential ones: five for the code, ten in all."""
    token, wrong = with_code(world), telephone.wrong_code()

    def post(_which: int) -> str:
        outcome = flow.answer(attempt_of(token), FactorKind.PHONE, wrong, now=timezone.now())
        assert isinstance(outcome, SignInDenied)
        return str(outcome.reason)

    outcomes = parallel(post)
    assert outcomes.count("wrong") == CodeChallenge.objects.get().tries == 5
    count = FailureCount.objects.get(pk=f"code:{world.alice.pk}")
    assert len(count.failures) == 10


def test_app_06_twenty_creations_at_thirty_nine_app_passwords_make_forty(world: World, parallel: Parallel) -> None:
    """Twenty parallel creations at thirty-nine app passwords make one more: the limit of forty holds."""
    for number in range(38):
        give_app_password(world.alice, f"Device {number}")
    evidence = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE)
    session = sessions.open_session(world.alice, evidence, origin=ORIGIN, now=world.now).session

    def create(which: int) -> str:
        mine = Session.objects.select_related("user__organisation").get(pk=session.pk)
        made = enrolment.create_app_password(mine, f"Another {which}", origin=ORIGIN, now=timezone.now())
        return str(made.reason) if isinstance(made, Rejected) else "made"

    outcomes = parallel(create)
    assert outcomes.count("made") == 1
    assert outcomes.count("limit") == 19
    assert len(queries.app_passwords_of(world.alice)) == 40


def test_enr_03_registration_finished_by_many_at_once_is_finished_once(
    world: World, telephone: Telephone, parallel: Parallel
) -> None:
    """A registration finished by twenty parallel requests makes one phone, one app password and one session."""
    token = flow.begin("bob@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    flow.answer(attempt_of(token), FactorKind.PASSWORD, world.passwords["bob"], now=world.now)
    options = {"slot": "mobile", "number": "+4915123456789", "channel": "sms"}
    enrolment.start(attempt_of(token), FactorKind.PHONE, options, origin=ORIGIN, now=world.now)

    def finish(_which: int) -> str:
        attempt = flow.find_attempt(token, now=timezone.now())
        if attempt is None:
            return "over"
        try:
            outcome = enrolment.finish(attempt, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=timezone.now())
        except enrolment.ReauthenticationRequired:
            return "over"
        return type(outcome).__name__

    outcomes = parallel(finish)
    assert outcomes.count("Registered") == 1
    assert MfaStateChange.objects.filter(user=world.bob).count() == 1
    assert User.objects.get(pk=world.bob.pk).state is MfaState.ENFORCED
    assert len(queries.methods_of(world.bob)) == 1
    assert len(queries.app_passwords_of(world.bob)) == 1
    assert Session.objects.filter(user=world.bob, ended_at=None).count() == 1


def test_parallel_guesses_of_a_password_are_all_counted(world: World, parallel: Parallel) -> None:
    def guess(which: int) -> str:
        token = flow.begin("carol@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
        outcome = flow.answer(attempt_of(token), FactorKind.PASSWORD, f"wrong {which}", now=world.now)
        assert isinstance(outcome, SignInDenied)
        return str(outcome.reason)

    outcomes = parallel(guess)
    assert outcomes.count("wrong_proof") == 10
    assert outcomes.count("password_waits") == 10


def test_a_session_that_was_ended_is_not_brought_back_by_a_request_in_flight(world: World, parallel: Parallel) -> None:
    evidence = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE)
    opened = sessions.open_session(world.alice, evidence, origin=ORIGIN, now=world.now)

    def use_or_end(which: int) -> str:
        if which == 7:
            sessions.end(world.alice, opened.session.pk, by=world.alice, because="test", now=timezone.now())
            return "ended"
        late = timezone.now() + timedelta(minutes=2)
        return "alive" if sessions.find(opened.token, now=late) else "gone"

    parallel(use_or_end)
    assert sessions.find(opened.token, now=timezone.now()) is None


def test_rac_01_disabling_while_a_person_signs_in_never_leaves_more_than_both_states_allow(
    world: World, telephone: Telephone, parallel: Parallel
) -> None:
    """Right codes race with Disable and Enable: each remaining session has the proof that its state requires."""
    token = with_code(world)
    states = [MfaState.DISABLED, MfaState.ENABLED]

    def act(which: int) -> str:
        if which % 4 == 0:
            done = actions.set_mfa_state(world.alice, states[which // 4 % 2], by=None, now=timezone.now())
            return done.after.value
        attempt = flow.find_attempt(token, now=timezone.now())
        if attempt is None:
            return "gone"
        return type(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=timezone.now())).__name__

    outcomes = parallel(act)
    assert outcomes.count(SignedIn.__name__) <= 1
    alive = Session.objects.filter(ended_at=None)
    user = User.objects.get(pk=world.alice.pk)
    for session in alive:
        kinds = {proof["kind"] for proof in session.evidence}
        assert user.state is MfaState.DISABLED or "phone" in kinds
    assert verify(now=timezone.now()).problems == ()


def test_rac_02_two_administrators_who_block_each_other_leave_one(world: World, parallel: Parallel) -> None:
    """However many administrators block each other at once, one who can administer the organisation is left."""
    make_person(world.organisation, "second", roles=(Role.GLOBAL_ADMINISTRATOR,))
    names = ["root", "second"]

    def act(which: int) -> str:
        victim = User.objects.get(sign_in_name=f"{names[which % 2]}@harbour.example")
        try:
            return str(actions.block(victim, by=None, now=timezone.now()))
        except LastGlobalAdministrator:
            return "last"

    assert parallel(act).count("True") == 1
