"""A state machine of people, administrators, mail programs and attackers who act in any order, with a simulated clock.

It has its own small model (the state of each person, which app password should open) and checks every invariant in
the database after each step. It calls the services, as the pages do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.commits import block_of_a_test
from tests.telephone import Telephone
from tests.world import ORIGIN, World, give_phone, make_world
from watchword.audit import repeats
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.cli.verify import verify
from watchword.core.decision import SetUpFirst
from watchword.core.factors import Rejected
from watchword.core.policy import Channel, Door, FactorKind, MfaState
from watchword.directory.administrators import LastGlobalAdministrator
from watchword.directory.models import Organisation, User
from watchword.factors import vault
from watchword.signin import actions, enrolment, flow, non_interactive, sessions
from watchword.signin.facts import read_evidence
from watchword.signin.models import FailureCount, Session, SignInAttempt
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.otp.challenges import CodeSent
from watchword.signin.results import Outcome, SignedIn
from watchword.signin.sign_in_view import view_of

PEOPLE = ("alice", "bob")
BROWSERS = (0, 1)
LIMIT = 3
STEPS = (1, 29, 31, 299, 301, 601, 3_601, 90_000)

people = st.sampled_from(PEOPLE)
browsers = st.sampled_from(BROWSERS)


def attempts() -> int:
    """Return the number of events, including repetitions within the hour that are only counted."""
    return Event.objects.count() + sum(repeats.more_times(Event.objects.all()).values())


@dataclass
class Browser:
    """The state of one browser: the tokens of an attempt and of a session."""

    attempt: str = ""
    session: str = ""


@dataclass
class AppPassword:
    """An app password that a person stored on a device; ``dead`` once it must never open again."""

    person: str
    secret: str
    dead: bool = False


@dataclass
class Truth:
    """The machine's own model, independent of the product."""

    codes: list[str] = field(default_factory=list)
    app_passwords: list[AppPassword] = field(default_factory=list)
    failures: dict[str, list[str]] = field(default_factory=dict)
    unlocked: set[str] = field(default_factory=set)
    arrivals: int = 0


