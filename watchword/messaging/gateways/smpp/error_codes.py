"""Describe rejections by an SMSC in words for the operator, shown on *Phone delivery*. Pure."""

from __future__ import annotations

import ssl

from watchword.messaging.gateways.smpp.config import SmppConfig
from watchword.messaging.gateways.smpp.pdu import Status
from watchword.messaging.gateways.smpp.session import BindRejected, ConnectionLostError

_BIND = {
    Status.INVALID_COMMAND: "the provider takes no transceiver bind; ask it to allow one",
    Status.ALREADY_BOUND: "the provider says that this account is bound already; each process needs a bind of its own",
    Status.BIND_FAILED: "the provider refuses the bind; ask it whether it knows our address, account and system_type",
    Status.INVALID_PASSWORD: "the provider does not accept the user name and password (invalid password)",
    Status.INVALID_SYSTEM_ID: "the provider does not accept the user name and password (invalid system_id)",
    Status.INVALID_SYSTEM_TYPE: "the provider does not accept the system_type",
}


def bind_words(error: Exception) -> str:
    """Return why the bind failed."""
    match error:
        case BindRejected():
            known = next((words for status, words in _BIND.items() if status == error.status), "")
            return known or f"the provider refuses the bind with status {error.status:#010x}"
        case ConnectionLostError():
            return "the provider closes the connection instead of answering the bind"
        case ssl.SSLCertVerificationError():
            return "the certificate of the provider is not trusted"
        case ssl.SSLError():
            return "the provider does not speak TLS"
        case TimeoutError():
            return "the provider does not answer"
        case _:
            return "no connection"


def submission_words(status: int, config: SmppConfig) -> str:
    """Return why a text was rejected, and what to do about it."""
    match status:
        case Status.INVALID_SOURCE:
            sender = f"the sender {config.sender}" if config.sender else "texts without a sender"
            return f"the provider refuses {sender}; have it registered there, or name another one"
        case Status.INVALID_SOURCE_TON | Status.INVALID_SOURCE_NPI:
            return "the provider refuses the kind of sender; write a number with +, a short code, or a name"
        case Status.INVALID_EXPIRY:
            return f'the provider refuses the validity period; say validity = "{_other(config)}"'
        case Status.SUBMIT_FAILED:
            return "the provider refuses our texts (submission failed); ask it about credit, sender and destination"
        case _:
            return f"the provider refuses our texts with status {status:#010x}; ask it what that means there"


def _other(config: SmppConfig) -> str:
    return "absolute" if config.validity == "relative" else "none"
