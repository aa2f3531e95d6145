"""Reads files of people and of multi-factor states as spreadsheets write them, row by row, and changes nothing."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

LARGEST_FILE = 5 * 1024 * 1024
MOST_ROWS = 50_000
LONGEST_LINE = 64 * 1024
LONGEST_CELL = 1_000
BYTE_ORDER_MARK = "\ufeff"
"""Before a file that we hand out: by it Excel knows UTF-8."""

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


_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How files of Excel and LibreOffice begin."""

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")

_TOLD_SEPARATOR = re.compile(r"sep=([,;\t])", re.IGNORECASE)
"""A first line by which Excel is told the separator."""


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
    """One row of the file: its line number, its cells under our names, and how many cells there are too many."""

    line: int
    cells: Mapping[str, str]
    too_many: int = 0


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """A file that could be read; ``ignored`` are the headers of columns that mean nothing here."""

    kind: FileKind
    rows: tuple[Row, ...]
    ignored: tuple[str, ...] = ()


def read_file(content: bytes, *, most_rows: int = MOST_ROWS) -> PeopleFile:
    """Read a whole file, or refuse it.

    Raises UnreadableFile with ``too_large``, ``empty``, ``spreadsheet``, ``encoding``, ``headers``, ``columns``,
    ``too_many_rows`` or ``not_csv``.
    """
    text, separator = _separated(_text(content))
    reader = csv.reader(_lines(text), delimiter=separator, strict=True)
    try:
        headers = next(cells for cells in reader if any(cell.strip() for cell in cells))
        names = [_our_name(header) for header in headers]
        kind = _kind(names)
        rows = []
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_row(reader.line_num, names, cells))
            if len(rows) > most_rows:
                raise UnreadableFile("too_many_rows")
    except csv.Error as error:
        raise UnreadableFile("not_csv", f"line {max(reader.line_num, 1)}: {error}") from None
    except StopIteration:
        raise UnreadableFile("empty") from None
    if not rows:
        raise UnreadableFile("empty")
    ignored = [header.strip()[:60] for header, name in zip(headers, names, strict=True) if header.strip() and not name]
    return PeopleFile(kind, tuple(rows), tuple(ignored))


def write_csv(lines: Iterable[Sequence[object]]) -> str:
    """Return lines as CSV that a spreadsheet opens without running anything in it (OWASP, CSV injection)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for line in lines:
        writer.writerow([harmless(str(cell)) for cell in line])
    return out.getvalue()


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    # Some programs take full-width signs for the plain ones, and skip blanks and marks that nobody sees before them.
    seen = (letter for letter in cell if letter.isprintable() and not letter.isspace())
    first = unicodedata.normalize("NFKC", next(seen, ""))
    return first in {"=", "+", "-", "@"} or cell[:1] in {"\t", "\r", "\n", "\0"}


def _text(content: bytes) -> str:
    if len(content) > LARGEST_FILE:
        raise UnreadableFile("too_large")
    if content.startswith(_SPREADSHEETS):
        raise UnreadableFile("spreadsheet")
    text = _decode(content).strip("\ufeff")
    if not text.strip():
        raise UnreadableFile("empty")
    if "\0" in text:
        raise UnreadableFile("encoding")
    return text


def _lines(text: str) -> Iterator[str]:
    # One at a time, so that a file never stands in memory a second time; and none so long that its cells would.
    for found in _LINE.finditer(text):
        if found.end() - found.start() > LONGEST_LINE:
            raise csv.Error(f"longer than {LONGEST_LINE} characters")
        yield found[0]


def _separated(text: str) -> tuple[str, str]:
    first = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
    told = _TOLD_SEPARATOR.fullmatch(first.strip())
    if told is None:
        return text, max(",;\t", key=first.count)
    # The line that only tells the separator becomes a blank one, so that line numbers stay those of the file.
    return text.replace(first, "", 1), told[1]


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


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> Row:
    found = {name: _plain(cell) for name, cell in zip(names, cells, strict=False) if name}
    # A name with a comma that is not in quotation marks moves all cells after it: better refused than believed.
    too_many = sum(1 for cell in cells[len(names) :] if cell.strip())
    return Row(line, {name: found.get(name, "") for name in _HEADERS if name in names}, too_many)


def _plain(cell: str) -> str:
    # A cell that we or a spreadsheet defused with an apostrophe is read as what it was; "'t Hooft" stays a name.
    text = cell.strip()[:LONGEST_CELL]
    return text[1:] if text.startswith("'") and _is_formula(text[1:]) else text
