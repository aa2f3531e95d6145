"""One-time codes and guessing, through the sign-in flow itself."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from tests.alerts.playing import STRANGER, pass_password, work
from tests.telephone import Telephone
from tests.world import ORIGIN, World, give_phone, sign_in
from watchword.alerts.models import Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import DenyReason
from watchword.core.factors import RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.signin import actions, cookies, flow, invitations
from watchword.signin.facts import code_key
from watchword.signin.models import CodeChallenge, FailureCount, Session, SignInAttempt
from watchword.signin.otp.challenges import CodeSent
from watchword.signin.results import Outcome, SignedIn, SignInDenied
from watchword.signin.sign_in_view import view_of


def send(world: World, attempt: SignInAttempt, *, later: timedelta = timedelta(0)) -> None:
    choice = view_of(attempt, now=world.now + later).methods[0]
    assert isinstance(flow.send_code(attempt, choice.credential_id, Channel.SMS, now=world.now + later), CodeSent)


def type_code(world: World, attempt: SignInAttempt, code: str, *, later: timedelta = timedelta(0)) -> Outcome:
    return flow.answer(attempt, FactorKind.PHONE, code, now=world.now + later)


def enforce_bob(world: World) -> None:
    type(world.bob).objects.filter(pk=world.bob.pk).update(mfa_state="enforced")
    world.bob.refresh_from_db()
    give_phone(world.bob, "+4915100000002")


def test_otp_03_an_answer_that_was_lost_gives_no_second_session(world: World, telephone: Telephone) -> None:
    """A right code is spent even if its response was lost: typing it again opens no second session anywhere."""
    attempt = pass_password(world, world.alice)
    send(world, attempt)
    assert isinstance(type_code(world, attempt, telephone.code), SignedIn)
    assert isinstance(type_code(world, attempt, telephone.code), SignInDenied)
    assert isinstance(type_code(world, pass_password(world, world.alice), telephone.code), SignInDenied)
    assert Session.objects.count() == 1


@pytest.mark.breaks_invariants
def test_otp_07_a_code_for_one_person_is_worth_nothing_for_another(world: World, telephone: Telephone) -> None:
    """Alice's code typed into Bob's sign-in is refused and counted as Bob's failure."""
    enforce_bob(world)
    send(world, pass_password(world, world.alice))
    alices = telephone.code
    bobs = pass_password(world, world.bob)
    send(world, bobs)
    if alices == telephone.code:
        pytest.fail("two codes were the same, one time in a million")
    assert isinstance(type_code(world, bobs, alices), SignInDenied)
    assert len(FailureCount.objects.get(pk=f"code:{world.bob.pk}").failures) == 1
    assert not FailureCount.objects.filter(pk=f"code:{world.alice.pk}").exists()


def test_otp_09_what_a_form_says_about_the_person_is_not_read(
    client: Client, world: World, telephone: Telephone
) -> None:
    """Ids and names added to a form change nothing: the person comes from the attempt stored on the server."""
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"], "name": "carol@harbour.example"})
    client.post(
        "/sign-in/prove/",
        {
            "answer": telephone.code,
            "user": str(world.root.pk),
            "name": "root@harbour.example",
            "attempt": str(uuid4()),
            "challenge": str(uuid4()),
        },
    )
    assert Session.objects.get().user == world.alice


@pytest.mark.parametrize("token", ["", "a", "A" * 43, "../../etc/passwd", "x" * 5000])
def test_otp_10_an_attempt_that_is_guessed_is_no_attempt(client: Client, world: World, token: str) -> None:
    """A guessed attempt token leads to the first page, as an expired one does; a real token has 256 bits."""
    real = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    assert len(real) == 43
    client.cookies[cookies._name(cookies._ATTEMPT)] = token
    for page in ("/sign-in/password/", "/sign-in/prove/"):
        assert client.get(page)["Location"] == "/sign-in/?over=1"
    SignInAttempt.objects.update(expires_at=world.now)
    client.cookies[cookies._name(cookies._ATTEMPT)] = real
    assert client.get("/sign-in/prove/")["Location"] == "/sign-in/?over=1"


