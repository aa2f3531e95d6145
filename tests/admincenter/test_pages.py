"""The admin center through Django's client: permissions, messages, forms that keep their values, no partial changes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.pages import text
from tests.world import World, give_app_password, make_organisation, make_person, sign_in
from watchword.admincenter.users.action_views import ACTS
from watchword.admincenter.users.queries import PeopleFilter, page_of
from watchword.audit.models import Event
from watchword.core.policy import MfaState
from watchword.directory.actions import find_by_name
from watchword.directory.models import MfaStateChange, SignInName, User
from watchword.directory.roles import Act, Role, may
from watchword.signin import actions, queries


def person(world: World, **changes: str) -> dict[str, str]:
    return {
        "sign_in_name": "dora@harbour.example",
        "display_name": "Dora",
        "contact_mail": "",
        "directory_phone": "",
        "aliases": "",
        **changes,
    }


@pytest.mark.parametrize("role", [None, *Role])
def test_each_page_opens_to_the_roles_of_the_table(client: Client, world: World, role: Role | None) -> None:
    person = make_person(world.organisation, "somebody", roles=(role,) if role else ())
    sign_in(client, person)
    roles = {role} if role else set()
    for address, act in {
        "/admin/users/": Act.SEE_PEOPLE,
        "/admin/users/new/": Act.CREATE_PERSON,
        f"/admin/users/{world.alice.pk}/edit/": Act.EDIT_PERSON,
        "/admin/multi-factor/": Act.SEE_PEOPLE,
        f"/admin/multi-factor/change/?do=enable&person={world.carol.pk}": Act.CHANGE_MFA_STATE,
        "/admin/service-settings/": Act.CHANGE_SETTINGS,
        "/admin/sign-ins/": Act.SEE_SIGN_INS,
        "/admin/sign-ins.csv": Act.SEE_SIGN_INS,
        "/admin/roles/": Act.SEE_PEOPLE,
        "/admin/groups/": Act.SEE_APPS,
        "/admin/apps/": Act.SEE_APPS,
        "/admin/apps/new/": Act.MANAGE_APPS,
        "/admin/apps/new/web/": Act.MANAGE_APPS,
        "/admin/groups/new/": Act.MANAGE_GROUPS,
        **{f"/admin/users/{world.alice.pk}/{name}/": requested.act for name, requested in ACTS.items()},
    }.items():
        assert client.get(address).status_code == (200 if may(roles, act, frozenset()) else 403), address


def test_a_higher_administrator_is_out_of_reach(client: Client, world: World) -> None:
    helper = make_person(world.organisation, "helper", roles=(Role.HELPDESK_ADMINISTRATOR,))
    sign_in(client, helper)
    assert client.post(f"/admin/users/{world.root.pk}/reset-password/").status_code == 403
    assert "Reset password" not in text(client.get(f"/admin/users/?person={world.root.pk}").content)
    assert "Reset password" in text(client.get(f"/admin/users/?person={world.alice.pk}").content)


def test_nobody_of_another_organisation_can_be_seen(root: Client, world: World) -> None:
    stranger = make_person(make_organisation("Other", "other.example"), "stranger")
    for address in (
        f"/admin/users/?person={stranger.pk}",
        f"/admin/users/{stranger.pk}/edit/",
        f"/admin/users/{stranger.pk}/block/",
    ):
        assert root.get(address).status_code == 404
    assert "stranger" not in root.get("/admin/users/").content.decode()
    answer = root.get("/admin/multi-factor/change/", {"do": "enable", "person": str(stranger.pk)})
    assert "Nobody is ticked" in text(answer.content)
    stranger.refresh_from_db()
    assert stranger.state is MfaState.DISABLED


def test_stp_10_dangerous_pages_ask_for_proof_first(client: Client, world: World) -> None:
    sign_in(client, world.root, ago=timedelta(minutes=11))
    for address in (
        f"/admin/users/{world.alice.pk}/block/",
        "/admin/users/new/",
        f"/admin/multi-factor/change/?do=enable&person={world.carol.pk}",
    ):
        assert client.get(address)["Location"].startswith("/sign-in/confirm/?next=%2Fadmin%2F")
    assert client.post(f"/admin/users/{world.alice.pk}/block/").status_code == 302
    world.alice.refresh_from_db()
    assert world.alice.blocked_at is None


def test_search_filters_and_panel(root: Client, world: World) -> None:
    assert "bob@" not in text(root.get("/admin/users/?q=ALICE").content)
    assert "alice@" not in text(root.get("/admin/users/?state=enabled").content)
    assert "carol@" not in text(root.get("/admin/users/?show=administrators").content)
    assert "Nobody matches" in text(root.get("/admin/users/?q=zzz&state=enforced").content)
    for senseless in ("state=x", "show=x", "sort=x", "after=x", "after=a|b", "person=x", "q=%00"):
        assert root.get(f"/admin/users/?{senseless}").status_code in {200, 404}
    said = text(root.get(f"/admin/users/?person={world.alice.pk}").content)
    for part in ("number ending 78", "Laptop", "Manage multi-factor authentication", "Enforced"):
        assert part in said


def test_history_is_told_in_words(root: Client, world: World) -> None:
    actions.set_mfa_state(world.carol, MfaState.ENABLED, by=world.root, now=timezone.now())
    said = text(root.get(f"/admin/users/?person={world.carol.pk}").content)
    assert re.search(r"became Enabled on today at \d\d:\d\d because root@harbour.example changed it", said)
    change = MfaStateChange.objects.get(user=world.carol)
    assert change.by == world.root


@pytest.mark.breaks_invariants
def test_paging_shows_everybody_once_in_either_order(world: World) -> None:
    User.objects.bulk_create(
        [
            User(
                organisation=world.organisation,
                sign_in_name=f"p{number}@harbour.example",
                display_name=f"Same | name {number % 7}",
                mfa_state=list(MfaState)[number % 3],
                created_at=world.now,
                search_key=f"p{number}",
            )
            for number in range(230)
        ]
    )
    for sort in ("name", "-name", "sign-in", "-sign-in", "state", "-state"):
        seen, after = [], ""
        while True:
            page = page_of(world.organisation, PeopleFilter.read({"sort": sort, "after": after}))
            seen += [user.pk for user in page.people]
            after = page.next_after
            if not after:
                break
        assert len(seen) == len(set(seen)) == 234


@pytest.mark.breaks_invariants
def test_pages_ask_few_questions_however_many_people_there_are(
    root: Client, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    people = [
        User(
            organisation=world.organisation,
            sign_in_name=f"p{n}@harbour.example",
            display_name=f"P {n}",
            created_at=world.now,
            search_key=f"p {n}",
        )
        for n in range(3_000)
    ]
    User.objects.bulk_create(people)
    for address in (
        "/admin/users/",
        "/admin/users/?q=p+29",
        "/admin/multi-factor/",
        f"/admin/users/?person={world.alice.pk}",
        "/admin/users/?sort=-state",
        "/admin/multi-factor/change/?do=enable&all=1",
        "/admin/sign-ins/",
        "/admin/sign-ins/?person=p",
    ):
        # One query counts the open alerts for the navigation, one looks for mails that fail, two look for counts of
        # wrong codes and passwords, one reads the groups of the person in the panel.
        with django_assert_max_num_queries(16):
            assert root.get(address).status_code == 200


def test_a_person_is_added_and_the_password_shown_once(root: Client, world: World) -> None:
    page = root.post("/admin/users/new/", person(world, aliases="dd@harbour.example"))
    found = re.search(r"[a-z]{4}-[a-z]{4}-[a-z]{4}-\d{4}", text(page.content))
    assert found is not None
    dora = find_by_name("dd@harbour.example")
    assert dora is not None
    password = queries.password_of(dora)
    assert password is not None
    assert password.is_initial
    assert "no-store" in page["Cache-Control"]
    assert found[0] not in root.get(f"/admin/users/?person={dora.pk}").content.decode()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sign_in_name": ""}, "Enter a sign-in name"),
        ({"sign_in_name": "dora"}, "A sign-in name looks like a mail address"),
        ({"sign_in_name": "dora@other.example"}, "This domain does not belong to your organisation"),
        ({"sign_in_name": "ALICE@harbour.example"}, "Another person has this name already"),
        ({"display_name": ""}, "Enter a display name"),
        ({"contact_mail": "nowhere"}, "This is not a mail address"),
        ({"directory_phone": "call me"}, "This is not a telephone number"),
        ({"aliases": "alice@harbour.example"}, "Another person has this name already"),
        ({"roles": "emperor"}, "Select a valid choice"),
    ],
)
def test_a_bad_person_is_explained_kept_and_not_half_made(
    root: Client, world: World, changes: dict[str, str], says: str
) -> None:
    before, events = User.objects.count(), Event.objects.count()
    page = root.post("/admin/users/new/", person(world, **changes))
    assert says in text(page.content)
    assert User.objects.count() == before
    assert Event.objects.count() == events
    if "display_name" not in changes:
        assert 'value="Dora"' in page.content.decode()


def test_an_edit_takes_over_everything_or_nothing(root: Client, world: World) -> None:
    address = f"/admin/users/{world.alice.pk}/edit/"
    page = root.post(
        address,
        person(world, sign_in_name="alice@harbour.example", display_name="Alicia", aliases="bob@harbour.example"),
    )
    assert "Another person has this name already" in text(page.content)
    world.alice.refresh_from_db()
    assert world.alice.display_name == "Alice"
    assert (
        root.post(
            address,
            {
                **person(
                    world, sign_in_name="alice@harbour.example", display_name="Alicia", aliases="al@harbour.example"
                ),
                "roles": ["global_reader"],
            },
        ).status_code
        == 302
    )
    world.alice.refresh_from_db()
    assert world.alice.display_name == "Alicia"
    assert world.alice.roles == {Role.GLOBAL_READER}
    assert SignInName.objects.filter(user=world.alice, is_alias=True).count() == 1


def test_acts_happen_on_a_post_alone(root: Client, world: World) -> None:
    for name in ACTS:
        root.get(f"/admin/users/{world.alice.pk}/{name}/")
    assert queries.methods_of(world.alice)
    assert User.objects.get(pk=world.alice.pk).blocked_at is None
    assert "Blocked." in text(root.post(f"/admin/users/{world.alice.pk}/block/", follow=True).content)
    assert User.objects.get(pk=world.alice.pk).blocked_at is not None
    assert root.get(f"/admin/users/{world.alice.pk}/dance/").status_code == 404


def test_one_app_password_is_deleted_by_name(root: Client, world: World) -> None:
    give_app_password(world.alice, "Old phone")
    row = next(row for row in queries.app_passwords_of(world.alice) if row.name == "Old phone")
    address = reverse("admincenter:delete_app_password", args=[world.alice.pk, row.id])
    assert "Old phone" in text(root.get(address).content)
    root.post(address)
    assert [row.name for row in queries.app_passwords_of(world.alice)] == ["Laptop"]
    assert root.post(address).status_code == 404


def test_the_last_administrator_is_kept_and_the_page_says_so(root: Client, world: World) -> None:
    page = root.post(f"/admin/users/{world.root.pk}/block/")
    assert page.status_code == 409
    assert "Make somebody else a Global Administrator first" in text(page.content)
