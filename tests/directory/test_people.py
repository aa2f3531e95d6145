"""Administrative actions on people: what is refused, what is stored, and who may perform them."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from tests.world import World, make_organisation, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory import actions
from watchword.directory.actions import BadPerson
from watchword.directory.administrators import LastGlobalAdministrator
from watchword.directory.models import SignInName, User
from watchword.directory.permissions import PermissionDenied
from watchword.directory.roles import Act, Role


def create(world: World, name: str = "dora@harbour.example", **more: Any) -> User:
    requested: dict[str, Any] = {"display_name": "Dora", "by": world.root, "now": world.now, **more}
    return actions.create_person(world.organisation, sign_in_name=name, **requested)


def test_a_person_is_created_with_names_and_roles(world: World) -> None:
    dora = create(world, contact_mail="dora@elsewhere.example", roles=[Role.HELPDESK_ADMINISTRATOR])
    assert actions.find_by_name("DORA@harbour.example.") == dora
    assert dora.roles == {Role.HELPDESK_ADMINISTRATOR}
    assert Event.objects.filter(kind=EventKind.PERSON_CREATED, subject_id=dora.pk, actor_id=world.root.pk).count() == 1


@pytest.mark.parametrize(
    "spelling",
    ["ALICE@harbour.example", "\uff41lice@harbour.example", "alice@HARBOUR.example.", " alice@harbour.example "],
)
def test_uni_01_another_spelling_of_a_taken_name_is_taken(world: World, spelling: str) -> None:
    with pytest.raises(BadPerson) as caught:
        create(world, spelling)
    assert caught.value.reasons == {"sign_in_name": "taken"}


def test_everything_that_is_wrong_is_said_at_once(world: World) -> None:
    before = User.objects.count()
    with pytest.raises(BadPerson) as caught:
        create(world, "dora@other.example", display_name=" ", contact_mail="not an address", directory_phone="call me")
    assert caught.value.reasons == {
        "sign_in_name": "other_domain",
        "display_name": "missing",
        "contact_mail": "not_an_address",
        "directory_phone": "not_a_number",
    }
    assert User.objects.count() == before


def test_an_alias_is_a_name_of_the_same_person(world: World) -> None:
    actions.add_alias(world.alice, "al@harbour.example", by=world.root, now=world.now)
    assert actions.find_by_name("AL@harbour.example") == world.alice
    with pytest.raises(BadPerson):
        actions.add_alias(world.bob, "al@harbour.example", by=world.root, now=world.now)
    assert actions.remove_alias(world.alice, "AL@harbour.example", by=world.root, now=world.now)
    assert actions.find_by_name("al@harbour.example") is None
    assert not actions.remove_alias(world.alice, "alice@harbour.example", by=world.root, now=world.now)


def test_an_edit_says_what_changed_and_keeps_the_rest(world: World) -> None:
    changed = actions.edit_person(world.alice, {"sign_in_name": "alicia@harbour.example"}, by=world.root, now=world.now)
    assert changed == ["sign_in_name"]
    assert actions.find_by_name("alicia@harbour.example") == world.alice
    assert actions.find_by_name("alice@harbour.example") == world.alice, "the name before stays theirs"
    assert SignInName.objects.filter(user=world.alice).count() == 2
    assert actions.edit_person(world.alice, {"display_name": "Alice"}, by=world.root, now=world.now) == []


def test_an_edit_is_remembered_with_harmless_values_only(world: World) -> None:
    changes = {"display_name": "Alicia", "contact_mail": "alicia@elsewhere.example"}
    actions.edit_person(world.alice, changes, by=world.root, now=world.now)
    event = Event.objects.filter(kind=EventKind.PERSON_EDITED).latest("id")
    assert event.details.pop("earlier_contact")
    assert event.details == {
        "fields": ["contact_mail", "display_name"],
        "display_name": {"before": "Alice", "after": "Alicia"},
    }


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("sign_in_name", "e\u0301" * 130 + "@harbour.example", "too_long"),
        ("sign_in_name", "a@b@harbour.example", "no_domain"),
        ("sign_in_name", "", "empty"),
        ("display_name", "a" * 101, "too_long"),
        ("display_name", "a\u202eb", "not_printable"),
        ("contact_mail", f"{'a' * 60}@{'b.' * 98}example", "too_long"),
        ("directory_phone", "1" * 41, "not_a_number"),
    ],
)
def test_what_no_column_can_hold_is_refused_before_it_is_written(
    world: World, field: str, value: str, reason: str
) -> None:
    with pytest.raises(BadPerson) as caught:
        actions.edit_person(world.alice, {field: value}, by=world.root, now=world.now)
    assert caught.value.reasons == {field: reason}


def test_a_name_that_was_taken_between_look_and_write_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "why_not_a_name", lambda *_arguments, **_more: "")
    people, events = User.objects.count(), Event.objects.count()
    with pytest.raises(BadPerson, match="sign_in_name: taken"):
        create(world, "alice@harbour.example")
    with pytest.raises(BadPerson, match="sign_in_name: taken"):
        actions.edit_person(world.bob, {"sign_in_name": "alice@harbour.example"}, by=world.root, now=world.now)
    with pytest.raises(BadPerson, match="alias: taken"):
        actions.add_alias(world.bob, "alice@harbour.example", by=world.root, now=world.now)
    assert (User.objects.count(), Event.objects.count()) == (people, events)
    assert world.bob.sign_in_name == "bob@harbour.example"


def test_a_bad_edit_changes_nothing(world: World) -> None:
    with pytest.raises(BadPerson):
        actions.edit_person(
            world.alice,
            {"display_name": "Alicia", "sign_in_name": "bob@harbour.example"},
            by=world.root,
            now=world.now,
        )
    world.alice.refresh_from_db()
    assert world.alice.display_name == "Alice"


def test_the_last_global_administrator_keeps_the_role(world: World) -> None:
    with pytest.raises(LastGlobalAdministrator):
        actions.take_role(world.root, Role.GLOBAL_ADMINISTRATOR, by=world.root, now=world.now)
    second = make_person(world.organisation, "second", roles=(Role.GLOBAL_ADMINISTRATOR,))
    User.objects.filter(pk=second.pk).update(blocked_at=world.now)
    with pytest.raises(LastGlobalAdministrator):
        actions.take_role(world.root, Role.GLOBAL_ADMINISTRATOR, by=world.root, now=world.now)
    User.objects.filter(pk=second.pk).update(blocked_at=None)
    assert actions.take_role(world.root, Role.GLOBAL_ADMINISTRATOR, by=second, now=world.now)


def test_nobody_hands_out_what_he_may_not(world: World) -> None:
    helper = make_person(world.organisation, "helper", roles=(Role.USER_ADMINISTRATOR,))
    with pytest.raises(PermissionDenied):
        create(world, by=helper, roles=[Role.HELPDESK_ADMINISTRATOR])
    with pytest.raises(PermissionDenied):
        actions.give_role(world.alice, Role.GLOBAL_ADMINISTRATOR, by=helper, now=world.now)


def test_an_administrator_reaches_nobody_of_another_organisation(world: World) -> None:
    other = make_organisation("Other", "other.example")
    stranger = make_person(other, "stranger")
    assert not any(world.root.may(act, stranger) for act in Act)


def test_a_domain_belongs_to_one_organisation(world: World) -> None:
    with pytest.raises(BadPerson):
        actions.create_organisation("Copy", domains=["HARBOUR.example"], region="DE", by=None, now=timezone.now())
    with pytest.raises(BadPerson):
        actions.create_organisation("Nowhere", domains=["new.example"], region="XX", by=None, now=timezone.now())


def test_what_is_no_name_finds_no_person(world: World) -> None:
    assert actions.find_by_name("nobody") is None
    assert not actions.remove_alias(world.alice, "nobody", by=world.root, now=world.now)