def test_bru_01_wrong_codes_stop_at_thirty_and_the_right_one_is_refused_as_well(
    world: World, telephone: Telephone
) -> None:
    """Of a hundred wrong codes over days thirty are checked; then the right one fails too; the owner is warned once."""
    later, checked = timedelta(0), 0
    for _round in range(101):
        before = len(_failures(world))
        attempt = pass_password(world, world.alice, now=world.now + later)
        type_code(world, attempt, "000000", later=later)
        checked += len(_failures(world)) - before
        later += timedelta(minutes=10)
    assert checked == 30
    token = flow.begin("alice@harbour.example", origin=STRANGER, next_url="/", now=world.now + later)
    locked = flow.find_attempt(token, now=world.now + later)
    assert locked is not None
    right = flow.answer(locked, FactorKind.PASSWORD, world.passwords["alice"], now=world.now + later)
    assert right == SignInDenied(DenyReason.SECOND_FACTOR_LOCKED)
    work(world.now + later)
    assert Notice.objects.filter(rule=AlertRule.LOCKED, user=world.alice).count() == 1


def _failures(world: World) -> list[str]:
    row = FailureCount.objects.filter(pk=f"code:{world.alice.pk}").first()
    return row.failures if row is not None else []


def test_bru_02_five_hundred_sign_ins_side_by_side_share_one_count(world: World) -> None:
    """Five hundred parallel sign-ins with the right password share ten tries, instead of having ten each."""
    attempts = [pass_password(world, world.alice) for _ in range(500)]
    for attempt in attempts:
        type_code(world, attempt, "000000")
    assert len(_failures(world)) == 10
    assert Event.objects.filter(kind=EventKind.CODE_REJECTED).count() == 10
    work(world.now)
    assert Notice.objects.filter(rule=AlertRule.CODE_MISSING, user=world.alice).count() == 1


def test_bru_03_a_new_code_after_each_wrong_one_gains_nothing(world: World, telephone: Telephone) -> None:
    """Requesting a new code after each wrong one doesn't reset the count, and codes are limited as well."""
    sent = 0
    later = timedelta(0)
    for _round in range(200):
        attempt = pass_password(world, world.alice, now=world.now + later)
        choices = view_of(attempt, now=world.now + later).methods
        if choices:
            outcome = flow.send_code(attempt, choices[0].credential_id, Channel.SMS, now=world.now + later)
            sent += isinstance(outcome, CodeSent)
        flow.answer(attempt, FactorKind.PHONE, "000000", now=world.now + later)
        later += timedelta(seconds=40)
    assert len(_failures(world)) <= 30
    assert sent <= 20


@pytest.mark.parametrize("slot", ["alternate", "office"])
def test_bru_05_every_telephone_and_way_shares_one_count(world: World, telephone: Telephone, slot: str) -> None:
    """Switching to another telephone or channel gives an attacker no new tries."""
    give_phone(world.alice, "+493012345678" if slot == "office" else "+4915199999999", slot=slot, channel=Channel.VOICE)
    for number in range(12):
        attempt = pass_password(world, world.alice)
        choices = view_of(attempt, now=world.now).methods
        if choices:
            choice = choices[number % 2]
            flow.send_code(attempt, choice.credential_id, choice.channels[0], now=world.now)
        flow.answer(attempt, FactorKind.PHONE, "000000", now=world.now)
    assert len(_failures(world)) == 10


def test_bru_08_every_spelling_of_a_name_shares_one_count(world: World) -> None:
    """Case, full-width letters and a trailing dot of a name lead to the same person and the same count of failures."""
    for name in ("ALICE@harbour.example", "alice@HARBOUR.EXAMPLE.", "\uff41lice@harbour.example"):
        token = flow.begin(name, origin=STRANGER, next_url="/", now=world.now)
        attempt = flow.find_attempt(token, now=world.now)
        assert attempt is not None
        flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
        flow.answer(attempt, FactorKind.PHONE, "000000", now=world.now)
    assert len(_failures(world)) == 3


@pytest.mark.parametrize(
    "typed", ["", " ", "\0", "12345", "1234567", "1e5", "0x1e240", "true", "null", "١٢٣٤٥٦", "9" * 5000]
)
def test_otp_16_what_is_no_code_is_refused_without_harm(world: World, telephone: Telephone, typed: str) -> None:
    """Blank, short, long and malformed answers are refused and open nothing."""
    attempt = pass_password(world, world.alice)
    send(world, attempt)
    outcome = type_code(world, attempt, typed)
    assert isinstance(outcome, SignInDenied)
    assert outcome.reason in {RejectReason.NOT_SHAPED, RejectReason.WRONG}
    assert not Session.objects.exists()


