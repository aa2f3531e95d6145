"""A trusted network counts for the request that proves the password, while it is trusted and the person has no role."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.telephone import Telephone
from tests.world import World, evidence_for, give_phone, make_organisation, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin
from watchword.core.policy import FactorKind, MfaState
from watchword.directory import actions
from watchword.directory.models import Organisation, User
from watchword.directory.roles import Role
from watchword.signin import attempt_limits, password_throttling, service_settings, sessions
from watchword.signin.models import FailureCount, Session, SignInAttempt
from watchword.signin.password_throttling import Guess
from watchword.signin.service_settings import SenselessSettings

OFFICE, ELSEWHERE = "192.0.2.77", "203.0.113.5"


@pytest.fixture(autouse=True)
def office(world: World) -> None:
    world.organisation.trusted_networks = ["192.0.2.0/24"]
    world.organisation.save()


def password(client: Client, world: World, address: str, typed: str = "") -> Any:
    return client.post("/sign-in/password/", {"answer": typed or world.passwords["alice"]}, REMOTE_ADDR=address)


def named(address: str, name: str = "alice") -> Client:
    client = Client()
    client.post("/sign-in/", {"name": f"{name}@harbour.example"}, REMOTE_ADDR=address)
    return client


def excused(world: World, user: User, address: str = OFFICE) -> sessions.Opened:
    origin = Origin(address=address, agent="a browser", door="web")
    evidence = evidence_for(FactorKind.PASSWORD)
    return sessions.open_session(user, evidence, origin=origin, now=world.now, excused=True)


def test_a_password_typed_in_the_office_needs_no_code(world: World) -> None:
    assert password(named(OFFICE), world, OFFICE)["Location"] == "/"
    assert Session.objects.get().excused


def test_a_name_typed_in_the_office_excuses_no_password_typed_elsewhere(world: World) -> None:
    """A visitor types the name in the office's network, and ten minutes later the password at home."""
    assert password(named(OFFICE), world, ELSEWHERE)["Location"] == "/sign-in/prove/"
    assert not Session.objects.exists()


def test_a_name_typed_elsewhere_and_a_password_typed_in_the_office_need_no_code(world: World) -> None:
    assert password(named(ELSEWHERE), world, OFFICE)["Location"] == "/"
    assert Session.objects.get().address == OFFICE


def test_a_password_proven_elsewhere_is_not_excused_by_coming_to_the_office_afterwards(world: World) -> None:
    client = named(ELSEWHERE)
    password(client, world, ELSEWHERE)
    assert client.get("/sign-in/prove/", REMOTE_ADDR=OFFICE).status_code == 200
    client.post("/sign-in/prove/", {"answer": "000000"}, REMOTE_ADDR=OFFICE)
    assert not Session.objects.exists()


def test_what_was_proven_before_the_address_was_written_down_excuses_nothing(world: World) -> None:
    """The previous release stores no address in the evidence, and may be running beside this one."""
    client = named(OFFICE)
    password(client, world, ELSEWHERE)
    attempt = SignInAttempt.objects.get()
    for row in attempt.evidence:
        del row["address"]
    attempt.save()
    assert client.get("/sign-in/prove/", REMOTE_ADDR=OFFICE).status_code == 200


def test_failures_and_the_log_name_the_address_that_typed_the_password(world: World) -> None:
    password(named(OFFICE), world, ELSEWHERE, "not the passphrase")
    denied = Event.objects.get(kind=EventKind.SIGN_IN_DENIED)
    assert denied.address == ELSEWHERE
    guess = Guess(
        "alice@harbour.example", "", Origin(address=ELSEWHERE), world.alice, None, world.alice.organisation.policy
    )
    expected = {guess.key, password_throttling._source_key(ELSEWHERE), f"guesses:{world.alice.pk}"}
    counted = FailureCount.objects.exclude(key__startswith=attempt_limits.PREFIX)
    assert set(counted.values_list("key", flat=True)) == expected


def test_the_attempt_remembers_from_where_the_password_came(world: World) -> None:
    password(named(OFFICE), world, ELSEWHERE)
    assert SignInAttempt.objects.get().address == ELSEWHERE


