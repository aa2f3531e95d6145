"""Files of people as spreadsheets write them: what is imported, what is refused, and what is exported."""
# ruff: noqa: RUF001  (full-width letters on purpose)

from __future__ import annotations

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.directory.people_file import (
    LARGEST_FILE,
    SAMPLE,
    SAMPLE_OF_STATES,
    FileKind,
    UnreadableFile,
    harmless,
    read_file,
    write_csv,
)

DORA = {"sign_in_name": "dora@harbour.example", "display_name": "Dora Møller"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_spreadsheet_s_way_of_writing_is_read(encoding: str, separator: str, line_end: str) -> None:
    text = line_end.join([f"Sign-in name{separator}Display name", f"dora@harbour.example{separator}Dora Møller", ""])
    match encoding:
        case "utf-16-le-bom":
            content = b"\xff\xfe" + text.encode("utf-16-le")
        case "utf-16-be-bom":
            content = b"\xfe\xff" + text.encode("utf-16-be")
        case _:
            content = text.encode(encoding)
    file = read_file(content)
    assert file.kind is FileKind.PEOPLE
    assert [dict(row.cells) for row in file.rows] == [DORA]
    assert file.rows[0].line == 2


@pytest.mark.parametrize(
    "headers",
    [
        "username,name",
        "USER NAME , Full Name",
        "User principal name,Display  name",
        "E-mail,NAME",
        "Ｕｓｅｒｎａｍｅ,Name",
    ],
)
def test_headers_are_forgiven(headers: str) -> None:
    if headers.startswith("E-mail"):
        headers = headers.replace("E-mail", "Email")
    assert read_file(f"{headers}\ndora@harbour.example,Dora Møller\n".encode()).rows[0].cells == DORA


@pytest.mark.parametrize(
    "headers",
    [
        "UserPrincipalName,DisplayName",
        "userPrincipalName,displayName",
        "Benutzerprinzipalname,Anzeigename",
        "Nom d'utilisateur principal,Nom d'affichage",
        "Nombre principal de usuario,Nombre para mostrar",
        "Correo electrónico,Nombre completo",
        "E-Mail-Adresse,Vollständiger Name",
    ],
)
def test_headers_are_read_as_programs_and_other_languages_write_them(headers: str) -> None:
    file = read_file(f"{headers}\ndora@harbour.example,Dora Møller\n".encode())
    assert file.rows[0].cells == DORA
    assert (file.ignored, file.doubled) == ((), ())


def test_a_file_with_states_is_one_of_states_whatever_else_it_holds() -> None:
    file = read_file(
        b"DisplayName,UserPrincipalName,MFA Status,MFA Methods\nBob,bob@harbour.example,Enabled,OneWaySMS\n"
    )
    assert file.kind is FileKind.STATES
    assert file.rows[0].cells == {"sign_in_name": "bob@harbour.example", "mfa_status": "Enabled"}
    assert file.ignored == ("DisplayName", "MFA Methods")


def test_of_two_columns_with_one_meaning_the_better_is_used_and_both_are_named() -> None:
    file = read_file(
        b"User principal name,Mail,Display name,Phone number,Mobile Phone\n"
        b"dora@harbour.example,d@elsewhere.example,Dora,+49 40 1234567,+49 151 23456789\n"
    )
    assert file.rows[0].cells["sign_in_name"] == "dora@harbour.example"
    assert file.rows[0].cells["directory_phone"] == "+49 151 23456789"
    assert file.doubled == (("Mail", "User principal name"), ("Phone number", "Mobile Phone"))


def test_a_login_without_an_at_sign_gives_way_to_the_address_beside_it() -> None:
    file = read_file(b"Username,Email,Display name,Status\njoerg,joerg@harbour.example,Joerg,enabled\n")
    assert file.rows[0].cells == {"sign_in_name": "joerg@harbour.example", "display_name": "Joerg"}
    assert file.doubled == (("Username", "Email"),)
    assert file.ignored == ("Status",)


def test_two_columns_of_equal_rank_are_refused_by_their_names() -> None:
    with pytest.raises(UnreadableFile) as caught:
        read_file(b"Username,Phone,Telephone,Name\na@harbour.example,1,2,A\n")
    assert caught.value.detail == "“Phone”, “Telephone”"


def test_letters_that_are_no_utf_8_are_windows_1252_and_that_is_said() -> None:
    file = read_file("Username;Display name\njoerg@harbour.example;Jörg Müller €\n".encode("windows-1252"))
    assert file.is_windows_1252
    assert file.rows[0].cells["display_name"] == "Jörg Müller €"
    assert not read_file("Username;Display name\njoerg@harbour.example;Jörg\n".encode()).is_windows_1252


def test_the_bulk_file_of_the_original_is_read() -> None:
    file = read_file(b"Username, MFA Status\r\nalice@harbour.example, Enabled\r\nbob@harbour.example, Disabled\r\n")
    assert file.kind is FileKind.STATES
    assert [row.cells["mfa_status"] for row in file.rows] == ["Enabled", "Disabled"]


def test_the_separator_that_excel_tells_is_believed_and_lines_keep_their_numbers() -> None:
    file = read_file(b"sep=;\r\nUsername;Name\r\n\r\ndora@harbour.example;Whitfield, Dora\r\n")
    assert file.rows[0].cells["display_name"] == "Whitfield, Dora"
    assert file.rows[0].line == 4


def test_columns_that_mean_nothing_are_named() -> None:
    file = read_file(b"Username,Name,Shoe size,\na@harbour.example,A,44,\n")
    assert file.ignored == ("Shoe size",)


def test_a_row_with_too_many_cells_is_told_apart() -> None:
    file = read_file(b"Username,Name,Phone\na@harbour.example,Whitfield, Dora,+49 151 1\nb@harbour.example,B\n")
    assert [row.too_many for row in file.rows] == [1, 0]
    assert file.rows[1].cells["directory_phone"] == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (b"sep=;\r\n", "empty"),
        (b"Username,Name\n", "empty"),
        (b"Username,Name\n,\n", "empty"),
        (b"First,Second\na,b\n", "headers"),
        (b"Username\na@harbour.example\n", "headers"),
        (b"Username,Phone,Telephone,Name\na,b,c,d\n", "columns"),
        (b"Username,Name\na@harbour.example,\x81\x8d\n", "encoding"),
        (b"Username,Name\na@harbour.example,a\0b\n", "encoding"),
        (b"\xff\xfeU", "encoding"),
        (b"PK\x03\x04 a spreadsheet", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0 an old spreadsheet", "spreadsheet"),
        (b'Username,Name\n"a@harbour.example,A\n', "not_csv"),
        (b"Username,Name\na@harbour.example," + b"a" * 200_000 + b"\n", "not_csv"),
        (b"x" * (LARGEST_FILE + 1), "too_large"),
        (b"Username,Name\n" + b"a@harbour.example,A\n" * 11, "too_many_rows"),
    ],
)
def test_what_can_t_be_read_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        read_file(content, most_rows=10)
    assert caught.value.reason == reason


