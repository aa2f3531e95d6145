"""Options of one SMSC."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from watchword.messaging.certificates import check_certificates

LONGEST_NUMBER = 20
"""Most digits of an address (SMPP 3.4 section 4.4.1), without the terminating zero octet."""
STANDARD_PASSWORD = 8
"""Most characters of a password (SMPP 3.4 section 4.1.5)."""
LONGEST_PASSWORD = 64
"""Most characters that we accept, as some providers assign longer passwords."""
LONGEST_NAME = 11
"""Most letters of an alphanumeric sender (3GPP TS 23.040)."""


class Alphabet(StrEnum):
    """Encoding that the SMSC uses for data_coding 0, its default alphabet."""

    GSM = "gsm"
    """GSM 03.38, one octet for each septet."""
    LATIN1 = "latin1"


class Ids(StrEnum):
    """Format of message ids, an option of older files; receipts are now matched in every format."""

    AS_IS = "as-is"
    HEX_TO_DECIMAL = "hex-to-decimal"


class Validity(StrEnum):
    """Format of the validity period for the SMSC (SMPP 3.4 section 7.1.1)."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"
    NONE = "none"
    """Send no validity period, for an SMSC that accepts neither format. A code may arrive after its expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppConfig:
    """One SMSC: its address, our account there, and its formats.

    ``tls``: the provider's certificate is verified, against the authorities of the operating system and for exactly
    the name or address in ``host``. A private authority is added to the system's, or named by SSL_CERT_FILE in the
    environment of `watchword serve phones`; then it applies to every gateway with TLS. Without ``tls`` the password,
    the numbers and the codes are sent in clear: use only a tunnel, or a machine beside this one.
    """

    host: str
    port: int = 2775
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    tls: bool = False
    sender: str = ""
    """A name of at most 11 letters, a number with plus, or a short code; empty: the provider's default."""
    window_size: int = 20
    alphabet: Alphabet = Alphabet.GSM
    validity: Validity = Validity.RELATIVE
    ca_file: Path | None = None
    """File with certificates of the authority that signed the provider's, instead of the system's authorities."""
    trace: bool = False
    """Whether each PDU is logged: its name, sequence number and status, never its body."""
    ids: Ids | None = None
    """Ignored."""

    def __post_init__(self) -> None:
        """Raise ValueError if the options violate SMPP."""
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
        """Return warnings for `watchword phones check`: options that some providers reject, or without effect."""
        notes = []
        if len(self.password) > STANDARD_PASSWORD:
            notes.append(
                f"password has more than the {STANDARD_PASSWORD} characters that SMPP 3.4 allows; it is sent as it is,"
                " which some providers want and others refuse"
            )
        if self.ids is not None:
            notes.append(
                "ids has no effect: receipts are joined whatever way the provider writes its ids; leave it out"
            )
        if self.validity is Validity.NONE:
            notes.append("validity is none: the provider may deliver codes that are dead")
        return notes

    @property
    def source(self) -> tuple[int, int, str]:
        """Return type of number, numbering plan and address of the sender (SMPP 3.4 sections 5.2.5 and 5.2.6)."""
        if not self.sender:
            return 0, 0, ""
        if self.sender.startswith("+"):
            return 1, 1, self.sender.removeprefix("+")
        if self.sender.isdecimal():
            return 3, 0, self.sender
        return 5, 0, self.sender


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
