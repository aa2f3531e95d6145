"""Importing files, on the page and on the command line."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.admincenter.reading import as_role, hidden, rows, stale_root
from tests.pages import text
from tests.world import World, give_phone, make_organisation, sign_in
from watchword.admincenter.users import import_views
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Door, MfaState
from watchword.directory.actions import add_alias, find_by_name
from watchword.directory.models import User
from watchword.directory.roles import Role
from watchword.signin.actions import delete
from watchword.signin.models import Invitation
from watchword.signin.non_interactive import AuthRequest, Secret, check_account_password

IMPORT = "/admin/users/import/"
PEOPLE = "Username,Name\nzed@harbour.example,Zed\nyan@harbour.example,Yan\n"
STATES = "Username,MFA Status\ncarol@harbour.example,Enabled\n"


def upload(client: Client, content: str) -> Any:
    return client.post(IMPORT, {"file": SimpleUploadedFile("people.csv", content.encode())}, follow=True)


def test_trying_a_file_leaves_nothing_behind(root: Client, world: World) -> None:
    people, events = User.objects.count(), Event.objects.count()
    upload(root, PEOPLE)
    assert (User.objects.count(), Event.objects.count(), Invitation.objects.count()) == (people, events, 0)


def test_the_links_are_shown_once_and_can_be_saved(root: Client, world: World) -> None:
    tried = upload(root, PEOPLE)
    assert "/invitation/" not in tried.content.decode()
    draft = {"draft": hidden(tried, "draft")}
    page = root.post(IMPORT, draft).content.decode()
    saved = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)" download="invitation-links.csv"', page)
    assert saved is not None
    lines = base64.b64decode(saved[1]).decode("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("zed@harbour.example,http://127.0.0.1:8000/")
    again = root.post(IMPORT, draft, follow=True)
    assert "This was done already" in text(again.content)
    assert "/invitation/" not in again.content.decode()


def test_a_large_file_gets_through(root: Client, world: World) -> None:
    padding = "x" * 900
    content = "Username,Name,Notes\n" + "".join(f"p{n}@elsewhere.example,P,{padding}\n" for n in range(4_000))
    assert len(content) > 3_500_000
    tried = upload(root, content)
    said = text(tried.content)
    assert "0 created · 0 changed · 0 unchanged · 4000 refused" in said
    assert "These columns are not used: Notes" in said
    assert "this file would change nothing" in said
    assert "Import now" not in said


def test_more_rows_than_one_request_can_do_are_refused(
    root: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_views, "MOST_ROWS_HERE", 1)
    said = text(upload(root, PEOPLE).content)
    assert "at most 1 here. Split it." in said


def test_proving_again_keeps_the_file(client: Client, world: World) -> None:
    stale_root(client, world)
    answer = client.post(IMPORT, {"file": SimpleUploadedFile("people.csv", PEOPLE.encode())})
    confirm = client.get(answer["Location"])["Location"]
    assert confirm.startswith(reverse("web:confirm"))
    sign_in(client, world.root)
    assert "2 created" in text(client.get(client.get(confirm)["Location"]).content)


def test_csv_03_each_row_says_why_it_is_refused_and_the_others_are_done(root: Client, world: World) -> None:
    delete(world.carol, by=world.root, now=world.now)
    make_organisation("Other", "other.example")
    content = (
        "Username,Name,Contact mail,Phone\n"
        "zed@harbour.example,Zed,,\n"
        "carol@harbour.example,Carola,,\n"
        "somebody@other.example,Somebody,,\n"
        ",Nameless,,\n"
        "x@harbour.example,,nowhere,call me\n"
        "y@harbour.example,Whitfield, Dora,y@elsewhere.example,1\n"
        "\uff3aED@harbour.example,Twice,,\n"
    )
    tried = upload(root, content)
    page = root.post(IMPORT, {"draft": hidden(tried, "draft")})
    assert rows(page) == [
        "3 carol@harbour.example Carola refused This person is deleted. Restore the person first.",
        "4 somebody@other.example Somebody refused Sign-in name: This domain does not belong to your organisation.",
        "5 Nameless refused Sign-in name: Enter a sign-in name, such as dora@example.org.",
        (
            "6 x@harbour.example refused Display name: Enter a display name. Contact mail: This is not a mail address. "
            "Phone in the directory: This is not a telephone number that exists."
        ),
        (
            "7 y@harbour.example Whitfield refused This row has more cells than the first line. "
            "Put quotation marks around a name with a comma."
        ),
        "8 \uff3aED@harbour.example Twice refused line 2 is about the same person",
        "2 zed@harbour.example Zed created",
    ]
    assert find_by_name("zed@harbour.example") is not None
    assert find_by_name("x@harbour.example") is None
    counts = Event.objects.get(kind=EventKind.PEOPLE_IMPORTED).details
    assert counts == {"kind": "people", "created": 1, "refused": 6}


def test_a_role_imports_only_its_kind_of_file(client: Client, world: World) -> None:
    as_role(client, world, Role.AUTHENTICATION_POLICY_ADMINISTRATOR)
    assert "1 changed" in text(upload(client, STATES).content)
    assert upload(client, PEOPLE).status_code == 403
    as_role(client, world, Role.USER_ADMINISTRATOR)
    assert "2 created" in text(upload(client, PEOPLE).content)
    assert upload(client, STATES).status_code == 403


def test_csv_04_a_higher_administrator_is_not_changed_by_a_file(client: Client, world: World) -> None:
    as_role(client, world, Role.USER_ADMINISTRATOR)
    tried = upload(client, "Username,Name\nroot@harbour.example,Pwned\n")
    assert "Your role does not allow this for this person." in text(tried.content)


MICROSOFT = {
    "PowerShell": '"DisplayName","UserPrincipalName","MFA Status"\r\n"Carol","carol@harbour.example","Enabled"\r\n',
    "a report": "Display Name,User Principal Name,MFA Status\nCarol Chen,carol@harbour.example,Enabled\n",
    "German": "Anzeigename;Benutzerprinzipalname;MFA Status\nCarol Chen;carol@harbour.example;Aktiviert\n",
}


@pytest.mark.parametrize("content", list(MICROSOFT.values()), ids=list(MICROSOFT))
def test_a_report_of_states_sets_states_and_creates_nobody(root: Client, world: World, content: str) -> None:
    strangers = content + content.splitlines()[-1].replace("carol", "stranger") + "\r\n"
    people = User.objects.count()
    tried = upload(root, strangers)
    said = text(tried.content)
    assert "This is a file of multi-factor states: it creates nobody." in said
    assert "These columns are not used: " in said
    done = root.post(IMPORT, {"draft": hidden(tried, "draft")})
    assert rows(done)[0] == "3 stranger@harbour.example refused There is nobody by this name."
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENABLED
    assert User.objects.count() == people
    assert Invitation.objects.count() == 0


def test_enforced_in_a_file_stops_no_mail_program_of_people_who_have_registered_nothing(
    root: Client, world: World
) -> None:
    def opens_mail(name: str) -> bool:
        secret = Secret(world.passwords[name])
        question = AuthRequest(Door.MAIL, f"{name}@harbour.example", secret, "imap", "198.51.100.9")
        return check_account_password(question, now=timezone.now()).allowed

    assert (opens_mail("bob"), opens_mail("carol")) == (True, True)
    tried = upload(root, "Username,MFA Status\nbob@harbour.example,Enforced\ncarol@harbour.example,Enforced\n")
    said = text(tried.content)
    assert "1 person becomes Enabled" in said
    assert rows(tried) == [
        (
            "3 carol@harbour.example changed Enabled; "
            "not Enforced before a phone is registered here; "
            "registers a phone at the next sign-in; "
            "a mail program uses the account's password: it will need an app password after registering"
        ),
        "2 bob@harbour.example unchanged Enabled: not Enforced",
    ]
    done = root.post(IMPORT, {"draft": hidden(tried, "draft")})
    assert rows(done) == rows(tried)
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENABLED
    assert (opens_mail("bob"), opens_mail("carol")) == (True, True)


def test_the_preview_of_states_says_whose_mail_programs_stop_as_the_page_does(root: Client, world: World) -> None:
    give_phone(world.carol)
    question = AuthRequest(Door.MAIL, "carol@harbour.example", Secret(world.passwords["carol"]), "imap", "198.51.100.9")
    check_account_password(question, now=timezone.now())
    said = text(upload(root, "Username,MFA Status\ncarol@harbour.example,Enforced\n").content)
    assert "1 person becomes Enforced" in said
    assert "for 1 of them, a mail program stops" in said
    assert "a mail program used the account's password lately: it stops, and needs an app password" in said


def test_one_person_under_two_names_in_a_file_is_one_person(root: Client, world: World) -> None:
    add_alias(world.carol, "kitty@harbour.example", by=world.root, now=timezone.now())
    states = "Username,MFA Status\ncarol@harbour.example,Enabled\nkitty@harbour.example,Disabled\n"
    assert rows(upload(root, states))[0] == "3 kitty@harbour.example refused line 2 is about the same person"
    names = "Username,Name\nkitty@harbour.example,Carola\nCAROL@harbour.example,Caroline\n"
    assert rows(upload(root, names))[0] == "3 CAROL@harbour.example Caroline refused line 2 is about the same person"


def test_letters_of_windows_are_read_and_shown_before_anything_is_done(root: Client, world: World) -> None:
    content = "Username;Display name;Phone\njoerg@harbour.example;Jörg Müller;0151 23456789\n".encode("windows-1252")
    file = SimpleUploadedFile("people.csv", content)
    tried = root.post(IMPORT, {"file": file}, follow=True)
    assert "The file is not UTF-8, and was read as Windows-1252. Look at names with accents" in text(tried.content)
    assert rows(tried) == ["2 joerg@harbour.example Jörg Müller created"]


def test_of_two_columns_with_one_meaning_the_page_names_both(root: Client, world: World) -> None:
    tried = upload(root, "UPN,Display name,Mobile Phone,Phone number\nd@harbour.example,D,+49 151 23456789,040 1\n")
    assert "“Phone number” is not used: “Mobile Phone” means the same." in text(tried.content)


def test_a_number_that_lost_its_plus_in_a_spreadsheet_is_kept_with_it(root: Client, world: World) -> None:
    content = (
        "Username,Display name,Phone\ndora@harbour.example,Dora,4915123456789\nerik@harbour.example,Erik,4921123456\n"
        'fay@harbour.example,Fay,"4,91512E+12"\n'
    )
    tried = upload(root, content)
    assert rows(tried) == [
        (
            "3 erik@harbour.example Erik refused Phone in the directory: This could be two numbers. "
            "Write it with + and the code of the country in front."
        ),
        "4 fay@harbour.example Fay refused Phone in the directory: This is not a telephone number that exists.",
        "2 dora@harbour.example Dora created",
    ]
    root.post(IMPORT, {"draft": hidden(tried, "draft")})
    dora = find_by_name("dora@harbour.example")
    assert dora is not None
    assert dora.directory_phone == "+49 1512 3456789"


@pytest.mark.parametrize("kind", ["people", "states"])
def test_a_sample_can_be_had_and_is_understood(root: Client, world: World, kind: str) -> None:
    answer = root.get(f"/admin/users/import/sample/{kind}.csv")
    assert answer["Content-Disposition"] == f'attachment; filename="{kind}.csv"'
    assert "What would happen" in text(upload(root, answer.content.decode()).content)
    assert root.get("/admin/users/import/sample/nonsense.csv").status_code == 404


def run(*words: object) -> str:
    out = io.StringIO()
    call_command("import_people", *[str(word) for word in words], stdout=out)
    return out.getvalue()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Return a CSV file of two people."""
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE)
    return file


