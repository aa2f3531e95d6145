"""Reads files of people and of multi-factor states as spreadsheets write them, row by row, and changes nothing."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

LARGEST_FILE = 5 * 1024 * 1024
MOST_ROWS = 50_000
LONGEST_CELL = 1_000

_HEADERS = {
    "sign_in_name": {"sign in name", "username", "user name", "user principal name", "upn", "email", "mail", "login"},
    "display_name": {"display name", "name", "full name"},
    "contact_mail": {"contact mail", "contact email", "alternate email address", "private mail"},
    "directory_phone": {"phone", "phone number", "mobile phone", "telephone"},
    "mfa_status": {"mfa status", "mfa state", "multi factor auth status", "multi factor authentication"},
}
_NEEDED = {"people": ("sign_in_name", "display_name"), "states": ("sign_in_name", "mfa_status")}

SAMPLE = (
    "Sign-in name,Display name,Contact mail,Phone\r\n"
    "dora@harbour.example,Dora Whitfield,dora@elsewhere.example,+49 151 23456789\r\n"
)
SAMPLE_OF_STATES = "Username,MFA Status\r\ndora@harbour.example,Enabled\r\n"


class FileKind(StrEnum):
    """What a file is about; its first line tells."""

    PEOPLE = "people"
    STATES = "states"


class UnreadableFile(ValueError):
    """The file can't be read as a whole; ``reason`` is a machine word for the page to translate."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file: its line number, and its cells under our names."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """A file that could be read."""

    kind: FileKind
    rows: tuple[Row, ...]


def read_file(content: bytes) -> PeopleFile:
    """Read a whole file. Raises UnreadableFile with ``too_large``, ``empty``, ``encoding``, ``headers``, ``columns``,
    ``too_many_rows`` or ``not_csv``.
    """
    if len(content) > LARGEST_FILE:
        raise UnreadableFile("too_large")
    text = _decode(content).strip("\ufeff")
    if not text.strip():
        raise UnreadableFile("empty")
    if "\0" in text:
        raise UnreadableFile("not_csv")
    first = text.split("\n", maxsplit=1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names = [_our_name(cell) for cell in next(reader)]
        kind = _kind(names)
        rows = [Row(reader.line_num, _cells(names, cells)) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise UnreadableFile("not_csv", f"line {reader.line_num}: {error}") from None
    if len(rows) > MOST_ROWS:
        raise UnreadableFile("too_many_rows")
    if not rows:
        raise UnreadableFile("empty")
    return PeopleFile(kind, tuple(rows))


def write_csv(lines: Iterable[Sequence[object]]) -> str:
    """Return lines as CSV that a spreadsheet opens without running anything in it (OWASP, CSV injection)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for line in lines:
        writer.writerow([harmless(str(cell)) for cell in line])
    return out.getvalue()


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    if cell.lstrip()[:1] in {"=", "+", "-", "@"} or cell[:1] in {"\t", "\r"}:
        return f"'{cell}"
    return cell


def _decode(content: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig")):
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError:
                raise UnreadableFile("encoding") from None
    raise AssertionError("every content begins with nothing")


def _our_name(header: str) -> str:
    folded = unicodedata.normalize("NFKC", header.strip("\ufeff")).casefold()
    plain = " ".join("".join(letter if letter.isalnum() else " " for letter in folded).split())
    return next((ours for ours, theirs in _HEADERS.items() if plain in theirs), "")


def _kind(names: Sequence[str]) -> FileKind:
    if len([name for name in names if name]) != len({name for name in names if name}):
        raise UnreadableFile("columns")
    if set(_NEEDED["states"]) <= set(names) and "display_name" not in names:
        return FileKind.STATES
    if set(_NEEDED["people"]) <= set(names):
        return FileKind.PEOPLE
    raise UnreadableFile("headers")


def _cells(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    # A formula-looking cell that we or a spreadsheet defused with an apostrophe is read as what it was.
    found = {
        name: cell.strip()[:LONGEST_CELL].removeprefix("'") for name, cell in zip(names, cells, strict=False) if name
    }
    return {name: found.get(name, "") for name in _HEADERS if name in names}
