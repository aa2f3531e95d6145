"""An organisation has any number of mail domains; each belongs to one organisation of the server."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests.admincenter.reading import as_role, rows, stale_root
from tests.pages import text
from tests.world import World, make_organisation, sign_in
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory import actions, domains
from watchword.directory.domains import BadDomain
from watchword.directory.models import Domain, Organisation
from watchword.directory.permissions import PermissionDenied
from watchword.directory.roles import Role

PAGE = "/admin/domains/"


def domain(*words: str) -> str:
    out = io.StringIO()
    call_command("domain", *words, stdout=out)
    return out.getvalue()


def names(world: World) -> list[str]:
    return sorted(world.organisation.domains.values_list("name", flat=True))


def test_people_have_names_in_each_domain_of_their_organisation(world: World) -> None:
    domains.add_domain(world.organisation, "Second.Example", by=world.root, now=world.now)
    dora = actions.create_person(
        world.organisation, sign_in_name="dora@second.example", display_name="Dora", by=world.root, now=world.now
    )
    assert actions.find_by_name("DORA@second.example") == dora
    actions.add_alias(world.alice, "alice@second.example", by=world.root, now=world.now)
    assert actions.find_by_name("alice@second.example") == world.alice
    event = Event.objects.get(kind=EventKind.DOMAIN_ADDED)
    assert (event.actor_id, event.details) == (world.root.pk, {"name": "second.example"})


@pytest.mark.parametrize(
    ("name", "reason"),
    [("harbour.example", "taken"), ("HARBOUR.example.", "taken"), ("-.example", "domain"), ("", "domain")],
)
def test_a_domain_that_can_t_be_added_is_refused_with_the_reason(world: World, name: str, reason: str) -> None:
    with pytest.raises(BadDomain) as caught:
        domains.add_domain(world.organisation, name, by=None, now=world.now)
    assert caught.value.reason == reason
    assert names(world) == ["harbour.example"]


def test_a_domain_is_of_one_organisation_on_a_server(world: World) -> None:
    make_organisation("Other", "other.example")
    with pytest.raises(BadDomain, match="taken"):
        domains.add_domain(world.organisation, "other.example", by=None, now=world.now)


def test_where_organisations_share_a_server_none_of_them_claims_a_domain(world: World) -> None:
    """Otherwise the first organisation to claim a domain would have it: only the operator knows its owner."""
    make_organisation("Other", "other.example")
    with pytest.raises(BadDomain, match="console"):
        domains.add_domain(world.organisation, "third.example", by=world.root, now=world.now)
    domains.add_domain(world.organisation, "third.example", by=None, now=world.now)
    assert names(world) == ["harbour.example", "third.example"]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.GLOBAL_ADMINISTRATOR])
def test_only_global_administrators_manage_domains(client: Client, world: World, role: Role) -> None:
    helper = as_role(client, world, role)
    with pytest.raises(PermissionDenied):
        domains.add_domain(world.organisation, "second.example", by=helper, now=world.now)
    with pytest.raises(PermissionDenied):
        domains.remove_domain(world.organisation, "harbour.example", by=helper, now=world.now)
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/users/").content.decode()


def test_a_domain_in_which_a_person_has_a_name_stays(world: World) -> None:
    domains.add_domain(world.organisation, "second.example", by=world.root, now=world.now)
    actions.add_alias(world.alice, "al@second.example", by=world.root, now=world.now)
    for name, reason in (("second.example", "in_use"), ("harbour.example", "primary"), ("no.example", "unknown")):
        with pytest.raises(BadDomain, match=reason):
            domains.remove_domain(world.organisation, name, by=world.root, now=world.now)
    actions.remove_alias(world.alice, "al@second.example", by=world.root, now=world.now)
    domains.remove_domain(world.organisation, "second.example", by=world.root, now=world.now)
    assert names(world) == ["harbour.example"]
    assert Event.objects.filter(kind=EventKind.DOMAIN_REMOVED).count() == 1


def test_the_page_adds_and_removes_domains(client: Client, world: World) -> None:
    sign_in(client, world.root)
    assert "That is no domain." in text(client.post(PAGE, {"name": "-.example"}).content)
    assert "Enter a domain" in text(client.post(PAGE, {"name": ""}).content)
    assert "second.example is added" in text(client.post(PAGE, {"name": "second.example"}, follow=True).content)
    assert rows(client.get(PAGE)) == ["harbour.example · the first 4", "second.example 0 Remove second.example"]
    assert "The first domain stays." in text(client.post(PAGE, {"remove": "harbour.example"}, follow=True).content)
    client.post(PAGE, {"remove": "second.example"})
    assert names(world) == ["harbour.example"]


def test_no_domain_without_a_fresh_proof(client: Client, world: World) -> None:
    stale_root(client, world)
    for sent in ({"name": "second.example"}, {"remove": "harbour.example"}):
        assert client.post(PAGE, sent)["Location"].startswith("/sign-in/confirm/")
    assert names(world) == ["harbour.example"]


def test_the_console_adds_lists_and_removes(world: World) -> None:
    assert "belongs to it now" in domain("add", "second.example")
    assert domain("list").splitlines() == [
        "harbour.example: Harbour & Hill, the first, 4 names",
        "second.example: Harbour & Hill, 0 names",
    ]
    domain("remove", "second.example")
    assert names(world) == ["harbour.example"]


def test_the_console_makes_a_further_organisation(world: World) -> None:
    with pytest.raises(CommandError, match="--region"):
        domain("add", "other.example", "--new-organisation", "Other")
    with pytest.raises(CommandError, match="XX is no country"):
        domain("add", "other.example", "--new-organisation", "Other", "--region", "XX")
    with pytest.raises(CommandError, match="has this domain already"):
        domain("add", "harbour.example", "--new-organisation", "Other", "--region", "FR")
    domain("add", "other.example", "--new-organisation", "Other", "--region", "fr")
    other = Organisation.objects.get(name="Other")
    assert (other.region, [each.name for each in other.domains.all()]) == ("FR", ["other.example"])
    with pytest.raises(CommandError, match="--beside"):
        domain("add", "third.example")
    domain("add", "third.example", "--beside", "other.example")
    assert Domain.objects.get(name="third.example").organisation == other
