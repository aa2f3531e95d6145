"""Changing many people, settings, the log and files in the admin center: the messages, and no partial changes."""
# ruff: noqa: E501  (a file to import and an address are one line)

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.pages import text
from tests.world import World, give_phone
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import Door, FactorKind, MfaState
from watchword.directory.actions import find_by_name
from watchword.directory.models import MfaStateChange, Organisation, User
from watchword.signin import invitations, non_interactive, queries
from watchword.signin.non_interactive import AuthRequest, Secret


def test_the_confirmation_says_what_happens_to_whom(root: Client, world: World) -> None:
    give_phone(world.carol)
    question = AuthRequest(Door.MAIL, "carol@harbour.example", Secret(world.passwords["carol"]), "imap")
    assert non_interactive.check_account_password(question, now=timezone.now()).allowed
    ids = "&".join(f"person={user.pk}" for user in (world.carol, world.alice, world.root))
    said = text(root.get(f"/admin/multi-factor/change/?do=enable&{ids}").content)
    assert "Enable multi-factor authentication: 2 people" in said
    assert "has a phone already, so becomes Enforced at once" in said
    assert "a mail program used the account's password lately: it stops" in said
    assert "Not changed: is Enforced already" in said
    assert "1 person becomes Enabled" in said
    assert "for 1 of them, a mail program stops" in said
    assert "http://127.0.0.1:8000/setup" in said


def test_a_change_of_many_gives_a_result_for_each(root: Client, world: World) -> None:
    give_phone(world.carol)
    ids = [str(world.carol.pk), str(world.alice.pk), str(world.bob.pk), "junk"]
    confirmation = root.get("/admin/multi-factor/change/", {"do": "enable", "person": ids})
    assert User.objects.get(pk=world.carol.pk).state is MfaState.DISABLED
    said = text(root.post("/admin/multi-factor/change/", {"draft": stored(confirmation.content.decode())}).content)
    assert "1 person was changed." in said
    assert "is Enforced now, because a phone was registered already" in said
    assert "was Enforced already" in said
    assert "was Enabled already" in said
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENFORCED


def test_everybody_who_matches_can_be_meant(root: Client, world: World) -> None:
    said = text(root.get("/admin/multi-factor/change/?do=enforce&all=1&state=enabled").content)
    assert "1 person" in said
    assert "must register first, and mail programs stop until then" in said


def test_ticking_nobody_is_explained(root: Client, world: World) -> None:
    assert "Nobody is ticked" in text(root.get("/admin/multi-factor/change/?do=enable").content)
    assert root.get("/admin/multi-factor/change/?do=dance").status_code == 404


def test_disabling_says_that_app_passwords_are_gone_for_good(root: Client, world: World) -> None:
    said = text(root.get(f"/admin/multi-factor/change/?do=disable&person={world.alice.pk}").content)
    assert "1 app password is suspended for good" in said


SETTINGS = {
    "region": "DE",
    "app_passwords_allowed": "on",
    "account_password_in_mail_while_enabled": "on",
    "app_password_wait_hours": "0",
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
        (
            {"trusted_networks": "\n".join(f"10.{n}.0.0/16" for n in range(51))},
            "These are 51 networks, and 50 is the most.",
        ),
        ({"code_seconds": "301"}, "weaker than Watchword allows"),
        ({"code_tries": "0"}, "Less would shut everybody out, you included: at least 2."),
        ({"code_seconds": "1"}, "Less would shut everybody out, you included: at least 60."),
        ({"day_failures": "1"}, "Less would shut everybody out, you included: at least 5."),
        ({"session_seconds": "1"}, "Less would shut everybody out, you included: at least 900."),
        ({"trusted_networks": "0.0.0.0/1 128.0.0.0/1"}, "more than a /8 is nobody's own network"),
        ({"trusted_networks": "2000::/4 3000::/4"}, "more than a /16 is nobody's own network"),
        ({"app_password_wait_hours": "73"}, "72 hours are the most"),
        ({"app_password_wait_hours": "-1"}, "Enter a whole number of hours, from 0 to 72."),
        ({"app_password_wait_hours": ""}, "Enter a number of hours, 0 for none."),
        ({"app_passwords": "many"}, "Enter a whole number, at most 40."),
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
        "region": "AT",
    }
    assert "Saved." in text(root.post("/admin/service-settings/", values, follow=True).content)
    world.organisation.refresh_from_db()
    world.organisation.__dict__.pop("policy", None)
    assert world.organisation.policy.limits.code_seconds == 120
    assert not world.organisation.call_allowed
    assert world.organisation.region == "AT"
    assert "is in a trusted network" in text(root.get("/admin/service-settings/?address=203.0.113.9").content)
    assert "is in no trusted network" in text(root.get("/admin/service-settings/?address=8.8.8.8").content)
    assert "That is no address" in text(root.get("/admin/service-settings/?address=x").content)


