"""Which names and aliases a person can be given, by whom, and what verify reports about invalid ones."""

from __future__ import annotations

import pytest

from tests.world import World, make_person
from watchword.directory import actions, invariants
from watchword.directory.actions import BadPerson
from watchword.directory.models import Domain, SignInName, User
from watchword.directory.roles import Role
from watchword.directory.search import found_by


def create(world: World, name: str, by: User | None, display_name: str = "Dora") -> User:
    return actions.create_person(world.organisation, sign_in_name=name, display_name=display_name, by=by, now=world.now)


def why_not(world: World, name: str, by: User | None) -> str:
    with pytest.raises(BadPerson) as caught:
        create(world, name, by)
    return caught.value.reasons["sign_in_name"]


def test_a_path_or_mask_is_refused_as_name_alias_and_new_name(world: World) -> None:
    for name in ("../harbour.example/root@harbour.example", "*@harbour.example", "-f@harbour.example"):
        assert why_not(world, name, world.root) == "alphabet"
        with pytest.raises(BadPerson, match="alias: alphabet"):
            actions.add_alias(world.carol, name, by=world.root, now=world.now)
        with pytest.raises(BadPerson, match="sign_in_name: alphabet"):
            actions.edit_person(world.carol, {"sign_in_name": name}, by=world.root, now=world.now)


def test_the_part_before_the_plus_is_nobody_elses(world: World) -> None:
    assert why_not(world, "alice+news@harbour.example", world.root) == "detail"
    actions.add_alias(world.alice, "alice+news@harbour.example", by=world.root, now=world.now)
    with pytest.raises(BadPerson, match="alias: detail"):
        actions.add_alias(world.bob, "alice+other@harbour.example", by=world.root, now=world.now)


def test_nobody_becomes_the_owner_of_a_part_before_the_plus_that_is_in_use(world: World) -> None:
    actions.add_alias(world.alice, "team+alice@harbour.example", by=world.root, now=world.now)
    assert why_not(world, "team@harbour.example", world.root) == "detail"
    actions.add_alias(world.alice, "team@harbour.example", by=world.root, now=world.now)


def test_names_that_speak_for_the_domain_are_given_by_global_administrators_only(world: World) -> None:
    helper = make_person(world.organisation, "helper", roles=(Role.USER_ADMINISTRATOR,))
    assert why_not(world, "postmaster@harbour.example", helper) == "reserved"
    assert why_not(world, "Admin+x@harbour.example", helper) == "reserved"
    with pytest.raises(BadPerson, match="alias: reserved"):
        actions.add_alias(world.carol, "abuse@harbour.example", by=helper, now=world.now)
    actions.add_alias(world.carol, "abuse@harbour.example", by=world.root, now=world.now)
    assert create(world, "postmaster@harbour.example", None).sign_in_name == "postmaster@harbour.example"


def test_a_copied_name_is_kept_without_what_came_along(world: World) -> None:
    dora = create(world, "\u200b<mailto:Dora@harbour.example>\u202c", world.root)
    assert dora.sign_in_name == "Dora@harbour.example"
    actions.add_alias(dora, "<dori@harbour.example>", by=world.root, now=world.now)
    assert set(dora.names.values_list("name", flat=True)) == {"Dora@harbour.example", "dori@harbour.example"}


def test_a_display_name_may_have_joiners_and_is_found_without_them(world: World) -> None:
    shown = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
    dora = create(world, "alireza@harbour.example", world.root, shown)
    assert dora.display_name == shown
    assert list(found_by(User.objects.all(), shown.replace("\u200c", ""))) == [dora]
    assert list(found_by(User.objects.all(), shown)) == [dora]
    with pytest.raises(BadPerson, match="display_name: not_printable"):
        create(world, "eve@harbour.example", world.root, "E\u200cve")


def test_a_name_in_a_domain_with_sharp_s_is_found_in_both_spellings(world: World) -> None:
    Domain.objects.create(organisation=world.organisation, name="xn--strae-oqa.example")
    dora = create(world, "dora@stra\u00dfe.example", world.root)
    assert actions.find_by_name("dora@xn--strae-oqa.example") == dora
    assert actions.find_by_name("dora@strasse.example") is None


@pytest.mark.breaks_invariants
def test_verify_tells_a_name_from_before_the_alphabet_and_everything_else_of_it_can_be_edited(world: World) -> None:
    old = "a/b@harbour.example"
    SignInName.objects.create(user=world.carol, name="c*@harbour.example", key="c*@harbour.example", is_alias=True)
    SignInName.objects.filter(user=world.carol, is_alias=False).update(name=old, key=old)
    User.objects.filter(pk=world.carol.pk).update(sign_in_name=old)
    world.carol.refresh_from_db()
    said = [
        f"I3 person {world.carol.pk} has the name '{name}@harbour.example', which no sign-in name can be"
        for name in ("a/b", "c*")
    ]
    assert sorted(invariants.problems()) == said
    assert actions.edit_person(world.carol, {"display_name": "C"}, by=world.root, now=world.now) == ["display_name"]
    assert actions.remove_alias(world.carol, "c*@harbour.example", by=world.root, now=world.now)
    actions.edit_person(world.carol, {"sign_in_name": "carol@harbour.example"}, by=world.root, now=world.now)
    assert actions.find_by_name("carol@harbour.example") == world.carol
