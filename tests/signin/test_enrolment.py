"""Registering telephones, choosing passwords, creating app passwords; each checks the required evidence itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from tests.keys import rotated
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, give_app_password, give_password, give_phone
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import SetUpFirst
from watchword.core.factors import Rejected, RejectReason
from watchword.core.policy import Channel, FactorKind, MfaState
from watchword.directory.models import MfaCause, MfaStateChange, Organisation, User
from watchword.factors import vault
from watchword.messaging.limits.counters import LimitRule
from watchword.signin import enrolment, flow, password_change, queries, sessions
from watchword.signin.enrolment import LastMethod, ReauthenticationRequired, Registered, ShownOnce
from watchword.signin.models import Session, SignInAttempt
from watchword.signin.otp.challenges import CodeDenied, CodeSent
from watchword.signin.password_change import PasswordChosen
from watchword.signin.results import Continue, SignedIn, SignInDenied

BOBS_NUMBER = {"slot": "mobile", "number": "01512 3456789", "channel": "sms", "country": "DE"}
OFFICE = {"slot": "office", "number": "030 901820", "channel": "voice"}


def at_the_point_of_registering(world: World) -> SignInAttempt:
    token = flow.begin("bob@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    outcome = flow.answer(attempt, FactorKind.PASSWORD, world.passwords["bob"], now=world.now)
    assert isinstance(outcome, Continue)
    assert isinstance(outcome.decision, SetUpFirst)
    return attempt


def request_session(user: User, *kinds: FactorKind, ago: timedelta = timedelta(0), world: World) -> Session:
    evidence = evidence_for(*kinds, at=world.now - ago)
    return sessions.open_session(user, evidence, origin=ORIGIN, now=world.now).session


def fresh_session(world: World, user: User | None = None) -> Session:
    return request_session(user or world.alice, FactorKind.PASSWORD, FactorKind.PHONE, world=world)


def test_finishing_registration_makes_enforced_shows_one_app_password_and_opens_the_door(
    world: World, telephone: Telephone
) -> None:
    attempt = at_the_point_of_registering(world)
    sent = enrolment.start(attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now)
    assert isinstance(sent, CodeSent)
    assert telephone.received[-1].number == "+4915123456789"
    done = enrolment.finish(attempt, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert isinstance(done, Registered)
    assert done.became_enforced
    assert isinstance(done.complete, SignedIn)
    assert isinstance(done.first_app_password, ShownOnce)
    assert done.first_app_password.secret not in repr(done)
    world.bob.refresh_from_db()
    assert world.bob.state is MfaState.ENFORCED
    change = MfaStateChange.objects.get(user=world.bob)
    assert (change.before, change.after, change.cause) == ("enabled", "enforced", MfaCause.REGISTRATION_FINISHED)
    assert len(queries.app_passwords_of(world.bob)) == 1


def test_a_phone_whose_code_was_sent_before_a_rotation_of_the_keys_is_registered_after_it(
    world: World, telephone: Telephone, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = at_the_point_of_registering(world)
    enrolment.start(attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now)
    monkeypatch.setattr(settings, "WATCHWORD_KEY_RING", rotated(settings.WATCHWORD_KEY_RING))
    done = enrolment.finish(attempt, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert isinstance(done, Registered)


def test_a_wrong_code_registers_nothing(world: World, telephone: Telephone) -> None:
    attempt = at_the_point_of_registering(world)
    enrolment.start(attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now)
    outcome = enrolment.finish(attempt, FactorKind.PHONE, telephone.wrong_code(), origin=ORIGIN, now=world.now)
    assert outcome == SignInDenied(RejectReason.WRONG)
    assert queries.methods_of(world.bob) == []
    world.bob.refresh_from_db()
    assert world.bob.state is MfaState.ENABLED


def test_the_first_app_password_is_not_made_where_they_are_not_allowed(world: World, telephone: Telephone) -> None:
    world.organisation.app_passwords_allowed = False
    world.organisation.save()
    attempt = at_the_point_of_registering(world)
    enrolment.start(attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now)
    done = enrolment.finish(attempt, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert isinstance(done, Registered)
    assert done.first_app_password is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": ""}, RejectReason.NOT_A_NUMBER),
        ({"number": "12"}, RejectReason.NOT_A_NUMBER),
        ({"number": "letters"}, RejectReason.NOT_A_NUMBER),
        ({"number": "0900 1234567"}, RejectReason.NUMBER_NOT_ALLOWED),
        ({"number": "030 901820"}, RejectReason.NO_TEXT_TO_THIS_NUMBER),
        ({"extension": "12"}, RejectReason.EXTENSION),
        (
            {"slot": "office", "number": "030 901820", "channel": "voice", "extension": "12; drop"},
            RejectReason.EXTENSION,
        ),
        ({**OFFICE, "extension": "*"}, RejectReason.EXTENSION),
        ({**OFFICE, "extension": "9#"}, RejectReason.EXTENSION),
        ({**OFFICE, "extension": "0015550123"}, RejectReason.EXTENSION),
        ({**OFFICE, "extension": "0,1234567"}, RejectReason.EXTENSION),
        ({**OFFICE, "extension": ",,,,,,,,,12"}, RejectReason.EXTENSION),
        ({"slot": "office", "number": "030 901820"}, RejectReason.CHANNEL_NOT_ALLOWED),
    ],
)
def test_a_number_that_can_not_serve_is_refused_before_anything_is_sent(
    world: World, telephone: Telephone, changes: dict[str, str], reason: RejectReason
) -> None:
    attempt = at_the_point_of_registering(world)
    options = {**BOBS_NUMBER, **changes}
    assert enrolment.start(attempt, FactorKind.PHONE, options, origin=ORIGIN, now=world.now) == Rejected(reason)
    assert telephone.received == []


@pytest.mark.parametrize("extension", ["12", "123456", ",,12", "1,23456", ",,,,123456"])
def test_an_extension_is_six_digits_and_pauses(world: World, telephone: Telephone, extension: str) -> None:
    attempt = at_the_point_of_registering(world)
    options = {**BOBS_NUMBER, **OFFICE, "extension": extension}
    assert isinstance(enrolment.start(attempt, FactorKind.PHONE, options, origin=ORIGIN, now=world.now), CodeSent)
    assert telephone.received[-1].extension == extension


def test_an_office_telephone_with_extension_is_called(world: World, telephone: Telephone) -> None:
    attempt = at_the_point_of_registering(world)
    options = {"slot": "office", "number": "+49 30 901820", "channel": "voice", "extension": "12"}
    assert isinstance(enrolment.start(attempt, FactorKind.PHONE, options, origin=ORIGIN, now=world.now), CodeSent)
    assert (telephone.received[-1].number, telephone.received[-1].extension) == ("+4930901820", "12")


def test_otp_08_an_enrolment_code_is_no_sign_in_code_nor_the_other_way(world: World, telephone: Telephone) -> None:
    session = fresh_session(world)
    options = {**BOBS_NUMBER, "slot": "alternate"}
    assert isinstance(enrolment.start(session, FactorKind.PHONE, options, origin=ORIGIN, now=world.now), CodeSent)
    enrolment_code = telephone.code
    token = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    flow.send_code(attempt, world.alices_phone.id, "sms", now=world.now)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, enrolment_code, now=world.now), SignInDenied)
    outcome = enrolment.finish(session, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert isinstance(outcome, SignInDenied)


def test_a_third_code_in_one_registration_is_the_last(world: World, telephone: Telephone) -> None:
    attempt = at_the_point_of_registering(world)
    for step in range(3):
        at = world.now + timedelta(seconds=31 * step)
        assert isinstance(enrolment.start(attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=at), CodeSent)
    late = world.now + timedelta(seconds=120)
    assert enrolment.start(attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=late) == CodeDenied(
        None, LimitRule.ATTEMPT
    )


def test_asking_again_at_once_says_when_it_is_possible(world: World, telephone: Telephone) -> None:
    attempt = at_the_point_of_registering(world)
    enrolment.start(attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now)
    again = enrolment.start(
        attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now + timedelta(seconds=10)
    )
    assert again == CodeDenied(world.now + timedelta(seconds=30), LimitRule.PAUSE)


@pytest.mark.breaks_invariants
def test_enr_04_a_session_without_recent_proof_changes_nothing(world: World, telephone: Telephone) -> None:
    both = (FactorKind.PASSWORD, FactorKind.PHONE)
    old = request_session(world.alice, *both, ago=timedelta(minutes=11), world=world)
    half = request_session(world.alice, FactorKind.PASSWORD, world=world)
    for session in (old, half):
        with pytest.raises(ReauthenticationRequired):
            enrolment.start(session, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now)
        with pytest.raises(ReauthenticationRequired):
            enrolment.create_app_password(session, "Laptop 2", origin=ORIGIN, now=world.now)
        with pytest.raises(ReauthenticationRequired):
            enrolment.remove(session, world.alices_phone.id, origin=ORIGIN, now=world.now)
        with pytest.raises(ReauthenticationRequired):
            password_change.choose_password(session, "quite another passphrase", origin=ORIGIN, now=world.now)
    assert telephone.received == []


def test_an_attempt_that_is_not_asked_to_register_can_not(world: World, telephone: Telephone) -> None:
    token = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    with pytest.raises(ReauthenticationRequired):
        enrolment.start(attempt, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now)


def test_enr_05_the_old_number_stays_until_the_new_one_is_proven(world: World, telephone: Telephone) -> None:
    session = fresh_session(world)
    enrolment.start(session, FactorKind.PHONE, BOBS_NUMBER, origin=ORIGIN, now=world.now)
    assert [method.ends for method in queries.methods_of(world.alice)] == ["78"]
    done = enrolment.finish(session, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert isinstance(done, Registered)
    assert [method.ends for method in queries.methods_of(world.alice)] == ["89"]
    assert Event.objects.filter(kind=EventKind.METHOD_REPLACED, subject_id=world.alice.pk).exists()


def test_app_05_the_forty_first_app_password_is_refused(world: World) -> None:
    for number in range(39):
        give_app_password(world.alice, f"Device {number}")
    outcome = enrolment.create_app_password(fresh_session(world), "One more", origin=ORIGIN, now=world.now)
    assert outcome == Rejected(RejectReason.LIMIT)
    assert len(queries.app_passwords_of(world.alice)) == 40


def test_a_deleted_app_password_makes_room(world: World) -> None:
    for number in range(39):
        give_app_password(world.alice, f"Device {number}")
    session = fresh_session(world)
    oldest = queries.app_passwords_of(world.alice)[0]
    assert enrolment.remove(session, oldest.id, origin=ORIGIN, now=world.now)
    made = enrolment.create_app_password(session, "One more", origin=ORIGIN, now=world.now)
    assert isinstance(made, ShownOnce)
    assert made.secret not in repr(made)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", RejectReason.NAME_MISSING),
        ("  ", RejectReason.NAME_MISSING),
        ("x" * 51, RejectReason.NAME_TOO_LONG),
        ("nul\0", RejectReason.NAME_NOT_PRINTABLE),
        ("\u202egnp.exe", RejectReason.NAME_NOT_PRINTABLE),
        ("laptop", RejectReason.NAME_TAKEN),
    ],
)
def test_app_18_an_app_password_needs_a_name_of_its_own(world: World, name: str, reason: RejectReason) -> None:
    assert enrolment.create_app_password(fresh_session(world), name, origin=ORIGIN, now=world.now) == Rejected(reason)
    assert len(queries.app_passwords_of(world.alice)) == 1


def test_app_passwords_are_only_for_the_enforced(world: World) -> None:
    session = request_session(world.carol, FactorKind.PASSWORD, world=world)
    outcome = enrolment.create_app_password(session, "Laptop", origin=ORIGIN, now=world.now)
    assert outcome == Rejected(RejectReason.NOT_ENFORCED)


def test_enr_06_nobody_removes_what_another_person_holds(world: World) -> None:
    bobs = give_phone(world.bob, "+4915187654321")
    assert not enrolment.remove(fresh_session(world), bobs.id, origin=ORIGIN, now=world.now)
    assert len(queries.methods_of(world.bob)) == 1


def test_enr_08_the_last_method_can_be_replaced_and_not_removed(world: World) -> None:
    session = fresh_session(world)
    with pytest.raises(LastMethod):
        enrolment.remove(session, world.alices_phone.id, origin=ORIGIN, now=world.now)
    # A telephone that can't be used at present doesn't count as a remaining method.
    office = give_phone(world.alice, "+4930901820", slot="office", channel=Channel.VOICE)
    Organisation.objects.update(call_allowed=False)
    with pytest.raises(LastMethod):
        enrolment.remove(fresh_session(world), world.alices_phone.id, origin=ORIGIN, now=world.now)
    assert enrolment.remove(fresh_session(world), office.id, origin=ORIGIN, now=world.now)


def test_an_initial_password_must_be_replaced_before_anything_else(world: World) -> None:
    give_password(world.carol, "an initial passphrase", initial=True)
    token = flow.begin("carol@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    outcome = flow.answer(attempt, FactorKind.PASSWORD, "an initial passphrase", now=world.now)
    assert isinstance(outcome, Continue)
    assert outcome.decision == SetUpFirst(FactorKind.PASSWORD, outcome.decision.because)
    same = password_change.choose_password(attempt, "an initial passphrase", origin=ORIGIN, now=world.now)
    assert same == Rejected(RejectReason.SAME_AS_BEFORE)
    chosen = password_change.choose_password(attempt, "my own new passphrase", origin=ORIGIN, now=world.now)
    assert isinstance(chosen, PasswordChosen)
    assert isinstance(chosen.complete, SignedIn)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short of fifte", RejectReason.TOO_SHORT),
        ("carolharbour1!!", RejectReason.CONTAINS_CONTEXT),
        ("aaaaaaaaaaaaaaaaaaaa", RejectReason.TOO_COMMON),
        ("x" * 1025, RejectReason.TOO_LONG),
        ("abcd efgh ijkl mnop qrst uvwx", RejectReason.SHAPED_LIKE_APP_PASSWORD),
    ],
)
def test_a_bad_new_password_says_why_and_changes_nothing(world: World, password: str, reason: RejectReason) -> None:
    session = request_session(world.carol, FactorKind.PASSWORD, world=world)
    before = vault.holdings(world.carol)
    current = world.passwords["carol"]
    chosen = password_change.choose_password(session, password, current=current, origin=ORIGIN, now=world.now)
    assert chosen == Rejected(reason)
    assert vault.holdings(world.carol) == before


@pytest.mark.parametrize(
    "password",
    [
        "a b c d e f g h",
        "пароль из слов и ещё",
        "🐚" * 3 + "and twelve more",
        "".join(chr(0x4E00 + 37 * number) for number in range(600)),
    ],
)
def test_any_characters_may_make_a_password(world: World, password: str) -> None:
    session = request_session(world.carol, FactorKind.PASSWORD, world=world)
    current = world.passwords["carol"]
    chosen = password_change.choose_password(session, password, current=current, origin=ORIGIN, now=world.now)
    assert isinstance(chosen, PasswordChosen)


def test_a_common_password_of_eight_letters_is_refused_even_beside_a_second_proof(world: World) -> None:
    outcome = password_change.choose_password(
        fresh_session(world), "password1", current=world.passwords["alice"], origin=ORIGIN, now=world.now
    )
    assert outcome == Rejected(RejectReason.TOO_COMMON)


@pytest.mark.breaks_invariants
def test_changing_the_password_ends_the_other_sessions_only(world: World) -> None:
    other = sessions.open_session(world.alice, evidence_for(FactorKind.PASSWORD), origin=ORIGIN, now=world.now)
    mine = sessions.open_session(
        world.alice, evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=world.now), origin=ORIGIN, now=world.now
    )
    current = world.passwords["alice"]
    chosen = password_change.choose_password(
        mine.session, "my own new passphrase", current=current, origin=ORIGIN, now=world.now
    )
    assert isinstance(chosen, PasswordChosen)
    assert chosen.renewed is not None
    assert sessions.find(other.token, now=world.now) is None
    assert sessions.find(mine.token, now=world.now) is None
    assert sessions.find(chosen.renewed.token, now=world.now) == mine.session
