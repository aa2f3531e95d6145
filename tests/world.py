"""The world of the tests: Root administers, Alice is enforced, Bob enabled, Carol disabled, Mallory a stranger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from watchword.audit.record import Origin
from watchword.core.assurance import Evidence
from watchword.core.codes import new_app_password, shown_app_password
from watchword.core.factors import CredentialData
from watchword.core.policy import Channel, FactorKind, MfaState
from watchword.core.usernames import name_key
from watchword.directory.models import Domain, Organisation, RoleAssignment, SignInName, User
from watchword.directory.roles import Role
from watchword.factors import vault
from watchword.factors.password import factor as password_factor
from watchword.signin import cookies, sessions
from watchword.signin.tokens import RANDOM_SOURCE

ORIGIN = Origin(address="198.51.100.7", agent="Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Firefox/150.0", door="web")
ALICES_NUMBER = "+4915112345678"


@dataclass
class World:
    """The people, their passwords, and their credentials."""

    organisation: Organisation
    people: dict[str, User]
    passwords: dict[str, str]
    alices_app_password: str
    alices_phone: vault.StoredCredential
    now: datetime = field(default_factory=timezone.now)

    @property
    def root(self) -> User:
        return self.people["root"]

    @property
    def alice(self) -> User:
        return self.people["alice"]

    @property
    def bob(self) -> User:
        return self.people["bob"]

    @property
    def carol(self) -> User:
        return self.people["carol"]


@pytest.fixture(autouse=True)
def cheap_hashes(settings: Any) -> None:
    """Hash account passwords as cheaply as Argon2 allows, so that the suite is quick."""
    settings.WATCHWORD_ARGON2 = {"time_cost": 1, "memory_kibibytes": 8, "parallelism": 1}
    password_factor._hasher.cache_clear()
    password_factor._dummy_hash.cache_clear()


def make_organisation(
    name: str = "Harbour & Hill", domain: str = "harbour.example", region: str = "DE"
) -> Organisation:
    """Return a new organisation with one domain."""
    organisation = Organisation.objects.create(name=name, created_at=timezone.now(), region=region)
    Domain.objects.create(organisation=organisation, name=domain, is_primary=True)
    return organisation


def make_person(
    organisation: Organisation, name: str, *, state: MfaState | None = None, roles: tuple[Role, ...] = ()
) -> User:
    """Return a new person without any proof, Disabled by default; administrators are Enforced."""
    domain = organisation.domains.get(is_primary=True).name
    sign_in_name = f"{name}@{domain}"
    user = User.objects.create(
        organisation=organisation,
        sign_in_name=sign_in_name,
        display_name=name.capitalize(),
        contact_mail=f"{name}@elsewhere.example",
        created_at=timezone.now(),
        mfa_state=state or (MfaState.ENFORCED if roles else MfaState.DISABLED),
        mfa_changed_at=timezone.now(),
        search_key=f"{name} {sign_in_name}",
    )
    SignInName.objects.create(user=user, name=sign_in_name, key=name_key(sign_in_name))
    RoleAssignment.objects.bulk_create([RoleAssignment(user=user, role=role) for role in roles])
    return user


def give_password(user: User, password: str, *, initial: bool = False) -> vault.StoredCredential:
    """Give a user an account password, good or bad."""
    stored = password_factor._hasher().hash(password_factor._octets(password)).encode()
    public = {"initial": "yes"} if initial else {}
    data = CredentialData(FactorKind.PASSWORD, slot="account", public=public, secret=stored)
    return vault.store(user, data, now=timezone.now())


def give_phone(
    user: User, number: str = ALICES_NUMBER, *, slot: str = "mobile", channel: Channel = Channel.SMS
) -> vault.StoredCredential:
    """Give a user a registered telephone."""
    data = CredentialData(
        FactorKind.PHONE,
        slot=slot,
        public={
            "channel": channel,
            "ends": number[-2:],
            "country": "DE",
            "extension": "",
            "texts": "" if slot == "office" else "yes",
        },
        secret=json.dumps({"number": number, "extension": ""}).encode(),
    )
    return vault.store(user, data, now=timezone.now())


def give_app_password(user: User, name: str = "Laptop") -> str:
    """Give a user an app password and return it as it was shown."""
    letters = new_app_password(RANDOM_SOURCE)
    lookup = vault.keyed("factors.app_password", letters.encode())
    vault.store(user, CredentialData(FactorKind.APP_PASSWORD, label=name, lookup=lookup), now=timezone.now())
    return shown_app_password(letters)


def evidence_for(*kinds: FactorKind, at: datetime | None = None) -> tuple[Evidence, ...]:
    """Return evidence as a sign-in would have left it."""
    when = at if at is not None else timezone.now()
    return tuple(Evidence(kind, when, Channel.SMS if kind is FactorKind.PHONE else None) for kind in kinds)


def sign_in(client: Client, user: User, *kinds: FactorKind, ago: timedelta = timedelta(0)) -> sessions.Opened:
    """Open a session for a person in a browser; by default it rests on every factor that the person could prove."""
    proofs = kinds or (
        (FactorKind.PASSWORD, FactorKind.PHONE) if user.state is MfaState.ENFORCED else (FactorKind.PASSWORD,)
    )
    now = timezone.now() - ago
    opened = sessions.open_session(user, evidence_for(*proofs, at=now), origin=ORIGIN, now=timezone.now())
    client.cookies[cookies._name(cookies._SESSION)] = opened.token
    return opened


@pytest.fixture(autouse=True)
def everything_is_as_it_must_be(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check every invariant after each test with a database; a test that breaks one on purpose has a marker."""
    database = next((name for name in ("transactional_db", "db") if name in request.fixturenames), None)
    if database is not None:
        # Request the database here, so that it is still open when this fixture checks.
        request.getfixturevalue(database)
    yield
    if database is not None and request.node.get_closest_marker("breaks_invariants") is None:
        from watchword.cli.verify import verify

        assert verify(now=timezone.now()).problems == ()


@pytest.fixture
def world(db: None) -> World:
    """Return the people of the tests."""
    return make_world()


def make_world() -> World:
    """Return the people of the tests, newly created."""
    organisation = make_organisation()
    people = {
        "root": make_person(organisation, "root", roles=(Role.GLOBAL_ADMINISTRATOR,)),
        "alice": make_person(organisation, "alice", state=MfaState.ENFORCED),
        "bob": make_person(organisation, "bob", state=MfaState.ENABLED),
        "carol": make_person(organisation, "carol"),
    }
    passwords = {name: f"the long passphrase of {name}!" for name in people}
    for name, user in people.items():
        give_password(user, passwords[name])
    return World(
        organisation=organisation,
        people=people,
        passwords=passwords,
        alices_app_password=give_app_password(people["alice"]),
        alices_phone=give_phone(people["alice"]),
    )