def test_the_sign_in_log_is_filtered_and_says_why(root: Client, world: World) -> None:
    for secret in (world.alices_app_password, "b" * 24):
        non_interactive.check_many(
            [AuthRequest(Door.MAIL, "alice@harbour.example", Secret(secret), "imap", "203.0.113.9")], now=timezone.now()
        )
    said = text(root.get("/admin/sign-ins/?person=ALICE@harbour.example&outcome=denied").content)
    assert "Wrong password or app password" in said
    assert "IMAP · Laptop" not in said
    assert "IMAP · Laptop" in text(root.get("/admin/sign-ins/?address=203.0.113.9").content)
    assert "No sign-in matches" in text(root.get("/admin/sign-ins/?until=2001-01-01").content)
    assert "Write the day like" in text(root.get("/admin/sign-ins/?since=yesterday").content)


def test_csv_01_what_is_saved_as_a_table_runs_nothing(root: Client, world: World) -> None:
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
    page = client.post("/admin/users/import/", {"file": SimpleUploadedFile("people.csv", content)}, follow=True)
    assert page.status_code == 200
    return page.content.decode()


def stored(page: str) -> str:
    found = re.search(r'name="draft" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def test_an_import_first_shows_what_would_happen_then_does_it(root: Client, world: World) -> None:
    content = "Username;Name\r\nzoë@harbour.example;Zoë\r\nalice@harbour.example;Alice L\r\nbad;X\r\ncarol@harbour.example;Carol\r\nZOË@harbour.example;Twice\r\n"
    page = upload(root, b"\xef\xbb\xbf" + content.encode())
    assert "1 created · 1 changed · 1 unchanged · 2 refused" in text(page.encode())
    assert find_by_name("zoë@harbour.example") is None
    done = root.post("/admin/users/import/", {"draft": stored(page)}).content.decode()
    assert "1 created · 1 changed · 1 unchanged · 2 refused" in text(done.encode())
    zoe = find_by_name("zoë@harbour.example")
    assert zoe is not None
    token = re.search(r"/invitation/#([a-z2-8-]+)", done)
    assert token is not None
    found = invitations.find(token[1], now=timezone.now())
    assert found is not None
    assert found.user == zoe
    assert "line 2 is about the same person" in text(done.encode())


@pytest.mark.parametrize(("days", "hours"), [("", 24), ("7", 168), ("365", 24)])
def test_links_for_new_people_last_a_day_or_as_long_as_the_page_says(
    root: Client, world: World, days: str, hours: int
) -> None:
    page = upload(root, "Username;Name\r\nzoë@harbour.example;Zoë\r\n".encode())
    assert "The links for new people last" in text(page.encode())
    done = root.post("/admin/users/import/", {"draft": stored(page), "days": days}).content.decode()
    assert f"once, within {hours} hours" in text(done.encode())
    token = re.search(r"/invitation/#([a-z2-8-]+)", done)
    assert token is not None
    assert invitations.find(token[1], now=timezone.now() + timedelta(hours=hours, minutes=-1)) is not None
    assert invitations.find(token[1], now=timezone.now() + timedelta(hours=hours)) is None


def test_a_file_of_states_is_imported_with_a_result_for_each_row(root: Client, world: World) -> None:
    page = upload(
        root,
        b"Username,MFA Status\ncarol@harbour.example,Enabled\nalice@harbour.example,enforced\nnobody@harbour.example,Enabled\nbob@harbour.example,maybe\n",
    )
    assert "0 created · 1 changed · 1 unchanged · 2 refused" in text(page.encode())
    assert User.objects.get(pk=world.carol.pk).state is MfaState.DISABLED
    root.post("/admin/users/import/", {"draft": stored(page)})
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENABLED
    assert MfaStateChange.objects.get(user=world.carol).cause == "bulk_file"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty"),
        (b"Username,Name\n", "The file is empty, or has a first line only"),
        (b"a,b\n1,2\n", "The first line must name the columns"),
        (b"\xff\xfe\x00", "The file's letters can't be read"),
        (b"Username,Name\n\x81@harbour.example,X\n", "The file's letters can't be read"),
        (b"Phone,Tel,Telephone,UPN,Name\n1,2,3,b,c\n", "Keep one of them: “Phone”, “Telephone”"),
        (b'Username,Name\n"a@harbour.example,X\n', "This is not a CSV file"),
        (b"Username,Name\n" + b"x" * (5 * 1024 * 1024), "The file is larger than 5 MB"),
        (b"PK\x03\x04\0\0", "This is a spreadsheet file"),
    ],
)
def test_csv_02_a_file_that_is_none_is_explained(root: Client, world: World, content: bytes, says: str) -> None:
    before = User.objects.count()
    assert says in text(upload(root, content).encode())
    assert User.objects.count() == before


