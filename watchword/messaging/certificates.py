"""Private certificate authorities, for gateways whose certificate no well-known authority signed."""

from __future__ import annotations

import ssl
from pathlib import Path


def check_certificates(file: Path) -> None:
    """Raise ValueError if a file holds no certificates."""
    try:
        ssl.create_default_context(cafile=file)
    except OSError:
        raise ValueError("ca_file can't be read, or holds no certificates in PEM") from None
