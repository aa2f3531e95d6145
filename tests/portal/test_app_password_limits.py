"""The pages for restricting and freezing an app password, and for choosing warnings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.alerts.playing import work
from tests.pages import text
from tests.world import World, give_phone, make_person, sign_in
from watchword.alerts.models import WarningChoice
from watchword.core.policy import Channel, Door, FactorKind
from watchword.core.restrictions import NO_RESTRICTIONS, Program
from watchword.factors import vault
from watchword.factors.vault import StoredCredential
from watchword.signin import non_interactive, queries
from watchword.signin.non_interactive import AuthRequest, Secret


@pytest.fixture
def alice(client: Client, world: World) -> Client:
    sign_in(client, world.alice)
    return client


def laptop(world: World) -> StoredCredential:
    return vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]


def opens(world: World, service: str, address: str) -> bool:
    question = AuthRequest(Door.MAIL, world.alice.sign_in_name, Secret(world.alices_app_password), service, address)
    return non_interactive.check_many([question], now=timezone.now())[0].allowed


def test_limits_are_saved_shown_and_kept_to(alice: Client, world: World) -> None:
    address = f"/app-passwords/{laptop(world).id}/limits/"
    day = (timezone.localdate() + timedelta(days=30)).isoformat()
    alice.post(address, {"programs": ["imap"], "networks": "198.51.100.0/24\n", "until": day})
    stored = laptop(world).restrictions
    assert stored.programs == {Program.IMAP}
    assert opens(world, "imap", "198.51.100.7")
    assert not opens(world, "smtp", "198.51.100.7")
    assert not opens(world, "imap", "203.0.113.7")
    shown = alice.get(address).content.decode()
    assert "198.51.100.0/24" in shown
    assert day in shown
    assert "some networks only" in text(alice.get("/app-passwords/").content)
    alice.post(address, {})
    assert laptop(world).restrictions == NO_RESTRICTIONS


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"networks": "home"}, "“home” is neither an address nor a network"),
        ({"networks": "\n".join(f"192.0.2.{n}" for n in range(21))}, "too many networks"),
        ({"until": "2020-01-01"}, "from today on"),
        ({"until": "9999-12-31"}, "from today on"),
        ({"until": "tomorrow"}, "Enter a valid date"),
        ({"programs": ["telnet"]}, "telnet"),
    ],
)
def test_senseless_limits_are_explained_and_change_nothing(
    alice: Client, world: World, options: dict[str, str], says: str
) -> None:
    page = alice.post(f"/app-passwords/{laptop(world).id}/limits/", options)
    assert page.status_code == 200
    assert says in text(page.content)
    assert laptop(world).restrictions == NO_RESTRICTIONS


def test_pausing_needs_no_new_proof_and_resuming_does(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    pk = laptop(world).id
    client.post(f"/app-passwords/{pk}/pause/")
    assert not opens(world, "imap", "198.51.100.7")
    assert "frozen" in text(client.get("/app-passwords/").content)
    stale = Client()
    opened = sign_in(stale, world.alice, ago=timedelta(minutes=11))
    assert stale.post(f"/app-passwords/{pk}/resume/")["Location"].startswith("/sign-in/confirm/")
    assert laptop(world).paused_at is not None
    assert opened.session.ended_at is None
    client.post(f"/app-passwords/{pk}/resume/")
    assert opens(world, "imap", "198.51.100.7")


def test_nobody_touches_what_another_person_holds(client: Client, world: World) -> None:
    sign_in(client, make_person(world.organisation, "mallory"))
    for name in ("pause", "resume", "limits"):
        assert client.post(f"/app-passwords/{laptop(world).id}/{name}/").status_code == 404
    assert laptop(world).paused_at is None


def test_an_app_password_that_was_not_used_for_long_is_marked(alice: Client, world: World) -> None:
    vault.note_use([vault.Use(laptop(world).id, timezone.now() - timedelta(days=91), "198.51.100.7", "imap")])
    assert "not used for 90 days" in text(alice.get("/app-passwords/").content)
    opens(world, "imap", "198.51.100.7")
    assert "not used for 90 days" not in text(alice.get("/app-passwords/").content)


def test_texts_are_chosen_and_refused(alice: Client, world: World) -> None:
    alice.post("/warnings/", {"by_text": "yes"})
    assert WarningChoice.objects.get().by_text
    assert "checked" in alice.get("/warnings/").content.decode()
    alice.post("/warnings/", {})
    assert not WarningChoice.objects.get().by_text


@pytest.mark.parametrize(("slot", "has_text"), [("mobile", True), ("office", False)])
def test_whether_warnings_can_be_texted_is_told_as_it_is(
    client: Client, world: World, slot: str, has_text: bool
) -> None:
    """A mobile phone that gets calls at sign-in still gets the warnings by text."""
    vault.revoke_all(world.alice, [FactorKind.PHONE], because="test", now=world.now)
    give_phone(world.alice, slot=slot, channel=Channel.VOICE)
    sign_in(client, world.alice)
    assert bool(queries.text_number_of(world.alice)) is has_text
    assert ("You have no phone that gets text messages" in text(client.get("/warnings/").content)) is not has_text


def test_urgent_texts_are_not_switched_off_by_whoever_finds_an_open_browser(client: Client, world: World) -> None:
    """Switching them off requires re-authentication, and is reported by mail with the link."""
    WarningChoice.objects.create(user=world.alice, by_text=True)
    sign_in(client, world.alice, ago=timedelta(hours=2))
    assert client.post("/warnings/", {})["Location"] == "/sign-in/confirm/?next=%2Fwarnings%2F"
    assert WarningChoice.objects.get(user=world.alice).by_text
    sign_in(client, world.alice)
    client.post("/warnings/", {})
    assert not WarningChoice.objects.get(user=world.alice).by_text
    (message,) = work(world.now)
    assert "no longer texted" in message.subject
    assert "/not-me/" in str(message.body)


def test_urgent_texts_are_switched_on_without_ado(client: Client, world: World) -> None:
    sign_in(client, world.alice, ago=timedelta(hours=2))
    client.post("/warnings/", {"by_text": "yes"})
    assert WarningChoice.objects.get(user=world.alice).by_text
    assert work(world.now) == []
