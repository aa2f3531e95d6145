"""The one hand in the table of what people hold: it seals, opens and hands out plain values."""

from watchword.factors.vault.lookups import Found, Use, find_by_lookups, lookups, note_use
from watchword.factors.vault.store import (
    Kept,
    count_alive,
    counts,
    find,
    holders,
    holdings,
    key_ring,
    keyed,
    renew,
    reseal,
    revoke,
    revoke_all,
    store,
    suspend_all,
)

__all__ = [
    "Found",
    "Kept",
    "Use",
    "count_alive",
    "counts",
    "find",
    "find_by_lookups",
    "holders",
    "holdings",
    "key_ring",
    "keyed",
    "lookups",
    "note_use",
    "renew",
    "reseal",
    "revoke",
    "revoke_all",
    "store",
    "suspend_all",
]