def test_otp_17_a_code_in_an_address_is_not_read(client: Client, world: World, telephone: Telephone) -> None:
    """A code in the query string of a GET request opens nothing."""
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    client.get(f"/sign-in/prove/?answer={telephone.code}")
    assert not Session.objects.exists()
    assert CodeChallenge.objects.get().tries == 0


def test_otp_18_a_code_is_echoed_nowhere(client: Client, world: World, telephone: Telephone) -> None:
    """No page, header or redirect ever contains a code that is still valid."""
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    sent = client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    page = client.get("/sign-in/prove/")
    wrong = client.post("/sign-in/prove/", {"answer": telephone.wrong_code()})
    for answer in (sent, page, wrong):
        assert telephone.code not in answer.content.decode()
        assert telephone.code not in str(answer.headers)
    assert telephone.code not in str(list(Event.objects.values()))


def test_stp_01_a_half_signed_in_browser_reaches_no_page_of_the_site(
    client: Client, world: World, telephone: Telephone
) -> None:
    """A browser that has proven only the password is redirected from every address to the code or the first page."""
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    for address in (
        "/",
        "/security/",
        "/app-passwords/",
        "/activity/",
        "/warnings/",
        "/admin/users/",
        "/admin/alerts/",
    ):
        for method in (client.get, client.post):
            answer = method(address)
            assert answer.status_code == 302, address
            assert answer["Location"].startswith("/sign-in/"), address


def test_stp_02_neither_exports_nor_static_names_open_to_a_half_signed_in_browser(
    client: Client, world: World, telephone: Telephone
) -> None:
    """Exports and static file names are as closed as pages to a browser that has proven only the password."""
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    for address in ("/admin/sign-ins.csv", "/admin/users/import/sample/people.csv", "/methods/add/app_password/"):
        assert client.get(address)["Location"].startswith("/sign-in/")


def test_stp_03_the_second_step_without_the_first_starts_again(client: Client, world: World) -> None:
    """Posting a code before the password, or without an attempt, opens nothing."""
    assert client.post("/sign-in/prove/", {"answer": "000000"})["Location"] == "/sign-in/?over=1"
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    assert client.post("/sign-in/prove/", {"answer": "000000"})["Location"] == "/sign-in/password/"
    assert client.post("/sign-in/register/", {"number": "1"}).status_code == 302
    assert not Session.objects.exists()


def test_stp_04_the_cookie_of_an_attempt_is_no_session(client: Client, world: World, telephone: Telephone) -> None:
    """The token of a sign-in attempt used as a session cookie opens nothing."""
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    token = client.cookies[cookies._name(cookies._ATTEMPT)].value
    other = Client()
    other.cookies[cookies._name(cookies._SESSION)] = token
    assert other.get("/security/")["Location"].startswith("/sign-in/")


def test_enr_09_a_stolen_session_changes_no_password(client: Client, world: World) -> None:
    """A stolen session can't change the password: without a fresh proof of the old one the change is refused."""
    sign_in(client, world.alice, ago=timedelta(minutes=11))
    answer = client.post("/methods/add/password/", {"password": "a wholly new passphrase"})
    assert answer["Location"].startswith("/sign-in/confirm/")
    assert isinstance(pass_password(world, world.alice), SignInAttempt)
    assert view_of(pass_password(world, world.alice), now=world.now).methods


def test_bru_09_a_new_password_leaves_a_locked_second_proof_locked(world: World) -> None:
    """Neither a reset, nor a link for a new password, nor a password change unlocks a locked second proof."""
    FailureCount.objects.create(key=code_key(world.alice), locked_at=world.now, changed_at=world.now)
    actions.reset_password(world.alice, by=world.root, now=world.now)
    invited = invitations.invite(world.alice, by=world.root, now=world.now)
    found = invitations.find(invited.token, now=world.now)
    assert found is not None
    assert invitations.accept(found, "my very own passphrase", origin=ORIGIN, now=world.now) is None
    attempt = flow.find_attempt(
        flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now), now=world.now
    )
    assert attempt is not None
    outcome = flow.answer(attempt, FactorKind.PASSWORD, "my very own passphrase", now=world.now)
    assert outcome == SignInDenied(DenyReason.SECOND_FACTOR_LOCKED)
    assert actions.unlock_second_factor(world.alice, by=world.root, now=world.now)
