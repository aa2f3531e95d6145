"""Limits how many open sign-in attempts of one source have only a name: any client can create such rows.

Attempts with a right password don't count, and known browsers are exempt, so that a stranger behind the same address
can't lock out a person who has signed in there before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address

from django.db import transaction

from watchword.core.source_networks import source_of
from watchword.signin.models import FailureCount, KnownBrowser
from watchword.signin.tokens import token_hash

MOST = 300
"""Attempts without a right password, of one source within the window: an office on a Monday morning has some dozens."""
WINDOW = timedelta(minutes=10)
"""The lifetime of an attempt."""
PREFIX = "begun:"


class TooManyBegun(Exception):
    """One source has begun too many attempts without finishing them; ``until`` is when it may begin the next one."""

    def __init__(self, until: datetime) -> None:
        super().__init__("too many sign-ins were begun")
        self.until = until


def count(address: str, *, browser: str, now: datetime) -> None:
    """Count one more attempt of a source; raise TooManyBegun where there are too many."""
    if not _is_counted(address) or _is_known(browser):
        return
    with transaction.atomic():
        row = FailureCount.locked(_key(address), now)
        begun = [text for text in row.failures if now - datetime.fromisoformat(text) < WINDOW]
        if len(begun) >= MOST:
            # Write nothing, so that a refused request costs no disk space.
            raise TooManyBegun(datetime.fromisoformat(begun[0]) + WINDOW)
        row.failures = [*begun, now.isoformat()]
        row.changed_at = now
        row.save(update_fields=["failures", "changed_at"])


def finished(address: str, begun_at: datetime) -> None:
    """Take back what was counted, because the password was right. Call inside a transaction."""
    if not _is_counted(address):
        return
    row = FailureCount.objects.select_for_update().filter(pk=_key(address)).first()
    if row is not None and begun_at.isoformat() in row.failures:
        row.failures.remove(begun_at.isoformat())
        row.save(update_fields=["failures"])


def _key(address: str) -> str:
    return f"{PREFIX}{token_hash(source_of(address)).hex()}"


def _is_counted(address: str) -> bool:
    """Return whether attempts from this address count: not from this machine, which a webmail or an app may use."""
    try:
        return not ip_address(address).is_loopback
    except ValueError:
        return False


def _is_known(browser: str) -> bool:
    return bool(browser) and KnownBrowser.objects.filter(token_hash=token_hash(browser)).exists()
