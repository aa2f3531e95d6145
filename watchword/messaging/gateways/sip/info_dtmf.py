"""Keys that a telephone system sends by SIP INFO, as many do in place of telephone events. Pure.

Neither form has an RFC; both are those of RFC 2976's time and of every telephone system since.
"""

from __future__ import annotations

import re

KINDS = ("application/dtmf-relay", "application/dtmf")
_SIGNAL = re.compile(r"^\s*signal\s*=\s*([0-9A-D*#]{1,2})\s*$", re.IGNORECASE | re.MULTILINE)
_NUMBERED = {"10": "*", "11": "#"}
_KEYS = frozenset("0123456789*#ABCD")


def key_of(content_type: str, body: str) -> str | None:
    """Return the key that a body says, empty for what is no key; None where its kind is none that we know."""
    kind = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        # Some ask by an empty INFO whether the call lives.
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
