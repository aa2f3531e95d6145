"""Imported and exported files: formulas, sizes, disguises, bad rows, last administrators."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pages import text
from tests.world import ORIGIN, World, make_organisation, make_person, sign_in
from watchword.admincenter.models import Draft
from watchword.admincenter.users.csv_import import import_rows
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import MfaState
from watchword.directory.administrators import LastGlobalAdministrator
from watchword.directory.models import SignInName, User
from watchword.directory.people_file import LARGEST_FILE, UnreadableFile, read_file, write_csv
from watchword.directory.roles import Role
from watchword.signin import actions

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "=cmd|' /C calc'!A0", '=HYPERLINK("//e")']
FORMULAS += [
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "\u00a0=1",
    "\ufeff=1",
    "\u200b=1",
    "\0=1",
    ";=1",
    '"=1"',
]
HEAD = b"Sign-in name,Display name\n"
MEMORY = 64 * 1024 * 1024


def is_run_by_a_spreadsheet(cell: str) -> bool:
    """Return whether a spreadsheet program might evaluate a cell as a formula (OWASP, CSV injection)."""
    bare = "".join(letter for letter in cell if letter.isprintable() and not letter.isspace()).lstrip("\u200b\ufeff")
    return cell[:1] in {"\t", "\r", "\n", "\0"} or bare[:1] in set("=+-@\uff1d\uff0b\uff0d\uff20")


def upload(client: Client, content: bytes, name: str = "people.csv") -> Any:
    return client.post("/admin/users/import/", {"file": SimpleUploadedFile(name, content)})


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(FORMULAS)), min_size=1, max_size=6))
@example(FORMULAS)
@example(['a","=1+1', "a\n=1+1", "a\r\n@SUM(1)", "'=1"])
def test_csv_01_no_cell_of_a_file_that_goes_out_is_a_formula(cells: list[str]) -> None:
    """A cell that a spreadsheet could run as a formula gets an apostrophe, and RFC 4180 quoting keeps cells apart."""
    written = write_csv([cells])
    [row] = csv.reader(io.StringIO(written, newline=""))
    assert len(row) == len(cells)
    for cell, original in zip(row, cells, strict=True):
        assert cell in {original, f"'{original}"}
        assert not is_run_by_a_spreadsheet(cell)


def test_csv_01_the_exported_log_runs_nothing(world: World) -> None:
    """Names, addresses and programs typed by strangers stay text when an administrator opens the exported log."""
    for formula in FORMULAS:
        origin = Origin(address="198.51.100.7", agent=formula, door="web", service=formula[:20])
        record(
            EventKind.SIGN_IN_DENIED,
            now=timezone.now(),
            origin=origin,
            reason="unknown",
            name=formula,
            organisation_id=world.organisation.pk,
        )
    client = Client()
    sign_in(client, world.root)
    answer = client.get("/admin/sign-ins.csv")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"].startswith("attachment")
    content = b"".join(answer) if answer.streaming else answer.content
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len(rows) > len(FORMULAS)
    for row in rows:
        for cell in row:
            assert not is_run_by_a_spreadsheet(cell), row


def test_csv_01_the_file_of_invitations_runs_nothing(world: World) -> None:
    """A name that was imported as a formula isn't exported as one."""
    client = Client()
    sign_in(client, world.root)
    draft = upload(client, HEAD + b"=x@harbour.example,=1+1\n")["Location"].partition("draft=")[2]
    done = client.post("/admin/users/import/", {"draft": draft})
    assert "&#x27;=x@" in done.content.decode()
    # A plus, a hyphen or an at sign can no longer begin a name.
    for first in "+-@":
        page = client.get(upload(client, HEAD + f"{first}x@harbour.example,=1+1\n".encode())["Location"])
        assert "1</strong> refused" in page.content.decode()


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", b"0" * (50 * 1024 * 1024))
    return packed.getvalue()


HUGE: dict[str, tuple[bytes, str]] = {
    "one byte too many": (HEAD + b"x" * LARGEST_FILE, "too_large"),
    "one huge line": (HEAD + b"a@harbour.example," + b"x" * (LARGEST_FILE - 100), "not_csv"),
    "a huge cell in quotes": (HEAD + b'a@harbour.example,"' + b"x" * (LARGEST_FILE - 100), "not_csv"),
    "a million columns": (b"," * 1_000_000 + b"\n", "not_csv"),
    "a million named columns": (
        b"Sign-in name,Display name" + b",x" * 1_000_000 + b"\na@b.example,A\n",
        "not_csv",
    ),
    "millions of rows": (HEAD + b"a,b\n" * 1_200_000, "too_many_rows"),
    "millions of blank lines": (b"\n" * (LARGEST_FILE - 10), "empty"),
    "millions of quotes": (HEAD + b'"' * (LARGEST_FILE - 100), "not_csv"),
    "a zip by another name": (zipped(), "spreadsheet"),
    "gzip": (gzip.compress(b"0" * 10_000_000), "encoding"),
    "NULs": (HEAD + b"a@harbour.example,A\0B\n", "encoding"),
    "no letters at all": (HEAD + b"a@harbour.example,\x81\x8d\n", "encoding"),
    "half of UTF-16": (b"\xff\xfe" + HEAD, "headers"),
    "nothing": (b"", "empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "empty"),
}


@pytest.mark.parametrize("what", list(HUGE))
def test_csv_02_a_file_that_is_none_is_refused_within_bounded_memory(what: str) -> None:
    """Oversized, disguised and wrongly encoded files are refused as a whole, with the reason, within 64 MiB of RAM."""
    content, reason = HUGE[what]
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFile) as refused:
            read_file(content)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.reason == reason
    assert peak < MEMORY


