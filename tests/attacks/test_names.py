"""Names that look alike, have several spellings, or belonged to another person before."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests.world import (
    ORIGIN,
    World,
    evidence_for,
    give_app_password,
    give_password,
    give_phone,
    make_person,
    sign_in,
)
from watchword.core.policy import Door, FactorKind, MfaState
from watchword.core.usernames import InvalidSignInName, name_key
from watchword.directory import actions as directory_actions
from watchword.directory.actions import BadPerson, create_person, find_by_name
from watchword.factors import vault
from watchword.factors.password import factor as password_factor
from watchword.signin import actions, flow, invitations, non_interactive, sessions
from watchword.signin.models import Session
from watchword.signin.non_interactive import AuthRequest, Secret

SPELLINGS = [
    "ALICE@HARBOUR.EXAMPLE",
    " alice@harbour.example ",
    "alice@harbour.example.",
    "\uff41\uff4c\uff49\uff43\uff45@harbour.example",
    "alice\uff20harbour.example",
    "\U0001d41a\U0001d425\U0001d422\U0001d41c\U0001d41e@harbour.example",
    "\u24d0lice@harbour.example",
    "alice@harbour\u3002example",
    "ALICE@\uff28\uff21\uff32\uff22\uff2f\uff35\uff32.example",
]
LOOK_ALIKES = [
    "r\u043e\u043et@harbour.example",
    "ro\u03bft@harbour.example",
    "r00t@harbour.example",
    "\u0433oot@harbour.example",
    "roo\u0442@harbour.example",
    "r\u1d0fot@harbour.example",
    "ro\u0585t@harbour.example",
]
UNSEEN = [
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u202e",
    "\u2066",
    "\u180e",
    "\0",
    "\n",
    "\t",
    " ",
    "\u3164",
    "\ufe0f",
]


def create(world: World, name: str, display_name: str = "Somebody New") -> Any:
    return create_person(
        world.organisation,
        sign_in_name=name,
        display_name=display_name,
        by=world.root,
        origin=ORIGIN,
        now=timezone.now(),
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_uni_01_every_spelling_of_a_name_is_the_same_person(world: World, spelling: str) -> None:
    """Case, width, mathematical letters, blanks and dots in a name lead to one key, one account, one failure count."""
    assert name_key(spelling) == "alice@harbour.example"
    assert find_by_name(spelling) == world.alice
    with pytest.raises(BadPerson) as refused:
        create(world, spelling)
    assert refused.value.reasons == {"sign_in_name": "taken"}
    client = Client()
    client.post("/sign-in/", {"name": spelling})
    assert client.post("/sign-in/password/", {"answer": world.passwords["alice"]})["Location"] == "/sign-in/prove/"


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12))
def test_uni_01_composed_and_decomposed_forms_have_one_key(local: str) -> None:
    """NFC, NFD, NFKC, NFKD, lower, upper and case-folded forms of a name never make two people."""
    try:
        key = name_key(f"{local}@harbour.example")
    except InvalidSignInName:
        return
    assert name_key(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert name_key(unicodedata.normalize(form, f"{local}@harbour.example")) == key
    assert name_key(f"{local.casefold()}@harbour.example") == key


def test_uni_01_the_turkish_letters_are_letters_of_their_own() -> None:
    """Dotted capital and dotless small i are distinct from i, whatever the language of the server."""
    assert name_key("\u0130@harbour.example") != name_key("i@harbour.example")
    assert name_key("\u0131@harbour.example") != name_key("i@harbour.example")
    assert name_key("I@harbour.example") == name_key("i@harbour.example")
    assert name_key("alic\u00e9@harbour.example") != name_key("alice@harbour.example")


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("where", [0, 2, 5])
def test_uni_01_marks_that_nobody_sees_make_no_second_person(world: World, unseen: str, where: int) -> None:
    """A zero-width joiner, a direction mark or a blank in a name can't make a second person: the name is refused."""
    name = f"{'alice'[:where]}{unseen}{'alice'[where:]}@harbour.example"
    with pytest.raises(BadPerson) as refused:
        create(world, name)
    assert refused.value.reasons["sign_in_name"] in {"taken", "control", "alphabet", "no_domain"}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_uni_01_a_name_that_looks_like_an_administrators_is_refused(world: World, name: str) -> None:
    """A name confusable with an administrator's is refused for a new person, at a renaming and as an alias."""
    with pytest.raises(BadPerson) as refused:
        create(world, name)
    assert refused.value.reasons == {"sign_in_name": "looks_like"}
    with pytest.raises(BadPerson) as refused:
        directory_actions.edit_person(world.carol, {"sign_in_name": name}, by=world.root, now=timezone.now())
    assert refused.value.reasons == {"sign_in_name": "looks_like"}
    with pytest.raises(BadPerson) as refused:
        directory_actions.add_alias(world.carol, name, by=world.root, now=timezone.now())
    assert refused.value.reasons == {"alias": "looks_like"}
    client = Client()
    sign_in(client, world.root)
    page = client.post("/admin/users/new/", {"sign_in_name": name, "display_name": "Somebody"})
    assert "looks like" in page.content.decode()


