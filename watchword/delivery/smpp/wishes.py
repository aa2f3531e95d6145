"""What an operator says about one SMSC."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

LONGEST_NUMBER = 20
"""Digits of an address (SMPP 3.4 section 4.4.1), without the closing zero."""
LONGEST_NAME = 11
"""Letters of an alphanumeric sender (3GPP TS 23.040)."""


class Alphabet(StrEnum):
    """What data_coding 0, the SMSC's default alphabet, means on the wire."""

    GSM = "gsm"
    """GSM 03.38, one octet for each septet."""
    LATIN1 = "latin1"


class Ids(StrEnum):
    """How a carrier writes the message id in its receipts, compared with its answer to the submission."""

    AS_IS = "as-is"
    HEX_TO_DECIMAL = "hex-to-decimal"
    """Hexadecimal in the answer, decimal in the receipt: so do several SMSCs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppWishes:
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
    ids: Ids = Ids.AS_IS

    def __post_init__(self) -> None:
        """Refuse what no SMSC would take; raises ValueError."""
        if not 0 < self.port < 65_536:  # noqa: PLR2004  (TCP)
            raise ValueError("port is not from 1 to 65535")
        if not 1 <= self.window_size <= 1000:  # noqa: PLR2004
            raise ValueError("window_size is not from 1 to 1000")
        # smpp34 falls over longer ones, and what is seen then is a bind that nobody answers.
        for name, text, most in (
            ("system_id", self.system_id, 15),
            ("password", self.password, 8),
            ("system_type", self.system_type, 12),
        ):
            if len(text) > most or not _is_plain(text):
                raise ValueError(f"{name} has more than {most} characters, or one outside ASCII (SMPP 3.4, 4.1)")
        number = self.sender.removeprefix("+")
        most = LONGEST_NUMBER if number.isdecimal() else LONGEST_NAME
        is_name = self.sender == number
        if len(number) > most or not _is_plain(number) or not (is_name or number.isdecimal()):
            raise ValueError(f"sender is neither a number nor a name of at most {LONGEST_NAME} letters")

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