def test_no_file_and_a_forged_one_are_explained(root: Client, world: World) -> None:
    assert "Choose a file." in text(root.post("/admin/users/import/", {}).content)
    answer = root.post("/admin/users/import/", {"draft": "%%%"}, follow=True)
    assert "This was done already, or is more than an hour old." in text(answer.content)


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
    holdings = queries.holdings_of([world.alice.pk, world.bob.pk])
    assert holdings[world.alice.pk][FactorKind.PHONE] == 1
    assert holdings[world.bob.pk] == {FactorKind.PASSWORD: 1}


def test_words_that_protect_nothing_and_shared_addresses_are_saved_as_they_are_read(root: Client, world: World) -> None:
    data = {**SETTINGS, "banned_words": " Contoso \n\nBlue  Whale\ncontoso", "shared_networks": "198.51.100.0/24"}
    assert root.post("/admin/service-settings/", data).status_code == 302
    organisation = Organisation.objects.get(pk=world.organisation.pk)
    assert organisation.banned_words == ["contoso", "blue whale"]
    assert organisation.shared_networks == ["198.51.100.0/24"]
    assert organisation.policy.shares("198.51.100.7")
    assert not organisation.policy.trusts("198.51.100.7")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"banned_words": "abc"}, "too short or too long"),
        ({"banned_words": "x" * 41}, "too short or too long"),
        ({"banned_words": "\n".join(f"word{number}" for number in range(1_001))}, "1,000 is the most"),
        ({"shared_networks": "0.0.0.0/0"}, "is the whole internet"),
        ({"shared_networks": "198.51.100.7/24"}, "Do you mean 198.51.100.0/24?"),
    ],
)
def test_words_and_networks_that_make_no_sense_are_refused_with_the_reason(
    root: Client, world: World, changes: dict[str, str], problem: str
) -> None:
    page = root.post("/admin/service-settings/", {**SETTINGS, **changes})
    assert problem in text(page.content)
    organisation = Organisation.objects.get(pk=world.organisation.pk)
    assert (organisation.banned_words, organisation.shared_networks) == ([], [])