class Machine(RuleBasedStateMachine):
    """Administration, registration, sign-in, app passwords and mail logins in random order."""

    telephone: Telephone

    def __init__(self) -> None:
        super().__init__()
        self.undo = block_of_a_test()
        self.undo.__enter__()
        self.world: World = make_world()
        Organisation.objects.update(limits={"app_passwords": LIMIT})
        self.now: datetime = self.world.now
        self.browsers = {(person, which): Browser() for person in PEOPLE for which in BROWSERS}
        self.truth = Truth(app_passwords=[AppPassword("alice", self.world.alices_app_password)])

    def teardown(self) -> None:
        """Roll everything back before the next example."""
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    # Shared readers --------------------------------------------------------------------------------------------------

    def user(self, person: str) -> User:
        return User.objects.select_related("organisation").get(pk=self.world.people[person].pk)

    def attempt(self, person: str, which: int) -> SignInAttempt | None:
        return flow.find_attempt(self.browsers[person, which].attempt, now=self.now)

    def session(self, person: str, which: int) -> Session | None:
        return sessions.find(self.browsers[person, which].session, now=self.now)

    def arrived(self, person: str, which: int, outcome: Outcome | None) -> None:
        """Check a person who was let in: the proof must be the one that the policy requires at this moment."""
        if not isinstance(outcome, SignedIn):
            return
        self.browsers[person, which] = Browser(session=outcome.token)
        self.truth.arrivals += 1
        user = self.user(person)
        assert user.blocked_at is None
        kinds = {proof.kind for proof in read_evidence(outcome.session.evidence)}
        assert FactorKind.PASSWORD in kinds
        if user.state is not MfaState.DISABLED:
            assert FactorKind.PHONE in kinds, "came in without the second proof"

    # Browsers --------------------------------------------------------------------------------------------------------

    @initialize(bob=st.sampled_from([MfaState.DISABLED, MfaState.ENABLED]))
    def clock(self, bob: MfaState) -> None:
        """Begin an hour after the world was made, with Bob Disabled or Enabled."""
        self.now += timedelta(hours=1)
        User.objects.filter(pk=self.world.bob.pk).update(mfa_state=bob)

    @rule(person=people, which=browsers)
    def begin(self, person: str, which: int) -> None:
        name = self.user(person).sign_in_name
        self.browsers[person, which].attempt = flow.begin(name, origin=ORIGIN, next_url="/", now=self.now)

    @rule(person=people, which=browsers, typed=st.sampled_from(["right", "wrong", "app password", "of the other"]))
    def type_password(self, person: str, which: int, typed: str) -> None:
        attempt = self.attempt(person, which)
        if attempt is None:
            return
        other = next(name for name in PEOPLE if name != person)
        words = {
            "right": self.world.passwords[person],
            "wrong": "not this one",
            "app password": self.truth.app_passwords[-1].secret,
            "of the other": self.world.passwords[other],
        }
        outcome = flow.answer(attempt, FactorKind.PASSWORD, words[typed], now=self.now)
        if typed != "right":
            assert not isinstance(outcome, SignedIn), "a wrong password opened the door"
        self.arrived(person, which, outcome)

    @rule(person=people, which=browsers)
    def send_code(self, person: str, which: int) -> None:
        attempt = self.attempt(person, which)
        choices = view_of(attempt, now=self.now).methods if attempt is not None else ()
        if attempt is not None and choices:
            sent = flow.send_code(attempt, choices[0].credential_id, Channel.SMS, now=self.now)
            if isinstance(sent, CodeSent):
                self.truth.codes.append(self.telephone.code)

    @rule(person=people, which=browsers, back=st.integers(0, 3))
    def type_code(self, person: str, which: int, back: int) -> None:
        """Type one of the newest codes, whichever person it was for, or a wrong one."""
        attempt = self.attempt(person, which)
        if attempt is not None:
            code = self.truth.codes[-back] if 0 < back <= len(self.truth.codes) else "000000"
            self.arrived(person, which, flow.answer(attempt, FactorKind.PHONE, code, now=self.now))

    @rule(person=people, which=browsers)
    def sign_in(self, person: str, which: int) -> None:
        """Run a whole sign-in at once, as most sign-ins go."""
        self.begin(person, which)
        self.type_password(person, which, "right")
        before = len(self.truth.codes)
        self.send_code(person, which)
        if len(self.truth.codes) > before:
            self.type_code(person, which, 1)

    @rule(person=people, which=browsers)
    def type_an_app_password(self, person: str, which: int) -> None:
        """Try a device's stored app password at the web door, as its thief would."""
        self.begin(person, which)
        self.type_password(person, which, "app password")

    @rule(person=people, which=browsers)
    def fail_at_the_code(self, person: str, which: int) -> None:
        """Type wrong codes as an attacker with the right password, with a new code for every try."""
        for _ in range(2):
            self.begin(person, which)
            self.type_password(person, which, "right")
            self.send_code(person, which)
            self.type_code(person, which, 0)
            self.no_count_shrinks_but_by_time_or_an_unlock()

    @rule(person=people, which=browsers, right=st.booleans(), country=st.just("DE"))
    def register(self, person: str, which: int, right: bool, country: str) -> None:
        attempt = self.attempt(person, which)
        if attempt is None:
            return
        decision = flow.stage(attempt, now=self.now)
        if not isinstance(decision, SetUpFirst) or decision.kind is not FactorKind.PHONE:
            return
        options = {"slot": "mobile", "number": "015112345678", "country": country, "channel": "sms", "extension": ""}
        started = enrolment.start(attempt, FactorKind.PHONE, options, origin=ORIGIN, now=self.now)
        if not isinstance(started, CodeSent):
            return
        self.truth.codes.append(self.telephone.code)
        typed = self.telephone.code if right else self.telephone.wrong_code()
        done = enrolment.finish(attempt, FactorKind.PHONE, typed, origin=ORIGIN, now=self.now)
        if isinstance(done, enrolment.Registered):
            assert right, "a wrong code registered a phone"
            if done.first_app_password is not None:
                self.truth.app_passwords.append(AppPassword(person, done.first_app_password.secret))
            self.arrived(person, which, done.complete)

    @rule(person=people, which=browsers)
    def sign_out(self, person: str, which: int) -> None:
        session = self.session(person, which)
        if session is not None:
            sessions.end(session.user, session.pk, by=session.user, because="signed_out", now=self.now)
            assert self.session(person, which) is None

    # App passwords and mail programs ---------------------------------------------------------------------------------

    @rule(person=people, which=browsers)
    def create_app_password(self, person: str, which: int) -> None:
        session = self.session(person, which)
        if session is None:
            return
        name = f"Device {len(self.truth.app_passwords)}"
        try:
            made = enrolment.create_app_password(session, name, origin=ORIGIN, now=self.now)
        except enrolment.ReauthenticationRequired:
            return
        if not isinstance(made, Rejected):
            assert self.user(person).state is MfaState.ENFORCED
            self.truth.app_passwords.append(AppPassword(person, made.secret))

    @rule(data=st.data())
    def delete_app_password(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.truth.app_passwords))
        user = self.user(row.person)
        found = vault.find_by_lookups(set(vault.lookups(row.secret.replace(" ", ""))))
        actions.delete_app_passwords(user, [hit.credential_id for hit in found.values()], by=None, now=self.now)
        row.dead = True

    @rule(person=people, which=browsers)
    def create_as_many_as_allowed(self, person: str, which: int) -> None:
        self.sign_in(person, which)
        for _ in range(LIMIT + 1):
            self.create_app_password(person, which)

    @rule(data=st.data())
    def lose_a_device(self, data: st.DataObject) -> None:
        """Delete the app password of a lost device, and let its finder try it again."""
        self.delete_app_password(data)
        for row in self.truth.app_passwords:
            if row.dead:
                self.mail(row, row.person)

    @rule(data=st.data(), person=people)
    def mail_with_app_password(self, data: st.DataObject, person: str) -> None:
        self.mail(data.draw(st.sampled_from(self.truth.app_passwords)), person)

    def mail(self, row: AppPassword, person: str) -> None:
        """Log in at the mail door and compare the result with the model."""
        user = self.user(person)
        before = attempts()
        question = AuthRequest(Door.MAIL, user.sign_in_name, Secret(row.secret), "imap", "198.51.100.7")
        allowed = non_interactive.check_many([question], now=self.now)[0].allowed
        assert attempts() == before + 1, "each attempt is an event, or counted under one"
        should = (
            row.person == person
            and not row.dead
            and user.blocked_at is None
            and user.state is MfaState.ENFORCED
            and user.organisation.app_passwords_allowed
        )
        assert allowed is should

    @rule(person=people, right=st.booleans())
    def mail_with_account_password(self, person: str, right: bool) -> None:
        user = self.user(person)
        secret = self.world.passwords[person] if right else "not this one"
        question = AuthRequest(Door.MAIL, user.sign_in_name, Secret(secret), "imap", "198.51.100.7")
        allowed = non_interactive.check_account_password(question, now=self.now).allowed
        if user.state is MfaState.ENFORCED or user.blocked_at is not None or not right:
            assert not allowed

    # Administrators --------------------------------------------------------------------------------------------------

    @rule(person=people, state=st.sampled_from(MfaState))
    def set_state(self, person: str, state: MfaState) -> None:
        done = actions.set_mfa_state(self.user(person), state, by=self.world.root, now=self.now)
        if done.after is MfaState.DISABLED and done.before is not MfaState.DISABLED:
            for row in self.truth.app_passwords:
                row.dead |= row.person == person
        if done.before is MfaState.DISABLED and done.after is not MfaState.DISABLED:
            assert not [which for which in BROWSERS if self.session(person, which) is not None]

    @rule(person=people)
    def reset_methods(self, person: str) -> None:
        actions.reset_methods(self.user(person), by=self.world.root, now=self.now)
        self.truth.unlocked.add(person)

    @rule(person=people)
    def unlock(self, person: str) -> None:
        actions.unlock_second_factor(self.user(person), by=self.world.root, now=self.now)
        self.truth.unlocked.add(person)

    @rule(person=people)
    def block(self, person: str) -> None:
        actions.block(self.user(person), by=self.world.root, now=self.now)
        assert not [which for which in BROWSERS if self.session(person, which) is not None]

    @rule(person=people)
    def unblock(self, person: str) -> None:
        actions.unblock(self.user(person), by=self.world.root, now=self.now)

    @rule()
    def block_the_last_administrator(self) -> None:
        try:
            actions.block(User.objects.get(pk=self.world.root.pk), by=None, now=self.now)
        except LastGlobalAdministrator:
            return

    @rule(allowed=st.booleans())
    def allow_app_passwords(self, allowed: bool) -> None:
        Organisation.objects.update(app_passwords_allowed=allowed)

    @rule(person=people)
    def another_telephone(self, person: str) -> None:
        """Let a person's telephone come back by other means, so that long sequences of steps are reached soon."""
        if not vault.holdings(self.user(person), kinds=[FactorKind.PHONE]):
            give_phone(self.user(person))

    @precondition(lambda self: self.now - self.world.now < timedelta(days=20))
    @rule(seconds=st.sampled_from(STEPS))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # Invariants after every step -------------------------------------------------------------------------------------

    @invariant()
    def everything_is_as_it_must_be(self) -> None:
        problems = verify(now=self.now).problems
        assert problems == (), problems

    @invariant()
    def no_count_shrinks_but_by_time_or_an_unlock(self) -> None:
        for person in PEOPLE:
            row = FailureCount.objects.filter(pk=f"code:{self.world.people[person].pk}").first()
            failures = list(row.failures) if row is not None else []
            if person not in self.truth.unlocked:
                young = [at for at in self.truth.failures.get(person, []) if self.is_young(at)]
                assert young == failures[: len(young)] or set(young) <= set(failures), "a count has shrunk"
            self.truth.failures[person] = failures
        self.truth.unlocked.clear()

    @invariant()
    def no_person_holds_more_than_allowed(self) -> None:
        for person in PEOPLE:
            assert vault.count_alive(self.world.people[person], FactorKind.APP_PASSWORD) <= LIMIT

    @invariant()
    def each_arrival_has_one_row(self) -> None:
        rows = Event.objects.filter(kind=EventKind.SIGN_IN_ALLOWED, door="web").count()
        assert rows == self.truth.arrivals, "a sign-in has no row, or two"

    def is_young(self, at: str) -> bool:
        return self.now - datetime.fromisoformat(at) < timedelta(days=1)
