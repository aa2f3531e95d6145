"""The admin center through Django's client: who may open what, what is said, what is kept, what is never half done."""
# ruff: noqa: E501  (a file to import and an address are one line)

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.world import World, give_app_password, give_phone, make_organisation, make_person, sign_in
from watchword.admincenter.people import Wish, page_of
from watchword.admincenter.views.acts import ACTS
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin, record
from watchword.core.policy import Door, FactorKind, MfaState
from watchword.directory.actions import find_by_name
from watchword.directory.models import MfaStateChange, SignInName, User
from watchword.directory.roles import Act, Role, may
from watchword.signin import actions, invitations, one_shot, overview
from watchword.signin.one_shot import Question, Secret


def text(content: bytes) -> str:
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content.decode()))
    return said.replace("&#x27;", "'").replace("&quot;", '"').replace("&amp;", "&")


@pytest.fixture
def root(client: Client, world: World) -> Client:
    """Root, signed in."""
    sign_in(client, world.root)
    return client


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
    somebody = make_person(world.organisation, "somebody", roles=(role,) if role else ())
    sign_in(client, somebody)
    roles = {role} if role else set()
    for address, act in {
        "/admin/users/": Act.SEE_PEOPLE,
        "/admin/users/new/": Act.CREATE_PERSON,
        "/admin/users/import/": Act.IMPORT_PEOPLE,
        f"/admin/users/{world.alice.pk}/edit/": Act.EDIT_PERSON,
        "/admin/multi-factor/": Act.SEE_PEOPLE,
        f"/admin/multi-factor/change/?do=enable&person={world.carol.pk}": Act.CHANGE_MFA_STATE,
        "/admin/service-settings/": Act.CHANGE_SETTINGS,
        "/admin/sign-ins/": Act.SEE_SIGN_INS,
        "/admin/sign-ins.csv": Act.SEE_SIGN_INS,
        "/admin/roles/": Act.SEE_PEOPLE,
        **{f"/admin/users/{world.alice.pk}/{name}/": wished.act for name, wished in ACTS.items()},
    }.items():
        assert client.get(address).status_code == (200 if may(roles, act, frozenset()) else 403), address


def test_somebody_above_is_out_of_reach(client: Client, world: World) -> None:
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
    root.post("/admin/multi-factor/change/", {"do": "enable", "person": str(stranger.pk)})
    stranger.refresh_from_db()
    assert stranger.state is MfaState.DISABLED


def test_dangerous_pages_ask_for_proof_first(client: Client, world: World) -> None:
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


def test_paging_shows_everybody_once_in_either_order(world: World) -> None:
    User.objects.bulk_create(
        [
            User(
                organisation=world.organisation,
                sign_in_name=f"p{number}@harbour.example",
                display_name=f"Same name {number % 7}",
                created_at=world.now,
                search_key=f"p{number}",
            )
            for number in range(230)
        ]
    )
    for sort in ("name", "-name", "sign-in", "-sign-in"):
        seen, after = [], ""
        while True:
            page = page_of(world.organisation, Wish.read({"sort": sort, "after": after}))
            seen += [user.pk for user in page.people]
            after = page.next_after
            if not after:
                break
        assert len(seen) == len(set(seen)) == 234


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
        "/admin/sign-ins/",
    ):
        with django_assert_max_num_queries(14 if "person=" in address else 10):
            assert root.get(address).status_code == 200


def test_a_person_is_added_and_the_password_shown_once(root: Client, world: World) -> None:
    page = root.post("/admin/users/new/", person(world, aliases="dd@harbour.example"))
    found = re.search(r"[a-z]{4}-[a-z]{4}-[a-z]{4}-\d{4}", text(page.content))
    assert found is not None
    dora = find_by_name("dd@harbour.example")
    assert dora is not None
    password = overview.password_of(dora)
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
    assert overview.methods_of(world.alice)
    world.alice.refresh_from_db()
    assert world.alice.blocked_at is None
    assert "Blocked." in text(root.post(f"/admin/users/{world.alice.pk}/block/", follow=True).content)
    world.alice.refresh_from_db()
    assert world.alice.blocked_at is not None
    assert root.get(f"/admin/users/{world.alice.pk}/dance/").status_code == 404


def test_one_app_password_is_deleted_by_name(root: Client, world: World) -> None:
    give_app_password(world.alice, "Old phone")
    row = next(row for row in overview.app_passwords_of(world.alice) if row.name == "Old phone")
    address = reverse("admincenter:delete_app_password", args=[world.alice.pk, row.id])
    assert "Old phone" in text(root.get(address).content)
    root.post(address)
    assert [row.name for row in overview.app_passwords_of(world.alice)] == ["Laptop"]
    assert root.post(address).status_code == 404


def test_the_last_administrator_is_kept_and_the_page_says_so(root: Client, world: World) -> None:
    page = root.post(f"/admin/users/{world.root.pk}/block/")
    assert page.status_code == 409
    assert "Make somebody else a Global Administrator first" in text(page.content)