def test_uni_01_names_that_only_resemble_each_other_are_fine(world: World) -> None:
    """Ordinary names in any script are accepted, and so is one confusable with the name of a non-administrator."""
    for name in ("rooth", "\u0430\u043d\u043d\u0430", "m\u00fcller", "\u5c71\u7530", "al1ce", "carol2"):
        assert create(world, f"{name}@harbour.example").pk


def test_uni_02_nothing_is_ever_sent_to_what_was_typed(world: World) -> None:
    """Messages go to the stored address, not to the typed spelling: the attempt stores the key, no typed text."""
    for spelling in SPELLINGS:
        token = flow.begin(spelling, origin=ORIGIN, next_url="/", now=timezone.now())
        attempt = flow.find_attempt(token, now=timezone.now())
        assert attempt is not None
        assert attempt.user == world.alice
        assert attempt.typed_name == "alice@harbour.example"
        assert attempt.user.contact_mail == "alice@elsewhere.example"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_uni_03_a_password_is_the_same_on_every_keyboard_and_at_every_door(world: World, form: Any) -> None:
    """Composed or decomposed, at the web and the mail door: one password; full-width letters make a different one."""
    give_password(world.carol, "placeholder")
    password = "Käse überall für Zoë, 3 Mal"
    data = vault.holdings(world.carol, kinds=[FactorKind.PASSWORD])[-1]
    stored = password_factor._hasher().hash(password_factor._octets(password)).encode()
    vault.renew(data.id, stored)
    typed = unicodedata.normalize(form, password)
    client = Client()
    client.post("/sign-in/", {"name": "carol@harbour.example"})
    assert client.post("/sign-in/password/", {"answer": typed})["Location"] == "/"
    assert is_let_in(world, typed)
    assert not is_let_in(world, unicodedata.normalize("NFKC", "\uff2b" + password[1:]) + "x")
    assert not is_let_in(world, "\uff2b" + password[1:])


def is_let_in(world: World, password: str, name: str = "carol@harbour.example") -> bool:
    """Return whether the mail door accepts a password."""
    question = AuthRequest(Door.MAIL, name, Secret(password), "imap", "198.51.100.9")
    if non_interactive.is_shaped_like_app_password(question):
        return non_interactive.check_many([question], now=timezone.now())[0].allowed
    return non_interactive.check_account_password(question, now=timezone.now()).allowed


def test_uni_04_a_name_that_was_deleted_can_not_be_taken_by_another_person(world: World) -> None:
    """A deleted person's name stays taken until an administrator frees it; its new owner inherits nothing."""
    old = make_person(world.organisation, "dora", state=MfaState.ENFORCED)
    give_password(old, "the old password of dora")
    give_phone(old, "+4915199999999")
    app_password = give_app_password(old)
    session = sessions.open_session(
        old, evidence_for(FactorKind.PASSWORD, FactorKind.PHONE), origin=ORIGIN, now=timezone.now()
    )
    invited = invitations.invite(old, by=world.root, origin=ORIGIN, now=timezone.now())
    attempt = flow.begin("dora@harbour.example", origin=ORIGIN, next_url="/", now=timezone.now())
    actions.delete(old, by=world.root, origin=ORIGIN, now=timezone.now())
    with pytest.raises(BadPerson) as refused:
        create(world, "dora@harbour.example")
    assert refused.value.reasons == {"sign_in_name": "taken"}
    # The name becomes free only by an administrator's act.
    directory_actions.edit_person(old, {"sign_in_name": "dora.gone@harbour.example"}, by=world.root, now=timezone.now())
    directory_actions.remove_alias(old, "dora@harbour.example", by=world.root, now=timezone.now())
    new = create(world, "dora@harbour.example")
    assert new.pk != old.pk
    assert new.state is MfaState.DISABLED
    assert new.mailbox_name != old.mailbox_name
    assert new.roles == frozenset()
    assert vault.holdings(new, with_revoked=True) == []
    assert sessions.find(session.token, now=timezone.now()) is None
    assert invitations.find(invited.token, now=timezone.now()) is None
    found = flow.find_attempt(attempt, now=timezone.now())
    assert found is None or found.user_id != new.pk
    for secret in (app_password, "the old password of dora"):
        assert not is_let_in(world, secret, "dora@harbour.example")
    assert not Session.objects.filter(user=new).exists()
