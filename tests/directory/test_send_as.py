"""Who may send as whom: people as themselves, and as another's address that an administrator granted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.world import World, make_organisation, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.cli.verify import verify
from watchword.core.usernames import DELIMITER
from watchword.directory.actions import BadPerson, add_alias, edit_person, remove_alias
from watchword.directory.models import SendAs
from watchword.directory.permissions import PermissionDenied
from watchword.directory.roles import Role
from watchword.directory.send_as import MOST_SENDERS, give_send_as, given_to, senders_of, take_send_as, valid_around
from watchword.signin import actions

pytestmark = pytest.mark.django_db

ALICE, SALES = "alice@harbour.example", "carol@harbour.example"


def names(world: World, address: str, *, later: timedelta = timedelta()) -> list[str]:
    return [user.sign_in_name for user in senders_of(address, now=world.now + later)]


@pytest.mark.parametrize(
    "address", [ALICE, "Alice@Harbour.Example", "alice+news@harbour.example", "alice+news+of+today@harbour.example"]
)
def test_everybody_writes_as_themselves_in_any_spelling_and_with_a_subaddress(world: World, address: str) -> None:
    assert names(world, address) == [ALICE]


def test_an_alias_is_its_owners(world: World) -> None:
    add_alias(world.alice, "ally@harbour.example", by=world.root, now=world.now)
    assert names(world, "ally@harbour.example") == names(world, "Ally+shop@harbour.example") == [ALICE]


@pytest.mark.parametrize(
    "address",
    [
        "nobody@harbour.example",
        "alice@elsewhere.example",
        "alice",
        "@harbour.example",
        "+alice@harbour.example",
        "",
        "a\0",
    ],
)
def test_nobody_writes_as_an_address_that_is_no_persons(world: World, address: str) -> None:
    assert names(world, address) == []


def test_a_name_with_the_delimiter_in_it_is_whose_it_is(world: World) -> None:
    add_alias(world.alice, "alice+work@harbour.example", by=world.root, now=world.now)
    assert names(world, "alice+work+x@harbour.example") == [ALICE]


def test_an_address_given_to_another_is_both_their_senders(world: World) -> None:
    give_send_as(world.alice, "Carol@harbour.example", until=None, by=world.root, now=world.now)
    assert names(world, SALES) == names(world, "carol+x@harbour.example") == [SALES, ALICE]
    assert names(world, ALICE) == [ALICE], "the right goes one way"


def test_the_right_to_write_as_another_ends_at_its_moment(world: World) -> None:
    give_send_as(world.alice, SALES, until=world.now + timedelta(days=1), by=world.root, now=world.now)
    assert names(world, SALES, later=timedelta(hours=23)) == [SALES, ALICE]
    assert names(world, SALES, later=timedelta(days=1)) == [SALES]


def test_given_again_it_gets_the_new_end(world: World) -> None:
    give_send_as(world.alice, SALES, until=world.now + timedelta(days=1), by=world.root, now=world.now)
    give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    assert names(world, SALES, later=timedelta(days=9)) == [SALES, ALICE]
    assert SendAs.objects.count() == 1


def test_what_was_taken_away_is_refused_at_once(world: World) -> None:
    given = give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    assert not take_send_as(world.bob, given.pk, by=world.root, now=world.now), "it is not Bob's"
    assert take_send_as(world.alice, given.pk, by=world.root, now=world.now)
    assert names(world, SALES) == [SALES]
    assert not take_send_as(world.alice, given.pk, by=world.root, now=world.now)


def test_a_blocked_owners_address_goes_on_and_a_deleted_ones_ends(world: World) -> None:
    give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    actions.block(world.carol, by=world.root, now=world.now)
    assert names(world, SALES) == [SALES, ALICE], "a shared mailbox is somebody whom nobody signs in as"
    actions.delete(world.carol, by=world.root, now=world.now)
    assert names(world, SALES) == []


def test_a_deleted_person_writes_as_nobody(world: World) -> None:
    give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    actions.delete(world.alice, by=world.root, now=world.now)
    assert names(world, SALES) == [SALES]
    assert names(world, ALICE) == []


def test_a_right_stays_with_its_address_through_a_rename_and_ends_with_an_alias(world: World) -> None:
    add_alias(world.carol, "info@harbour.example", by=world.root, now=world.now)
    give_send_as(world.alice, "info@harbour.example", until=None, by=world.root, now=world.now)
    give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    remove_alias(world.carol, "info@harbour.example", by=world.root, now=world.now)
    assert names(world, "info@harbour.example") == []
    edit_person(world.carol, {"sign_in_name": "orders@harbour.example"}, by=world.root, now=world.now)
    assert ALICE in names(world, SALES)
    assert ALICE not in names(world, "orders@harbour.example")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nobody@harbour.example", "nobodys"),
        ("mallory@elsewhere.example", "nobodys"),
        (ALICE, "own"),
        ("carol", "no_domain"),
        ("", "empty"),
    ],
)
def test_what_cannot_be_given_is_refused_with_a_reason(world: World, address: str, reason: str) -> None:
    with pytest.raises(BadPerson) as refused:
        give_send_as(world.alice, address, until=None, by=world.root, now=world.now)
    assert refused.value.reasons == {"address": reason}


def test_another_organisations_address_is_nobodys(world: World) -> None:
    other = make_person(make_organisation("Elsewhere", "elsewhere.example"), "eve")
    with pytest.raises(BadPerson, match="nobodys"):
        give_send_as(world.alice, other.sign_in_name, until=None, by=world.root, now=world.now)


def test_an_end_in_the_past_is_refused(world: World) -> None:
    with pytest.raises(BadPerson, match="until: past"):
        give_send_as(world.alice, SALES, until=world.now, by=world.root, now=world.now)


def test_an_address_is_given_to_so_many_and_no_more(world: World) -> None:
    people = [make_person(world.organisation, f"p{number}") for number in range(MOST_SENDERS + 1)]
    for person in people[:-1]:
        give_send_as(person, SALES, until=None, by=world.root, now=world.now)
    with pytest.raises(BadPerson, match="too_many_senders"):
        give_send_as(people[-1], SALES, until=None, by=world.root, now=world.now)
    give_send_as(people[0], SALES, until=world.now + timedelta(days=1), by=world.root, now=world.now)
    assert len(names(world, SALES)) == 1 + MOST_SENDERS


def test_nobody_gives_the_address_of_a_higher_administrator_them(world: World) -> None:
    uma = make_person(world.organisation, "uma", roles=(Role.USER_ADMINISTRATOR,))
    give_send_as(world.alice, SALES, until=None, by=uma, now=world.now)
    with pytest.raises(PermissionDenied):
        give_send_as(world.alice, "root@harbour.example", until=None, by=uma, now=world.now)
    with pytest.raises(PermissionDenied):
        give_send_as(world.root, SALES, until=None, by=uma, now=world.now)


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.GLOBAL_ADMINISTRATOR, Role.USER_ADMINISTRATOR}))
def test_other_roles_give_and_take_nothing(world: World, role: Role) -> None:
    by = make_person(world.organisation, "somebody", roles=(role,))
    given = give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    with pytest.raises(PermissionDenied):
        give_send_as(world.bob, SALES, until=None, by=by, now=world.now)
    with pytest.raises(PermissionDenied):
        take_send_as(world.alice, given.pk, by=by, now=world.now)


def test_giving_and_taking_leave_one_event_each(world: World) -> None:
    given = give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    take_send_as(world.alice, given.pk, by=world.root, now=world.now)
    kinds = (EventKind.SEND_AS_GIVEN, EventKind.SEND_AS_TAKEN)
    events = Event.objects.filter(kind__in=kinds).order_by("pk")
    assert [(event.kind, event.subject_name, event.actor_name) for event in events] == [
        (kind, ALICE, "root@harbour.example") for kind in kinds
    ]
    assert events[0].details == {"address": SALES, "owner": SALES, "until": ""}


def test_both_sides_are_listed(world: World) -> None:
    give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    [given] = given_to(world.alice)
    assert given.address.name == SALES
    assert valid_around(world.alice, now=world.now) == ([given], [])
    assert valid_around(world.carol, now=world.now) == ([], [given])
    assert not given_to(world.carol)


@pytest.mark.breaks_invariants
def test_verify_finds_a_right_across_organisations(world: World) -> None:
    other = make_person(make_organisation("Elsewhere", "elsewhere.example"), "eve")
    strange = SendAs.objects.create(user=other, address=world.alice.names.get(), given_at=world.now)
    assert f"I9 right {strange.pk} lets somebody write as nobody they may be let" in verify(now=world.now).problems


def test_one_query_finds_the_owner_and_one_the_others(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    with django_assert_num_queries(2):
        senders_of("carol+a+b+c@harbour.example", now=world.now)
    assert DELIMITER == "+"
