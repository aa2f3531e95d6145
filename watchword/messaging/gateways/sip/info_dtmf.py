"""Read keys that a PBX sends by SIP INFO instead of telephone events. Pure.

Neither body format has an RFC; both date from the time of RFC 2976 and are supported by nearly every PBX.
"""

from __future__ import annotations

import re

KINDS = ("application/dtmf-relay", "application/dtmf")
_SIGNAL = re.compile(r"^\s*signal\s*=\s*([0-9A-D*#]{1,2})\s*$", re.IGNORECASE | re.MULTILINE)
_NUMBERED = {"10": "*", "11": "#"}
_KEYS = frozenset("0123456789*#ABCD")


def key_of(content_type: str, body: str) -> str | None:
    """Return the key in a body, empty if it holds none; None if the content type is not supported."""
    kind = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        # Some PBXs send an empty INFO to check that the call is alive.
        return ""
    if kind == "application/dtmf-relay":
        found = _SIGNAL.search(body)
        signal = found[1] if found else ""
    elif kind == "application/dtmf":
        signal = body.strip()
    else:
        return None
    key = _NUMBERED.get(signal, signal).upper()
    return key if key in _KEYS else ""
