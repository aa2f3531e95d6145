"""Parses CSV files of people and of multi-factor states as spreadsheets write them; does not change the database."""

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
"""The start of a file for download, by which Excel recognises UTF-8."""


def squashed(header: str) -> str:
    """Return a header or a state in lower case, without accents, blanks and punctuation."""
    folded = unicodedata.normalize("NFKD", header.strip("\ufeff")).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def _names(headers: str) -> frozenset[str]:
    return frozenset(squashed(header) for header in headers.split())


_HEADERS: Mapping[str, tuple[frozenset[str], ...]] = {
    "sign_in_name": (
        _names("signInName userPrincipalName UPN benutzerprinzipalname nomDUtilisateurPrincipal"),
        _names("nombrePrincipalDeUsuario nombreDeUsuarioPrincipal"),
        _names("username login loginName userLogin anmeldename benutzername benutzeranmeldename nomDUtilisateur"),
        _names("identifiant nomDeConnexion nombreDeUsuario usuario inicioDeSesion"),
        _names("email mail emailAddress primarySmtpAddress emailAdresse mailadresse adresseEmail courriel"),
        _names("adresseDeMessagerie adresseElectronique correoElectronico correo direccionDeCorreoElectronico"),
    ),
    "display_name": (
        _names("displayName anzeigename nomComplet nomDAffichage nomAAfficher nombreParaMostrar nombreCompleto"),
        _names("fullName vollständigerName name"),
    ),
    "contact_mail": (
        _names("contactMail contactEmail kontaktmail kontaktEmail emailDeContact correoDeContacto"),
        _names("alternateEmailAddress alternateEmail alternativeEmailAddress privateMail privateEmail"),
        _names("alternativeEmailAdresse adresseEmailSecondaire correoElectronicoAlternativo"),
    ),
    "directory_phone": (
        _names(
            "mobilePhone mobile mobileNumber mobilePhoneNumber cellPhone mobiltelefon mobilnummer handynummer handy"
        ),
        _names("telephoneMobile telephonePortable portable mobil telefonoMovil movil celular telefonoCelular"),
        _names("phone phoneNumber telephone telephoneNumber telefon telefonnummer rufnummer"),
        _names("numeroDeTelephone telefono numeroDeTelefono"),
    ),
    "mfa_status": (
        _names("mfaStatus mfaState multiFactorAuthStatus multiFactorAuthState multiFactorAuthentication"),
        _names("multiFactorAuthenticationStatus perUserMfaState perUserMfaStatus strongAuthenticationState"),
        _names("statutMfa etatMfa authentificationMultifacteur estadoMfa estadoDeMfa autenticacionMultifactor"),
        _names("mehrstufigeAuthentifizierung multiFaktorAuthentifizierung mfaZustand"),
    ),
}
"""The headers recognised for each column, the preferred ones first: those in exports of Microsoft 365, Entra, its
PowerShell modules and Exchange in English, German, French and Spanish, and those that people commonly write."""
_NEEDED = {
    "people": ("sign_in_name", "display_name"),
    "states": ("sign_in_name", "mfa_status"),
    "members": ("sign_in_name",),
}

SAMPLE = (
    "Sign-in name,Display name,Contact mail,Phone\r\n"
    "dora@harbour.example,Dora Whitfield,dora@elsewhere.example,+49 151 23456789\r\n"
)
SAMPLE_OF_STATES = "Username,MFA Status\r\ndora@harbour.example,Enabled\r\n"


_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first octets of files of Excel and LibreOffice."""

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")

_TOLD_SEPARATOR = re.compile(r"sep=([,;\t])", re.IGNORECASE)
"""The first line that declares the separator for Excel."""


class FileKind(StrEnum):
    """The content of a file, recognised by its headers."""

    PEOPLE = "people"
    STATES = "states"
    MEMBERS = "members"
    """Sign-in names alone are used; only where a list of members is asked for."""


class UnreadableFile(ValueError):
    """A file that is rejected as a whole; ``reason`` is a word that the page translates."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One row of the file: its line number, its cells by column name, and the number of surplus cells."""

    line: int
    cells: Mapping[str, str]
    too_many: int = 0


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """A file that was parsed.

    ``ignored`` are the headers of columns that are not used. ``doubled`` are pairs of headers with one meaning: the
    unused one and the used one. ``is_windows_1252`` is True for a file that is not UTF-8: it was decoded as
    Windows-1252, which is a guess, so a person should check the names.
    """

    kind: FileKind
    rows: tuple[PersonRow, ...]
    ignored: tuple[str, ...] = ()
    doubled: tuple[tuple[str, str], ...] = ()
    is_windows_1252: bool = False


