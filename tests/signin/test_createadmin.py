"""The first administrator: a one-time link, no default password, clear errors, and nothing stored after an error."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests.world import World
from watchword.core.policy import Channel
from watchword.directory.actions import find_by_name
from watchword.directory.models import Organisation, User
from watchword.directory.roles import Role
from watchword.signin import sample_credentials
from watchword.signin.queries import password_of


def createadmin(*words: str) -> str:
    out = io.StringIO()
    call_command("createadmin", *words, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_first_administrator_gets_an_organisation_and_a_link_that_works_once(client: Client) -> None:
    said = createadmin("Root@Neu.Example", "--organisation", "Neu", "--region", "DE", "--display-name", "Root")
    link = re.search(r"http://127\.0\.0\.1:8000/invitation/#(\S+)", said)
    assert link is not None
    root = find_by_name("root@neu.example")
    assert root is not None
    assert root.roles == {Role.GLOBAL_ADMINISTRATOR}
    assert root.organisation.name == "Neu"
    assert password_of(root) is None
    chosen = {"code": link[1], "password": "a fine first passphrase"}
    assert client.post("/invitation/", chosen)["Location"] == "/sign-in/"
    assert client.post("/invitation/", chosen).status_code == 410


def test_a_person_who_exists_becomes_an_administrator(world: World) -> None:
    assert "alice@harbour.example is a Global Administrator" in createadmin("ALICE@harbour.example")
    assert Role.GLOBAL_ADMINISTRATOR in User.objects.get(pk=world.alice.pk).roles
    assert Organisation.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("root", "is no sign-in name"),
        ("root@elsewhere.example", "no organisation here has the domain elsewhere.example"),
        ("blocked@harbour.example", "is blocked or deleted"),
    ],
)
def test_a_bad_name_is_explained_and_nothing_is_made(world: World, name: str, says: str) -> None:
    User.objects.filter(pk=world.bob.pk).update(blocked_at=world.now)
    before = User.objects.count()
    with pytest.raises(CommandError, match=says):
        createadmin(name.replace("blocked", "bob"))
    assert User.objects.count() == before
    assert User.objects.get(pk=world.bob.pk).roles == frozenset()


@pytest.mark.django_db
def test_the_country_is_asked_for_and_never_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="nothing was made: the country is not said"):
        createadmin("root@neu.example")
    assert not Organisation.objects.exists()
    monkeypatch.setattr("sys.stdin", Terminal("de\n"))
    createadmin("root@neu.example")
    assert Organisation.objects.get().region == "DE"


class Terminal(io.StringIO):
    """Standard input that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.django_db
@pytest.mark.parametrize("words", [("root@neu.example", "--region", "XX"), ("root@-.example",)])
def test_a_senseless_region_or_domain_is_explained(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        createadmin(*words)
    assert not Organisation.objects.exists()


def test_proofs_without_proving_exist_in_the_demo_alone(world: World, settings: Any) -> None:
    settings.WATCHWORD_DEMO = False
    with pytest.raises(sample_credentials.OnlyInTheDemo):
        sample_credentials.add_phone(world.bob, "+4915112345678", Channel.SMS, now=world.now)
    with pytest.raises(sample_credentials.OnlyInTheDemo):
        sample_credentials.add_app_password(world.bob, "Laptop", now=world.now)