def test_the_confirmation_says_what_happens_to_whom(root: Client, world: World) -> None:
    give_phone(world.carol)
    question = Question(Door.MAIL, "carol@harbour.example", Secret(world.passwords["carol"]), "imap")
    assert one_shot.check_account_password(question, now=timezone.now()).allowed
    ids = "&".join(f"person={user.pk}" for user in (world.carol, world.alice, world.root))
    said = text(root.get(f"/admin/multi-factor/change/?do=enable&{ids}").content)
    assert "Enable multi-factor authentication: 2 people" in said
    assert "has a phone already, so becomes Enforced at once" in said
    assert "a mail program used the account's password lately: it stops" in said
    assert "Not changed: is so already" in said
    assert "This is you: you will be signed out." in said
    assert "http://127.0.0.1:8000/setup" in said


def test_a_change_of_many_gives_a_result_for_each(root: Client, world: World) -> None:
    give_phone(world.carol)
    page = root.post(
        "/admin/multi-factor/change/",
        {"do": "enable", "person": [str(world.carol.pk), str(world.alice.pk), str(world.bob.pk), "junk"]},
    )
    said = text(page.content)
    assert "1 person was changed." in said
    assert "is Enforced now, because a phone was registered already" in said
    assert said.count("was so already") == 2
    world.carol.refresh_from_db()
    assert world.carol.state is MfaState.ENFORCED


def test_everybody_who_matches_can_be_meant(root: Client, world: World) -> None:
    said = text(root.get("/admin/multi-factor/change/?do=enforce&all=1&state=enabled").content)
    assert "1 person" in said
    assert "must register first, and mail programs stop until then" in said


def test_ticking_nobody_is_explained(root: Client, world: World) -> None:
    assert "Nobody is ticked" in text(root.get("/admin/multi-factor/change/?do=enable").content)
    assert root.get("/admin/multi-factor/change/?do=dance").status_code == 404


def test_disabling_says_that_app_passwords_are_gone_for_good(root: Client, world: World) -> None:
    said = text(root.get(f"/admin/multi-factor/change/?do=disable&person={world.alice.pk}").content)
    assert "1 app passwords are suspended for good" in said


SETTINGS = {
    "app_passwords_allowed": "on",
    "account_password_in_mail_while_enabled": "on",
    "text_allowed": "on",
    "call_allowed": "on",
    "trusted_networks": "",
    "code_seconds": "300",
    "code_tries": "5",
    "day_failures": "30",
    "sends_each_day": "20",
    "session_seconds": "86400",
    "session_idle_seconds": "3600",
    "app_passwords": "40",
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"text_allowed": "", "call_allowed": ""}, "Allow text messages or calls"),
        ({"trusted_networks": "0.0.0.0/0"}, "is the whole internet"),
        ({"trusted_networks": "::/0"}, "is the whole internet"),
        ({"trusted_networks": "203.0.113.7/24"}, "Do you mean 203.0.113.0/24?"),
        ({"trusted_networks": "nonsense"}, "is no network"),
        ({"trusted_networks": "10.0.0.0/8\n10.1.0.0/16"}, "overlap"),
        ({"trusted_networks": "\n".join(f"10.{n}.0.0/16" for n in range(51))}, "more than 50 networks"),
        ({"code_seconds": "301"}, "weaker than Watchword allows"),
        ({"code_tries": "0"}, "At least 1."),
        ({"app_passwords": "many"}, "Enter a whole number."),
    ],
)
def test_bad_settings_are_explained_and_nothing_is_changed(
    root: Client, world: World, changes: dict[str, str], says: str
) -> None:
    page = root.post("/admin/service-settings/", {**SETTINGS, "sends_each_day": "7", **changes})
    assert says in text(page.content)
    world.organisation.refresh_from_db()
    assert world.organisation.limits == {}
    assert 'value="7"' in page.content.decode()


def test_settings_hold_at_once(root: Client, world: World) -> None:
    values = {
        **SETTINGS,
        "code_seconds": "120",
        "trusted_networks": "203.0.113.0/24\n2001:db8::/32",
        "call_allowed": "",
    }
    assert "Saved." in text(root.post("/admin/service-settings/", values, follow=True).content)
    world.organisation.refresh_from_db()
    world.organisation.__dict__.pop("policy", None)
    assert world.organisation.policy.limits.code_seconds == 120
    assert not world.organisation.call_allowed
    assert "is in a trusted network" in text(root.get("/admin/service-settings/?address=203.0.113.9").content)
    assert "is in no trusted network" in text(root.get("/admin/service-settings/?address=8.8.8.8").content)
    assert "That is no address" in text(root.get("/admin/service-settings/?address=x").content)


def test_the_sign_in_log_is_filtered_and_says_why(root: Client, world: World) -> None:
    for secret in (world.alices_app_password, "b" * 24):
        one_shot.check_many(
            [Question(Door.MAIL, "alice@harbour.example", Secret(secret), "imap", "203.0.113.9")], now=timezone.now()
        )
    said = text(root.get("/admin/sign-ins/?person=ALICE@harbour.example&outcome=denied").content)
    assert "Wrong password or app password" in said
    assert "IMAP · Laptop" not in said
    assert "IMAP · Laptop" in text(root.get("/admin/sign-ins/?address=203.0.113.9").content)
    assert "No sign-in matches" in text(root.get("/admin/sign-ins/?until=2001-01-01").content)
    assert "Write the day like" in text(root.get("/admin/sign-ins/?since=yesterday").content)