def test_stp_12_an_administrator_is_asked_for_the_code_in_a_trusted_network(world: World, telephone: Telephone) -> None:
    """A trusted network spares only people without a role the code: an administrator there is asked for it."""
    give_phone(world.root, "+4915112345699")
    User.objects.filter(pk=world.root.pk).update(mfa_state=MfaState.ENFORCED)
    client = named(OFFICE, "root")
    answer = client.post("/sign-in/password/", {"answer": world.passwords["root"]}, REMOTE_ADDR=OFFICE)
    assert answer["Location"] == "/sign-in/prove/"
    assert not Session.objects.exists()


def test_an_excused_session_ends_when_its_person_is_given_a_role(world: World) -> None:
    opened = excused(world, world.alice)
    assert sessions.find(opened.token, now=world.now) is not None
    actions.give_role(world.alice, Role.HELPDESK_ADMINISTRATOR, by=world.root, now=world.now)
    assert sessions.sessions_of(world.alice, now=world.now) == []
    assert sessions.find(opened.token, now=world.now) is None
    opened.session.refresh_from_db()
    assert opened.session.ended_because == "no_longer_excused"
    assert Event.objects.filter(kind=EventKind.SESSION_ENDED, subject_id=world.alice.pk).count() == 1
    actions.take_role(world.alice, Role.HELPDESK_ADMINISTRATOR, by=world.root, now=world.now)
    assert sessions.find(opened.token, now=world.now) is None


def test_an_excused_session_ends_when_its_network_is_trusted_no_longer(world: World) -> None:
    gone, stays = excused(world, world.alice), excused(world, world.alice, "192.0.2.130")
    proven = sessions.open_session(
        world.alice,
        evidence_for(FactorKind.PASSWORD, FactorKind.PHONE),
        origin=Origin(address=OFFICE, agent="", door="web"),
        now=world.now,
    )
    changes = {"trusted_networks": ["192.0.2.128/25"]}
    service_settings.change_settings(world.organisation, changes, by=world.root, now=world.now)
    gone.session.refresh_from_db()
    assert gone.session.ended_at == world.now
    assert sessions.find(gone.token, now=world.now) is None
    assert sessions.find(stays.token, now=world.now) is not None
    assert sessions.find(proven.token, now=world.now) is not None


def test_the_networks_of_one_organisation_end_no_session_of_another(world: World) -> None:
    other = make_organisation("Other", "other.example")
    Organisation.objects.filter(pk=other.pk).update(trusted_networks=["192.0.2.0/24"])
    stranger = make_person(Organisation.objects.get(pk=other.pk), "stranger", state=MfaState.ENFORCED)
    opened = excused(world, stranger)
    service_settings.change_settings(world.organisation, {"trusted_networks": []}, by=world.root, now=world.now)
    assert sessions.find(opened.token, now=world.now) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"trusted_networks": ["0.0.0.0/1", "128.0.0.0/1"]},
        {"limits": {"code_seconds": 1}},
        {"limits": {"day_failures": 1}},
        {"limits": {"session_seconds": 1}},
        {"limits": {"session_seconds": 86_401}},
        {"limits": {"no_such_limit": 5}},
    ],
)
def test_settings_that_shut_everybody_out_or_let_everybody_in_are_refused(
    world: World, changes: dict[str, object]
) -> None:
    with pytest.raises(SenselessSettings):
        service_settings.change_settings(world.organisation, changes, by=world.root, now=world.now)
    world.organisation.refresh_from_db()
    assert (world.organisation.trusted_networks, world.organisation.limits) == (["192.0.2.0/24"], {})


@pytest.mark.breaks_invariants
def test_settings_that_may_not_be_are_found_where_they_are(world: World) -> None:
    from watchword.cli.verify import verify

    Organisation.objects.filter(pk=world.organisation.pk).update(limits={"code_seconds": 1})
    assert [problem[:2] for problem in verify(now=world.now).problems] == ["I9"]
    world.organisation.refresh_from_db()
    world.organisation.__dict__.pop("policy", None)
    assert world.organisation.policy.limits.code_seconds == 60
    Organisation.objects.filter(pk=world.organisation.pk).update(limits={}, trusted_networks=["0.0.0.0/1"])
    assert [problem[:2] for problem in verify(now=world.now).problems] == ["I9"]
