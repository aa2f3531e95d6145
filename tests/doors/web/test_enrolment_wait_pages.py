"""The pages of a person who waits for an app password, and the pages that show the wait to an administrator."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.doors.web.test_pages import PHONE, registering
from tests.pages import text
from tests.telephone import Telephone
from tests.world import World, sign_in
from watchword.admincenter.mfa.bulk_actions import CHANGES
from watchword.admincenter.mfa.impact import consequences
from watchword.core.policy import MfaState
from watchword.directory.models import Organisation, User
from watchword.signin import queries


@pytest.fixture
def registered(client: Client, world: World, telephone: Telephone) -> str:
    """Register Bob in the browser, where nothing vouches for him; return the text of the page that follows."""
    Organisation.objects.update(app_password_wait_hours=2)
    registering(client, world)
    assert client.post("/methods/add/phone/", PHONE).status_code == 302
    return text(client.post("/methods/add/phone/code/", {"answer": telephone.code}).content)


def until(world: World) -> str:
    moment = User.objects.get(pk=world.bob.pk).app_password_waits_until
    assert moment is not None
    assert timedelta(hours=1, minutes=59) < moment - timezone.now() <= timedelta(hours=2)
    return f"{timezone.localtime(moment):%H:%M}"


def test_the_page_after_registration_says_until_when_and_shows_no_app_password(registered: str, world: World) -> None:
    assert "Your phone is registered" in registered
    assert until(world) in registered
    assert "mail programs need an app password" in registered
    assert queries.app_passwords_of(world.bob) == []


def test_the_app_passwords_page_says_until_when_and_offers_none(registered: str, client: Client, world: World) -> None:
    for page in ("/app-passwords/", "/security/"):
        answer = client.get(page)
        assert until(world) in text(answer.content)
        assert "your own password works in mail programs" in text(answer.content)
        assert "/methods/add/app_password/" not in answer.content.decode()
    assert "lets some time pass" in text(client.get("/methods/add/app_password/").content)
    assert "lets some time pass" in text(client.post("/methods/add/app_password/", {"name": "Laptop"}).content)
    assert queries.app_passwords_of(world.bob) == []


def test_the_panel_says_until_when_a_person_waits(registered: str, client: Client, world: World) -> None:
    sign_in(client, world.root)
    said = text(client.get(f"/admin/users/?person={world.bob.pk}").content)
    assert "has registered, and waits for an app password until" in said
    assert until(world) in said


def test_the_confirmation_says_that_enabling_a_person_who_waits_changes_nothing(registered: str, world: World) -> None:
    bob = User.objects.select_related("organisation").get(pk=world.bob.pk)
    change = next(change for change in CHANGES.values() if change.state is MfaState.ENABLED)
    told = consequences(change, [bob], world.root, now=timezone.now())
    assert [(row.after, bool(row.skipped)) for row in told] == [(MfaState.ENABLED, True)]
