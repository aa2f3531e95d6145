"""The pages of groups: made, filled by a list and by a file, emptied and deleted; what is wrong changes nothing."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.admincenter.reading import stale_root
from tests.pages import text
from tests.world import World, make_organisation, make_person
from watchword.directory import groups
from watchword.directory.models import Group


def make_group(world: World, name: str = "Sales") -> Group:
    return groups.create_group(world.organisation, name, by=None, now=world.now)


def names_in(group: Group) -> set[str]:
    return set(group.members.values_list("user__sign_in_name", flat=True))


def add(root: Client, group: Group, names: str) -> str:
    return text(root.post(f"/admin/groups/{group.pk}/members/", {"names": names}, follow=True).content)


def upload(root: Client, group: Group, content: bytes) -> str:
    file = SimpleUploadedFile("members.csv", content)
    page = f"/admin/groups/{group.pk}/members/"
    return text(root.post(page, {"import": "1", "file": file}, follow=True).content)


def test_a_group_is_made_changed_and_deleted(root: Client, world: World) -> None:
    root.post("/admin/groups/new/", {"name": "Sales", "description": "Both shops"})
    group = Group.objects.get()
    assert "Both shops" in text(root.get("/admin/groups/").content)
    root.post(f"/admin/groups/{group.pk}/change/", {"name": "Shops", "description": ""})
    group.refresh_from_db()
    assert (group.name, group.description) == ("Shops", "")
    groups.add_members(group, [world.alice], by=None, now=world.now)
    assert "1 person is in this group" in text(root.get(f"/admin/groups/{group.pk}/delete/").content)
    assert "Shops is deleted" in text(root.post(f"/admin/groups/{group.pk}/delete/", follow=True).content)
    assert not Group.objects.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Enter a name."),
        ("Sales", "There is a group of this name already."),
        ("a\u202eb", "This has a character that can't be shown."),
    ],
)
def test_a_wrong_name_is_explained_and_stays_in_the_form(root: Client, world: World, name: str, said: str) -> None:
    make_group(world)
    page = root.post("/admin/groups/new/", {"name": name, "description": "typed before"})
    assert said in text(page.content)
    assert "typed before" in page.content.decode()
    assert Group.objects.count() == 1


def test_people_are_added_by_sign_in_name_and_by_a_name_that_one_person_has(root: Client, world: World) -> None:
    group = make_group(world)
    assert "2 people are added." in add(root, group, "ALICE@harbour.example\nBob,")
    assert names_in(group) == {"alice@harbour.example", "bob@harbour.example"}
    assert "0 people are added." in add(root, group, "Alice")


def test_one_wrong_name_adds_nobody_and_is_named(root: Client, world: World) -> None:
    group = make_group(world)
    make_person(world.organisation, "alice.two")
    stranger = make_person(make_organisation("Other", "other.example"), "stranger")
    said = add(root, group, f"bob@harbour.example; nobody@harbour.example; {stranger.sign_in_name}; Alice")
    assert "Nobody in your organisation has these names: “nobody@harbour.example”, “stranger@other.example”." in said
    assert "Several people match: “Alice”. Write their sign-in names." in said
    assert names_in(group) == set()


def test_a_file_with_sign_in_names_alone_fills_a_group(root: Client, world: World) -> None:
    group = make_group(world)
    content = b"Department;UserPrincipalName\r\nSales;alice@harbour.example\r\nSales;bob@harbour.example\r\n"
    assert "2 people are added." in upload(root, group, content)
    assert names_in(group) == {"alice@harbour.example", "bob@harbour.example"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty"),
        (b"Colour,Shape\nred,round\n", "The first line must name a column “Sign-in name”."),
        (b"Sign-in name,Phone\nalice@harbour.example,1\n,2\n", "Line 3 has no sign-in name."),
        (b"Sign-in name\nalice@harbour.example\nzoe@harbour.example\n", "“zoe@harbour.example”"),
        (b"PK\x03\x04rest", "This is a spreadsheet file."),
    ],
)
def test_a_wrong_file_adds_nobody_and_says_what_to_do(root: Client, world: World, content: bytes, said: str) -> None:
    group = make_group(world)
    assert said in upload(root, group, content)
    assert names_in(group) == set()


def test_a_member_is_found_and_taken_out(root: Client, world: World) -> None:
    group = make_group(world)
    groups.add_members(group, [world.alice, world.bob], by=None, now=world.now)
    page = text(root.get(f"/admin/groups/{group.pk}/?q=ali").content)
    assert "alice@harbour.example" in page
    assert "bob@harbour.example" not in page
    root.post(f"/admin/groups/{group.pk}/members/{world.alice.pk}/remove/")
    assert names_in(group) == {"bob@harbour.example"}


def test_the_panel_of_a_person_names_their_groups(root: Client, world: World) -> None:
    groups.add_members(make_group(world), [world.alice], by=None, now=world.now)
    assert "Groups Sales" in text(root.get(f"/admin/users/?person={world.alice.pk}").content)
    assert "Groups none" in text(root.get(f"/admin/users/?person={world.bob.pk}").content)


def test_a_group_of_another_organisation_is_not_there(root: Client, world: World) -> None:
    other = groups.create_group(make_organisation("Other", "other.example"), "Theirs", by=None, now=timezone.now())
    for page in ("", "change/", "delete/", "members/"):
        assert root.get(f"/admin/groups/{other.pk}/{page}").status_code == 404
    assert "Theirs" not in text(root.get("/admin/groups/").content)


def test_changes_need_a_recent_proof(client: Client, world: World) -> None:
    group = make_group(world)
    stale_root(client, world)
    for answer in (
        client.post("/admin/groups/new/", {"name": "New"}),
        client.get(f"/admin/groups/{group.pk}/members/"),
        client.post(f"/admin/groups/{group.pk}/delete/"),
    ):
        assert answer["Location"].startswith("/sign-in/confirm/")
    assert Group.objects.count() == 1
