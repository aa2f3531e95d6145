"""What an operator says about one SMSC."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from watchword.messaging.certificates import check_certificates

LONGEST_NUMBER = 20
"""Digits of an address (SMPP 3.4 section 4.4.1), without the closing zero."""
STANDARD_PASSWORD = 8
"""Characters of a password (SMPP 3.4 section 4.1.5)."""
LONGEST_PASSWORD = 64
"""Of what carriers give out all the same."""
LONGEST_NAME = 11
"""Letters of an alphanumeric sender (3GPP TS 23.040)."""


class Alphabet(StrEnum):
    """What data_coding 0, the SMSC's default alphabet, means on the wire."""

    GSM = "gsm"
    """GSM 03.38, one octet for each septet."""
    LATIN1 = "latin1"


class Ids(StrEnum):
    """How older files said that a carrier writes message ids; receipts are joined in every way now."""

    AS_IS = "as-is"
    HEX_TO_DECIMAL = "hex-to-decimal"


class Validity(StrEnum):
    """How an SMSC is told until when it may try (SMPP 3.4 section 7.1.1)."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"
    NONE = "none"
    """It is not told: for one that takes neither form. A dead code may arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppConfig:
    """One SMSC: where it is, who we are there, and how it likes things written.

    ``tls``: the carrier's certificate is verified, against the authorities of the operating system and for the very
    name or address in ``host``. An authority of one's own is added to the system's, or named by SSL_CERT_FILE in the
    environment of `watchword serve phones`; then for every carrier over TLS. Without ``tls`` the password, the numbers
    and the codes go in clear: only through a tunnel, or to a machine beside this one.
    """

    host: str
    port: int = 2775
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    tls: bool = False
    sender: str = ""
    """A name of at most 11 letters, a number with plus, or a short code; empty: the carrier's choice."""
    window_size: int = 20
    alphabet: Alphabet = Alphabet.GSM
    validity: Validity = Validity.RELATIVE
    ca_file: Path | None = None
    """Certificates of the authority that signed the carrier's, in place of the system's."""
    trace: bool = False
    """Whether each PDU is logged: its name, sequence number and status, never its body."""
    ids: Ids | None = None
    """Without effect."""

    def __post_init__(self) -> None:
        """Refuse what no SMSC would take; raises ValueError."""
        if not 0 < self.port < 65_536:
            raise ValueError("port is not from 1 to 65535")
        if not 1 <= self.window_size <= 1000:
            raise ValueError("window_size is not from 1 to 1000")
        for name, text, most in (
            ("system_id", self.system_id, 15),
            ("password", self.password, LONGEST_PASSWORD),
            ("system_type", self.system_type, 12),
        ):
            if len(text) > most or not _is_plain(text):
                raise ValueError(f"{name} has more than {most} characters, or one outside ASCII (SMPP 3.4, 4.1)")
        if self.ca_file is not None:
            check_certificates(self.ca_file)
        number = self.sender.removeprefix("+")
        most = LONGEST_NUMBER if number.isdecimal() else LONGEST_NAME
        is_name = self.sender == number
        if len(number) > most or not _is_plain(number) or not (is_name or number.isdecimal()):
            raise ValueError(f"sender is neither a number nor a name of at most {LONGEST_NAME} letters")

    @property
    def notes(self) -> list[str]:
        """Return what `watchword phones check` says of what works, but not everywhere or not at all."""
        notes = []
        if len(self.password) > STANDARD_PASSWORD:
            notes.append(
                f"password has more than the {STANDARD_PASSWORD} characters that SMPP 3.4 allows; it is sent as it is,"
                " which some carriers want and others refuse"
            )
        if self.ids is not None:
            notes.append("ids has no effect: receipts are joined whatever way the carrier writes its ids; leave it out")
        if self.validity is Validity.NONE:
            notes.append("validity is none: the carrier may deliver codes that are dead")
        return notes

    @property
    def source(self) -> tuple[int, int, str]:
        """Type of number, numbering plan and address of the sender (SMPP 3.4 sections 5.2.5 and 5.2.6)."""
        if not self.sender:
            return 0, 0, ""
        if self.sender.startswith("+"):
            return 1, 1, self.sender.removeprefix("+")
        if self.sender.isdecimal():
            return 3, 0, self.sender
        return 5, 0, self.sender


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