def test_an_unclosed_quotation_mark_names_its_line() -> None:
    with pytest.raises(UnreadableFile, match="line 3"):
        read_file(b'Username,Name\na@harbour.example,A\n"b@harbour.example,B\n')


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    with contextlib.suppress(UnreadableFile):
        assert read_file(content).rows


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1), min_size=1))
def test_no_cell_that_we_hand_out_is_a_formula(lines: list[list[str]]) -> None:
    written = csv.reader(io.StringIO(write_csv(lines), newline=""))
    for cells in written:
        assert all(cell.lstrip()[:1] not in set("=+-@＝＋－＠") and cell[:1] not in {"\t", "\r"} for cell in cells)


@pytest.mark.parametrize("cell", ["=1+1", "+49 151", "-2", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1"])
def test_a_formula_is_defused_and_read_back_as_it_was(cell: str) -> None:
    assert harmless(cell).startswith("'")
    content = write_csv([["Username", "Name"], ["a@harbour.example", cell]]).encode()
    assert read_file(content).rows[0].cells["display_name"].strip() == cell.strip()


def test_an_apostrophe_in_front_of_a_name_stays() -> None:
    assert read_file(b"Username,Name\na@harbour.example,'t Hooft\n").rows[0].cells["display_name"] == "'t Hooft"


@pytest.mark.parametrize(("sample", "kind"), [(SAMPLE, FileKind.PEOPLE), (SAMPLE_OF_STATES, FileKind.STATES)])
def test_our_samples_can_be_read(sample: str, kind: FileKind) -> None:
    file = read_file(sample.encode())
    assert file.kind is kind
    assert file.ignored == ()
