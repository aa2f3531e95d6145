"""How many sign-ins of one source may be on their way with nothing but a name: anybody can write such rows.

Those that came past the password don't count, and whoever is in a browser of theirs is not asked: a stranger in the
same house keeps nobody out who has been there before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address

from django.db import transaction

from watchword.core.source_networks import source_of
from watchword.signin.models import FailureCount, KnownBrowser
from watchword.signin.tokens import token_hash

MOST = 300
"""Sign-ins without a right password, of one source within the window: an office on a Monday morning has some dozens."""
WINDOW = timedelta(minutes=10)
"""So long an attempt lives."""
PREFIX = "begun:"


class TooManyBegun(Exception):
    """Too many sign-ins of one source were begun and not finished; ``until`` is when the next one may begin."""

    def __init__(self, until: datetime) -> None:
        super().__init__("too many sign-ins were begun")
        self.until = until


def count(address: str, *, browser: str, now: datetime) -> None:
    """Count one more beginning of a source; raises TooManyBegun where there are too many."""
    if not _is_counted(address) or _is_known(browser):
        return
    with transaction.atomic():
        row = FailureCount.locked(_key(address), now)
        begun = [text for text in row.failures if now - datetime.fromisoformat(text) < WINDOW]
        if len(begun) >= MOST:
            # Nothing is written: whoever is turned away costs no disk.
            raise TooManyBegun(datetime.fromisoformat(begun[0]) + WINDOW)
        row.failures = [*begun, now.isoformat()]
        row.changed_at = now
        row.save(update_fields=["failures", "changed_at"])


def finished(address: str, begun_at: datetime) -> None:
    """Take back what was counted, because the right password came. Call inside a transaction."""
    if not _is_counted(address):
        return
    row = FailureCount.objects.select_for_update().filter(pk=_key(address)).first()
    if row is not None and begun_at.isoformat() in row.failures:
        row.failures.remove(begun_at.isoformat())
        row.save(update_fields=["failures"])


def _key(address: str) -> str:
    return f"{PREFIX}{token_hash(source_of(address)).hex()}"


def _is_counted(address: str) -> bool:
    """Whether this is an address of somebody's: not this machine, where a webmail or an app signs people in."""
    try:
        return not ip_address(address).is_loopback
    except ValueError:
        return False


def _is_known(browser: str) -> bool:
    return bool(browser) and KnownBrowser.objects.filter(token_hash=token_hash(browser)).exists()
