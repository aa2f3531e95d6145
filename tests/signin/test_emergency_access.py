"""Emergency access accounts: made on the console, opened by passphrase and console code, heard at every use."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests.alerts.playing import STRANGER, alert_mails
from tests.pages import text
from tests.world import ORIGIN, World, give_app_password, sign_in
from watchword.admincenter.reports import health_report
from watchword.alerts.models import Alert
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.cli.verify import verify
from watchword.core.decision import AskFor, DenyReason
from watchword.core.policy import AccountStatus, Door, FactorKind, MfaState
from watchword.directory import actions
from watchword.directory.actions import find_by_name
from watchword.directory.models import User
from watchword.directory.permissions import ForbiddenForYourself, NeedsGlobalAdministrator, PermissionDenied
from watchword.directory.roles import Role
from watchword.signin import access_passes, emergency_access, flow, non_interactive
from watchword.signin.actions import block, give_role
from watchword.signin.emergency_access import EmergencyAccount
from watchword.signin.models import SignInAttempt
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.results import Outcome, SignedIn, SignInDenied

NAME = "emergency1@harbour.example"
CONTACT = "security@elsewhere.example"


def command(*words: str) -> str:
    out = io.StringIO()
    call_command("emergency_access", *words, stdout=out)
    return out.getvalue()


def secret_in(said: str) -> str:
    """Return the passphrase or code that a command printed."""
    found = re.search(r"^    ([A-Za-z0-9]{4}(?:-[A-Za-z0-9]{4})+)$", said, re.MULTILINE)
    assert found is not None, said
    return found[1]


def code_from_console(name: str = NAME) -> str:
    out = io.StringIO()
    call_command("code", name, stdout=out)
    return secret_in(out.getvalue())


def made(world: World) -> EmergencyAccount:
    return emergency_access.create(
        world.organisation,
        sign_in_name=NAME,
        display_name="Emergency access",
        contact_mail=CONTACT,
        by=None,
        now=world.now,
    )


def type_password(world: World, typed: str) -> tuple[SignInAttempt, Outcome]:
    token = flow.begin(NAME, origin=STRANGER, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    outcome = flow.answer(attempt, FactorKind.PASSWORD, typed, now=world.now)
    return flow.find_attempt(token, now=world.now) or attempt, outcome


def type_code(world: World, attempt: SignInAttempt, typed: str) -> Outcome:
    return access_passes.answer(attempt, typed, now=world.now)


def rules(world: World) -> list[str]:
    """Run the worker; return the rules of all alerts, the newest first."""
    alert_mails(world.now)
    return list(Alert.objects.order_by("-pk").values_list("rule", flat=True))


def test_the_printed_passphrase_and_a_code_of_the_console_open_the_account_without_any_phone(world: World) -> None:
    passphrase = secret_in(command("create", NAME, "--contact-mail", CONTACT))
    user = find_by_name(NAME)
    assert user is not None
    assert user.roles == {Role.GLOBAL_ADMINISTRATOR}
    assert user.is_emergency_access
    code = code_from_console()
    attempt, _asked = type_password(world, passphrase)
    assert flow.stage(attempt, now=world.now) == AskFor(frozenset({FactorKind.ACCESS_PASS}), DenyReason.MFA_REQUIRED)
    assert isinstance(type_code(world, attempt, code), SignedIn)


def test_the_passphrase_alone_opens_nothing_and_registers_no_phone(world: World) -> None:
    account = made(world)
    _attempt, outcome = type_password(world, account.passphrase)
    assert outcome == SignInDenied(DenyReason.NO_METHOD_LEFT)


def test_the_passphrase_alone_opens_no_mailbox(world: World) -> None:
    account = made(world)
    question = AuthRequest(Door.MAIL, NAME, Secret(account.passphrase), "imap", "192.0.2.9")
    assert not non_interactive.check_account_password(question, now=world.now).allowed
    denied = Event.objects.get(kind=EventKind.SIGN_IN_DENIED)
    assert denied.reason == DenyReason.ACCOUNT_PASSWORD_CLOSED
    assert rules(world)[0] == AlertRule.EMERGENCY_ACCESS_USED


def test_each_sign_in_alerts_every_administrator_at_once_whoever_else_gets_alerts(world: World) -> None:
    world.organisation.alert_recipients = "duty@elsewhere.example"
    world.organisation.save()
    account = made(world)
    alert_mails(world.now)
    for _turn in range(2):
        code = access_passes.make(account.user, lifetime=timedelta(hours=1), is_once=True, by=None, now=world.now)
        alert_mails(world.now)
        attempt, _asked = type_password(world, account.passphrase)
        assert isinstance(type_code(world, attempt, code.secret), SignedIn)
        mails = alert_mails(world.now)
        assert {message.to[0] for message in mails} == {
            "duty@elsewhere.example",
            world.root.contact_mail or world.root.sign_in_name,
            CONTACT,
        }
        assert {"An emergency access account was used" in message.subject for message in mails} == {True}
        assert "somebody is signed in with it" in str(mails[0].body)


def test_the_right_passphrase_without_a_code_alerts_and_a_wrong_one_does_not(world: World) -> None:
    account = made(world)
    before = rules(world)
    type_password(world, "no passphrase of this account")
    assert rules(world) == before
    type_password(world, account.passphrase)
    assert rules(world)[0] == AlertRule.EMERGENCY_ACCESS_USED
    assert not Alert.objects.latest("pk").details["allowed"]


def test_a_wrong_code_after_the_passphrase_alerts(world: World) -> None:
    account = made(world)
    code_from_console()
    attempt, _asked = type_password(world, account.passphrase)
    before = len(rules(world))
    assert not isinstance(type_code(world, attempt, "wrong-code"), SignedIn)
    assert rules(world)[0] == AlertRule.EMERGENCY_ACCESS_USED
    assert len(rules(world)) == before + 1


def test_an_app_password_of_such_an_account_alerts_too(world: World) -> None:
    account = made(world)
    User.objects.filter(pk=account.user.pk).update(mfa_state=MfaState.ENFORCED)
    letters = give_app_password(account.user)
    question = AuthRequest(Door.MAIL, NAME, Secret(letters), "imap", "192.0.2.9")
    (answer,) = non_interactive.check_many([question], now=world.now)
    assert answer.allowed
    assert rules(world)[0] == AlertRule.EMERGENCY_ACCESS_USED


def test_the_alert_of_a_sign_in_stands_although_the_account_is_an_ordinary_one_a_moment_later(world: World) -> None:
    account = made(world)
    code = code_from_console()
    attempt, _asked = type_password(world, account.passphrase)
    assert isinstance(type_code(world, attempt, code), SignedIn)
    assert emergency_access.end(account.user, by=world.root, now=world.now)
    assert {AlertRule.EMERGENCY_ACCESS_USED, AlertRule.EMERGENCY_ACCESS_CHANGED} <= set(rules(world))
    assert type_password(world, account.passphrase)[1] == SignInDenied(DenyReason.NO_METHOD_LEFT)


def test_nobody_marks_or_unmarks_their_own_account_and_only_a_global_administrator_marks_another(world: World) -> None:
    account = made(world)
    with pytest.raises(ForbiddenForYourself):
        emergency_access.end(account.user, by=account.user, now=world.now)
    with pytest.raises(ForbiddenForYourself):
        emergency_access.begin(world.root, by=world.root, now=world.now)
    with pytest.raises(NeedsGlobalAdministrator):
        emergency_access.begin(world.alice, by=world.root, now=world.now)
    give_role(world.bob, Role.AUTHENTICATION_ADMINISTRATOR, by=world.root, now=world.now)
    with pytest.raises(PermissionDenied):
        emergency_access.end(account.user, by=world.bob, now=world.now)
    assert User.objects.get(pk=account.user.pk).is_emergency_access


def test_an_account_that_loses_the_role_is_no_emergency_access_account_any_more(world: World) -> None:
    account = made(world)
    actions.take_role(account.user, Role.GLOBAL_ADMINISTRATOR, by=world.root, now=world.now)
    assert not User.objects.get(pk=account.user.pk).is_emergency_access
    assert Event.objects.filter(kind=EventKind.EMERGENCY_ACCESS_ENDED, subject_id=account.user.pk).exists()


@pytest.mark.breaks_invariants
def test_verify_names_an_account_that_could_repair_nothing(world: World) -> None:
    User.objects.filter(pk=world.alice.pk).update(emergency_since=world.now)
    assert (
        "I10 emergency access account alice@harbour.example is no Global Administrator"
        in verify(now=world.now).problems
    )


def test_a_new_passphrase_makes_the_one_before_worthless_and_signs_out(world: World, client: Client) -> None:
    account = made(world)
    sign_in(client, account.user, FactorKind.PASSWORD, FactorKind.ACCESS_PASS)
    fresh = secret_in(command("renew", NAME))
    assert client.get("/security/").status_code == 302
    assert not type_password(world, account.passphrase)[1]
    assert type_password(world, fresh)[1] == SignInDenied(DenyReason.NO_METHOD_LEFT)
    with pytest.raises(CommandError, match=r"alice@harbour\.example is no emergency access account"):
        command("renew", "alice@harbour.example")


def test_the_list_says_when_each_account_was_used(world: World) -> None:
    assert "There is no emergency access account" in command("list")
    account = made(world)
    assert f"{NAME}: since {world.now:%Y-%m-%d}, never signed in" in command("list")
    code = code_from_console()
    attempt, _asked = type_password(world, account.passphrase)
    type_code(world, attempt, code)
    block(account.user, by=world.root, origin=ORIGIN, now=world.now)
    assert account.user.standing is AccountStatus.ACTIVE, "the object is from before"
    assert re.search(r"last signed in \d{4}-\d\d-\d\d \d\d:\d\d UTC, blocked", command("list"))


def test_the_command_ends_emergency_access_once(world: World) -> None:
    made(world)
    assert "is an ordinary Global Administrator now" in command("end", NAME)
    with pytest.raises(CommandError, match="is no emergency access account"):
        command("end", NAME)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create"], "'no name' is no sign-in name"),
        (["create", "emergency1"], "is no sign-in name"),
        (["create", NAME], "say by --contact-mail who reads the warnings"),
        (["create", NAME, "--contact-mail", "nobody"], "--contact-mail is no mail address"),
        (["create", "e1@elsewhere.example", "--contact-mail", CONTACT], "has the domain elsewhere.example"),
        (["create", "alice@harbour.example", "--contact-mail", CONTACT], "there is a person by the name alice"),
        (["end", "nobody@harbour.example"], "there is nobody by the name"),
    ],
)
def test_a_mistake_is_said_and_nothing_is_made(world: World, words: list[str], says: str) -> None:
    before = User.objects.count()
    with pytest.raises(CommandError, match=says):
        command(*words)
    assert User.objects.count() == before


def test_health_misses_an_account_and_an_old_test(world: World) -> None:
    def codes() -> set[str]:
        problems = health_report.read(now=world.now).problems
        return {problem.code for problem in problems if problem.code.startswith("emergency_access.")}

    assert codes() == {"emergency_access.none"}
    account = made(world)
    assert codes() == set()
    User.objects.filter(pk=account.user.pk).update(emergency_since=world.now - timedelta(days=91))
    assert codes() == {"emergency_access.untested"}
    code = code_from_console()
    attempt, _asked = type_password(world, account.passphrase)
    type_code(world, attempt, code)
    assert codes() == set()
    block(account.user, by=world.root, now=world.now)
    assert codes() == {"emergency_access.none"}


def test_a_global_administrator_begins_and_ends_it_on_the_page(world: World, client: Client) -> None:
    sign_in(client, world.root, FactorKind.PASSWORD, FactorKind.PHONE)
    account = made(world)
    panel = f"/admin/users/?person={account.user.pk}"
    assert "End emergency access" in text(client.get(panel).content)
    address = f"/admin/users/{account.user.pk}"
    assert client.post(f"{address}/end-emergency-access/").status_code == 302
    assert not User.objects.get(pk=account.user.pk).is_emergency_access
    assert "Make it an emergency access account" in text(client.get(panel).content)
    assert client.post(f"{address}/begin-emergency-access/").status_code == 302
    assert User.objects.get(pk=account.user.pk).is_emergency_access
    refused = client.post(f"/admin/users/{world.alice.pk}/begin-emergency-access/")
    assert refused.status_code == 403
    assert "give it the role first" in text(refused.content)