def test_the_command_first_says_what_would_happen(world: World, people: Path) -> None:
    said = run(people)
    assert "line 2: zed@harbour.example: created" in said
    assert "2 created, 0 changed, 0 unchanged, 0 refused" in said
    assert "Nothing was changed. Say --apply to do it." in said
    assert find_by_name("zed@harbour.example") is None


def test_the_command_does_it_and_writes_the_links_down(world: World, people: Path, tmp_path: Path) -> None:
    links = tmp_path / "links.csv"
    said = run(people, "--apply", "--links", links)
    assert "/invitation/" not in said
    assert "Nothing was changed" not in said
    assert links.read_text().count("http://127.0.0.1:8000/") == 2
    assert find_by_name("zed@harbour.example") is not None


def test_the_command_shows_the_links_where_no_file_is_named(world: World, people: Path) -> None:
    assert run(people, "--apply").count("http://127.0.0.1:8000/") == 2


def test_the_command_sets_states(world: World, tmp_path: Path) -> None:
    file = tmp_path / "states.csv"
    file.write_text(STATES)
    run(file, "--apply")
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENABLED


def test_the_command_says_what_is_wrong_and_does_nothing(world: World, people: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.csv"
    taken.touch()
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    for words, says in {
        (tmp_path / "nowhere.csv",): "can't be read: No such file or directory",
        (bad,): "The first line must name the columns",
        (people, "--apply", "--links", taken): "can't be made: File exists",
        (people, "--domain", "other.example"): "no organisation here has the domain 'other.example'",
        (people, "--domain", "-"): "no organisation here has the domain '-'",
    }.items():
        with pytest.raises(CommandError, match=re.escape(says)):
            run(*words)
    assert find_by_name("zed@harbour.example") is None


def test_the_command_asks_which_organisation_is_meant(world: World, people: Path) -> None:
    make_organisation("Other", "other.example")
    with pytest.raises(CommandError, match="say which by --domain"):
        run(people)
    assert "2 created" in run(people, "--domain", "HARBOUR.example")
    assert "2 refused" in run(people, "--domain", "other.example")


@pytest.mark.django_db
def test_the_command_needs_an_organisation(people: Path) -> None:
    with pytest.raises(CommandError, match="watchword createadmin"):
        run(people)