@pytest.mark.parametrize("what", list(HUGE))
def test_csv_02_the_page_says_why_and_keeps_nothing(world: World, what: str) -> None:
    """A refused file is explained in one plain sentence; nothing is stored and no user is changed."""
    client = Client()
    sign_in(client, world.root)
    page = upload(client, HUGE[what][0])
    assert page.status_code == 200
    assert "There is a problem" in text(page.content) or "Error:" in text(page.content)
    assert len(page.content) < 100_000
    assert not Draft.objects.exists()
    assert User.objects.count() == 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_02_what_spreadsheets_really_write_is_read(encoding: str) -> None:
    """UTF-8 with or without a byte order mark, and UTF-16 with one, import as the same file."""
    content = "Sign-in name;Display name\r\ndora@harbour.example;Dora Ünal\r\n".encode(encoding)
    assert [row.cells["display_name"] for row in read_file(content).rows] == ["Dora Ünal"]


def test_csv_03_a_bad_row_in_the_middle_is_reported_and_stops_no_other(world: World) -> None:
    """A bad row 500 of 1,000 is reported with its line number, the others are applied, a second run changes nothing."""
    names = [f"p{number:04d}" for number in range(1_000)]
    lines = [f"{name}@harbour.example,Enabled" for name in names]
    users = [
        User(
            organisation=world.organisation,
            sign_in_name=f"{name}@harbour.example",
            display_name=name,
            created_at=world.now,
            mfa_state=MfaState.DISABLED if 450 <= number < 550 else MfaState.ENABLED,
            mfa_changed_at=world.now,
            search_key=name,
        )
        for number, name in enumerate(names)
    ]
    User.objects.bulk_create(users)
    SignInName.objects.bulk_create(
        [SignInName(user=user, name=user.sign_in_name, key=user.sign_in_name) for user in users]
    )
    lines[499] = "p0499@harbour.example,Nonsense"

    def run(lines: list[str]) -> list[tuple[int, str]]:
        file = read_file(b"Username,MFA Status\n" + "\n".join(lines).encode())
        results = import_rows(file, organisation=world.organisation, by=world.root, origin=ORIGIN, is_real=True).results
        return [(result.line, result.outcome) for result in results]

    outcomes = run(lines)
    assert [row for row in outcomes if row[1] not in {"changed", "unchanged"}] == [(501, "refused")]
    assert [line for line, outcome in outcomes if outcome == "changed"] == [*range(452, 501), *range(502, 552)]
    assert User.objects.filter(mfa_state=MfaState.ENABLED).exclude(pk=world.bob.pk).count() == 999
    assert run(lines[498:501]) == [(2, "unchanged"), (3, "refused"), (4, "unchanged")]


def test_csv_04_people_of_another_organisation_are_nobody_here(world: World) -> None:
    """An imported file changes no user of another organisation, creates none in its domain, and reveals nothing."""
    other = make_organisation("Other", "other.example")
    victim = make_person(other, "victim")
    states = read_file(b"Username,MFA Status\nvictim@other.example,Enabled\nghost@other.example,Enabled\n")
    results = import_rows(states, organisation=world.organisation, by=world.root, origin=ORIGIN, is_real=True).results
    assert {(result.outcome, result.said) for result in results} == {("refused", "There is nobody by this name.")}
    people = read_file(HEAD + b"victim@other.example,Renamed\nghost@other.example,New\n")
    results = import_rows(people, organisation=world.organisation, by=world.root, origin=ORIGIN, is_real=True).results
    assert {result.outcome for result in results} == {"refused"}
    assert len({result.said for result in results}) == 1
    victim.refresh_from_db()
    assert victim.display_name == "Victim"
    assert victim.state is MfaState.DISABLED
    assert User.objects.filter(organisation=other).count() == 1


def test_csv_04_no_file_takes_the_last_administrator_away(world: World) -> None:
    """Columns for roles, blocking and deletion are ignored in a file, and the last administrator can't be removed."""
    file = read_file(b"Sign-in name,Display name,Roles,Blocked,Deleted\nroot@harbour.example,Root,,yes,yes\n")
    assert file.ignored == ("Roles", "Blocked", "Deleted")
    import_rows(file, organisation=world.organisation, by=world.root, origin=ORIGIN, is_real=True)
    root = User.objects.select_related("organisation").get(pk=world.root.pk)
    assert root.blocked_at is None
    assert root.deleted_at is None
    assert Role.GLOBAL_ADMINISTRATOR in root.roles
    client = Client()
    sign_in(client, root)
    for act in ("block", "delete"):
        assert client.post(f"/admin/users/{root.pk}/{act}/").status_code == 409
    for forbidden in (actions.block, actions.delete):
        with pytest.raises(LastGlobalAdministrator):
            forbidden(root, by=None, origin=ORIGIN, now=timezone.now())