def test_what_is_saved_as_a_table_runs_nothing(root: Client, world: World) -> None:
    record(
        EventKind.SIGN_IN_DENIED,
        now=timezone.now(),
        name="=cmd()",
        organisation_id=world.organisation.pk,
        origin=Origin(agent="+1+1"),
    )
    answer = root.get("/admin/sign-ins.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "'=cmd()" in answer.content.decode()
    assert ",'+1+1" in answer.content.decode()


def upload(client: Client, content: bytes) -> str:
    page = client.post("/admin/users/import/", {"file": SimpleUploadedFile("people.csv", content)})
    assert page.status_code == 200
    return page.content.decode()


def kept(page: str) -> str:
    found = re.search(r'name="kept" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def test_an_import_first_shows_what_would_happen_then_does_it(root: Client, world: World) -> None:
    content = "Username;Name\r\nzoë@harbour.example;Zoë\r\nalice@harbour.example;Alice L\r\nbad;X\r\ncarol@harbour.example;Carol\r\nZOË@harbour.example;Twice\r\n"
    page = upload(root, b"\xef\xbb\xbf" + content.encode())
    assert "1 created · 1 changed · 1 unchanged · 2 refused" in text(page.encode())
    assert find_by_name("zoë@harbour.example") is None
    done = root.post("/admin/users/import/", {"kept": kept(page)}).content.decode()
    assert "1 created · 1 changed · 1 unchanged · 2 refused" in text(done.encode())
    zoe = find_by_name("zoë@harbour.example")
    assert zoe is not None
    token = re.search(r"/invitation/([^/]+)/", done)
    assert token is not None
    found = invitations.find(token[1], now=timezone.now())
    assert found is not None
    assert found.user == zoe
    assert "line 2 is about the same person" in text(done.encode())


def test_a_file_of_states_is_imported_with_a_result_for_each_row(root: Client, world: World) -> None:
    page = upload(
        root,
        b"Username,MFA Status\ncarol@harbour.example,Enabled\nalice@harbour.example,enforced\nnobody@harbour.example,Enabled\nbob@harbour.example,maybe\n",
    )
    assert "0 created · 1 changed · 1 unchanged · 2 refused" in text(page.encode())
    world.carol.refresh_from_db()
    assert world.carol.state is MfaState.DISABLED
    root.post("/admin/users/import/", {"kept": kept(page)})
    world.carol.refresh_from_db()
    assert world.carol.state is MfaState.ENABLED
    assert MfaStateChange.objects.get(user=world.carol).cause == "bulk_file"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty"),
        (b"Username,Name\n", "The file is empty, or has a first line only"),
        (b"a,b\n1,2\n", "The first line must name the columns"),
        (b"\xff\xfe\x00", "The file's letters can't be read"),
        (b"Username,Name\n\xe4@harbour.example,X\n", "The file's letters can't be read"),
        (b"Username,Mail,Name\na@harbour.example,b,c\n", "Two columns have the same meaning"),
        (b'Username,Name\n"a@harbour.example,X\n', "This is not a CSV file"),
        (b"Username,Name\n" + b"x" * (5 * 1024 * 1024), "The file is larger than 5 MB"),
        (b"PK\x03\x04\0\0", "This is not a CSV file"),
    ],
)
def test_a_file_that_is_none_is_explained(root: Client, world: World, content: bytes, says: str) -> None:
    before = User.objects.count()
    assert says in text(upload(root, content).encode())
    assert User.objects.count() == before


def test_no_file_and_a_forged_one_are_explained(root: Client, world: World) -> None:
    assert "Choose a file." in text(root.post("/admin/users/import/", {}).content)
    assert root.post("/admin/users/import/", {"kept": "%%%"}).status_code == 200


def test_the_page_of_roles_is_the_table(root: Client, world: World) -> None:
    said = text(root.get("/admin/roles/").content)
    assert "reset methods" in said
    assert said.count("yes") == sum(len(acts) for acts in (may_acts for may_acts in _table()))


def _table() -> list[frozenset[Act]]:
    from watchword.directory.roles import MAY

    return list(MAY.values())


def test_every_address_of_the_admin_center_is_closed_to_nobody(client: Client, world: World) -> None:
    for name, arguments in {
        "users": [],
        "create": [],
        "import": [],
        "multi_factor": [],
        "service_settings": [],
        "sign_ins": [],
        "roles": [],
        "edit": [world.alice.pk],
    }.items():
        answer = client.get(reverse(f"admincenter:{name}", args=arguments))
        assert answer["Location"].startswith("/sign-in/?next=")


def test_the_factor_kinds_of_a_page_of_people_come_with_one_question(world: World) -> None:
    held = overview.holdings_of([world.alice.pk, world.bob.pk])
    assert held[world.alice.pk][FactorKind.PHONE] == 1
    assert held[world.bob.pk] == {FactorKind.PASSWORD: 1}