def read_file(
    content: bytes,
    *,
    most_rows: int = MOST_ROWS,
    kinds: Sequence[FileKind] = (FileKind.STATES, FileKind.PEOPLE),
) -> PeopleFile:
    """Parse a whole file, or raise UnreadableFile.

    A file with a column of multi-factor states is always a file of states, whatever other columns it has, because
    reports that administrators store contain display names beside the states. ``kinds`` are those that are accepted,
    the first that matches.

    Raises UnreadableFile with ``too_large``, ``empty``, ``spreadsheet``, ``encoding``, ``headers``, ``columns``,
    ``too_many_rows`` or ``not_csv``.
    """
    decoded, is_windows_1252 = _text(content)
    text, separator = _separated(decoded)
    reader = csv.reader(_lines(text), delimiter=separator, strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        headers = [header.strip() for header in next(cells for cells in reader if any(cell.strip() for cell in cells))]
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((reader.line_num, cells))
            if len(lines) > most_rows:
                raise UnreadableFile("too_many_rows")
    except csv.Error as error:
        raise UnreadableFile("not_csv", f"line {max(reader.line_num, 1)}: {error}") from None
    except StopIteration:
        raise UnreadableFile("empty") from None
    columns, doubled = _choose_columns(headers, [cells for _line, cells in lines])
    kind = _kind(columns, kinds)
    if kind is FileKind.STATES:
        columns = {ours: columns[ours] for ours in _NEEDED["states"]}
        doubled = [(other, used) for other, used in doubled if used in {headers[place] for place in columns.values()}]
    if not lines:
        raise UnreadableFile("empty")
    used = {*columns.values(), *(headers.index(other) for other, _used in doubled)}
    ignored = [header[:60] for place, header in enumerate(headers) if header and place not in used]
    rows = tuple(_row(line, columns, cells, len(headers)) for line, cells in lines)
    return PeopleFile(kind, rows, tuple(ignored), tuple(doubled), is_windows_1252)


def write_csv(lines: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV in which a spreadsheet finds no formula to execute (OWASP, CSV injection)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for line in lines:
        writer.writerow([harmless(str(cell)) for cell in line])
    return out.getvalue()


def harmless(cell: str) -> str:
    """Return a cell escaped so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    # Some programs accept full-width forms of these characters, and skip leading blanks and invisible characters.
    seen = (letter for letter in cell if letter.isprintable() and not letter.isspace())
    first = unicodedata.normalize("NFKC", next(seen, ""))
    return first in {"=", "+", "-", "@"} or cell[:1] in {"\t", "\r", "\n", "\0"}


def _text(content: bytes) -> tuple[str, bool]:
    if len(content) > LARGEST_FILE:
        raise UnreadableFile("too_large")
    if content.startswith(_SPREADSHEETS):
        raise UnreadableFile("spreadsheet")
    decoded, is_windows_1252 = _decode(content)
    text = decoded.strip("\ufeff")
    if not text.strip():
        raise UnreadableFile("empty")
    if "\0" in text:
        raise UnreadableFile("encoding")
    return text, is_windows_1252


def _lines(text: str) -> Iterator[str]:
    # One line at a time and of limited length, so that the file is never in memory twice.
    for found in _LINE.finditer(text):
        if found.end() - found.start() > LONGEST_LINE:
            raise csv.Error(f"longer than {LONGEST_LINE} characters")
        yield found[0]


def _separated(text: str) -> tuple[str, str]:
    first = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
    told = _TOLD_SEPARATOR.fullmatch(first.strip())
    if told is None:
        return text, max(",;\t", key=first.count)
    # The line that declares the separator is replaced by a blank one, so that line numbers match the file.
    return text.replace(first, "", 1), told[1]


def _decode(content: bytes) -> tuple[str, bool]:
    """Return the text and whether it is Windows-1252, which Excel writes unless UTF-8 is chosen."""
    is_utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ["utf-16"] if is_utf_16 else ["utf-8-sig", "windows-1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding), encoding == "windows-1252"
        except UnicodeDecodeError:
            continue
    raise UnreadableFile("encoding")


def _choose_columns(
    headers: Sequence[str], lines: Sequence[Sequence[str]]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the position of each known column, and the pairs of headers of which only the second is used."""
    plain = [squashed(header) for header in headers]
    columns, doubled = {}, []
    for ours, tiers in _HEADERS.items():
        places = [place for names in tiers for place, name in enumerate(plain) if name in names]
        if not places:
            continue
        first = next(names for names in tiers if plain[places[0]] in names)
        equals = [headers[place][:60] for place in places if plain[place] in first]
        if len(equals) > 1:
            raise UnreadableFile("columns", ", ".join(f"“{header}”" for header in equals))
        chosen = places[0]
        if ours == "sign_in_name":
            # The values decide, not the header: a sign-in name is an address, and a login such as "joerg" is not.
            chosen = next((place for place in places if _holds_addresses(lines, place)), chosen)
        columns[ours] = chosen
        doubled += [(headers[place][:60], headers[chosen][:60]) for place in places if place != chosen]
    return columns, doubled


def _holds_addresses(lines: Sequence[Sequence[str]], place: int) -> bool:
    cells = [cells[place].strip() for cells in lines if place < len(cells) and cells[place].strip()]
    return bool(cells) and all("@" in cell for cell in cells)


def _kind(columns: Mapping[str, int], kinds: Sequence[FileKind]) -> FileKind:
    for kind in kinds:
        if set(_NEEDED[kind]) <= set(columns):
            return kind
    raise UnreadableFile("headers")


def _row(line: int, columns: Mapping[str, int], cells: Sequence[str], width: int) -> PersonRow:
    found = {ours: _plain(cells[place]) if place < len(cells) else "" for ours, place in columns.items()}
    # An unquoted name with a comma shifts all cells after it: such a row must be refused.
    too_many = sum(1 for cell in cells[width:] if cell.strip())
    return PersonRow(line, found, too_many)


def _plain(cell: str) -> str:
    # An apostrophe that ``harmless`` or a spreadsheet put before a formula is removed; "'t Hooft" stays a name.
    text = cell.strip()[:LONGEST_CELL]
    return text[1:] if text.startswith("'") and _is_formula(text[1:]) else text
