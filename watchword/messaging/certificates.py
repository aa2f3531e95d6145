"""Certificates of authorities of an operator's own, for carriers whose certificate no well-known one signed."""

from __future__ import annotations

import ssl
from pathlib import Path


def check_certificates(file: Path) -> None:
    """Refuse a file in which there are no certificates; raises ValueError."""
    try:
        ssl.create_default_context(cafile=file)
    except OSError:
        raise ValueError("ca_file can't be read, or holds no certificates in PEM") from None
