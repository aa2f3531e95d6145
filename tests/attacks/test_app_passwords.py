"""App passwords under attack."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from tests.world import World, give_app_password, sign_in
from watchword.audit.models import Event
from watchword.core.policy import Door, FactorKind
from watchword.core.restrictions import Program, Restrictions
from watchword.factors import vault
from watchword.signin import non_interactive
from watchword.signin.models import Session
from watchword.signin.non_interactive import AuthRequest, Secret


def opens(world: World, secret: str, service: str = "imap") -> bool:
    question = AuthRequest(Door.MAIL, world.alice.sign_in_name, Secret(secret), service, "198.51.100.7")
    return non_interactive.check_many([question], now=world.now)[0].allowed


def test_app_08_the_page_of_a_new_app_password_cannot_be_had_again(client: Client, world: World) -> None:
    """The page with a new app password answers one POST and can't be fetched again; no other page shows the secret."""
    sign_in(client, world.alice)
    answer = client.post("/methods/add/app_password/", {"name": "Tablet"})
    assert "no-store" in answer["Cache-Control"]
    secret = vault_free(answer.content.decode())
    for address in ("/methods/add/app_password/", "/app-passwords/", "/security/", "/activity/"):
        assert secret not in vault_free(client.get(address).content.decode())


def vault_free(page: str) -> str:
    found = page.split('id="secret"')
    return found[1].split("</")[0] if len(found) > 1 else page


@pytest.mark.django_db(transaction=True)
def test_app_09_no_file_of_the_database_holds_an_app_password(client: Client, world: World) -> None:
    """A byte scan of the database files, the journal included, finds neither a password nor an app password."""
    sign_in(client, world.alice)
    letters = world.alices_app_password.replace(" ", "")
    assert opens(world, letters)
    canaries = [letters.encode(), world.alices_app_password.encode(), world.passwords["alice"].encode()]
    if connection.vendor == "sqlite":
        name = Path(str(connection.settings_dict["NAME"]))
        octets = b"".join(path.read_bytes() for path in name.parent.glob(name.name + "*"))
    else:
        with connection.cursor() as cursor:
            rows = []
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f'SELECT t::text FROM "{table}" t')
                rows += [str(row[0]) for row in cursor.fetchall()]
        octets = "\n".join(rows).encode()
    assert b"alice@harbour.example" in octets
    assert [canary for canary in canaries if canary in octets] == []


def test_app_10_a_lost_page_is_answered_by_deleting_and_making_another(client: Client, world: World) -> None:
    """A lost app password can't be shown again: the person deletes it, and its name is free for a new one."""
    sign_in(client, world.alice)
    client.post("/methods/add/app_password/", {"name": "Tablet"})
    stored = next(k for k in vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD]) if k.data.label == "Tablet")
    client.post(f"/methods/remove/{stored.id}/")
    again = client.post("/methods/add/app_password/", {"name": "Tablet"})
    assert 'id="secret"' in again.content.decode()


def test_app_11_an_app_password_opens_only_the_programs_that_it_is_for(world: World) -> None:
    """An app password for sending mail is refused for reading mail."""
    stored = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    vault.restrict(world.alice, stored.id, Restrictions(frozenset({Program.SUBMISSION})))
    assert opens(world, world.alices_app_password, "smtp")
    assert not opens(world, world.alices_app_password, "imap")
    assert Event.objects.latest("id").reason == "app_password_outside_limits"


def test_app_12_an_app_password_opens_no_page_and_changes_nothing(client: Client, world: World) -> None:
    """An app password typed as the password in a browser, or sent as HTTP Basic, opens no page."""
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.alices_app_password})
    for address in ("/security/", "/methods/add/app_password/", "/admin/users/"):
        answer = client.get(address, headers={"Authorization": "Basic YWxpY2U6eA=="})
        assert answer["Location"].startswith("/sign-in/")
    assert not Session.objects.exists()


def test_app_07_a_deleted_app_password_is_refused_at_the_next_login(client: Client, world: World) -> None:
    """Deleting an app password takes effect at the next login, and only for that one."""
    other = give_app_password(world.alice, "Tablet")
    stored = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    sign_in(client, world.alice)
    client.post(f"/methods/remove/{stored.id}/")
    assert not opens(world, world.alices_app_password)
    assert opens(world, other)


@pytest.mark.parametrize("more", ["a", " a", "\0", "aaaa aaaa"])
def test_app_21_more_letters_than_there_are_open_nothing(world: World, more: str) -> None:
    """An app password with characters appended is refused: nothing is truncated before the comparison."""
    question = AuthRequest(
        Door.MAIL, world.alice.sign_in_name, Secret(world.alices_app_password + more), "imap", "198.51.100.7"
    )
    if non_interactive.is_shaped_like_app_password(question):
        assert not non_interactive.check_many([question], now=world.now)[0].allowed
    else:
        assert not non_interactive.check_account_password(question, now=world.now).allowed
