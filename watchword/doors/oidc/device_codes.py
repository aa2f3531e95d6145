"""Devices without a browser (RFC 8628): the codes that they show, and what the person answers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from watchword.applications.models import Client, DeviceAuthorization
from watchword.directory.models import User
from watchword.signin.models import AppSignIn, FailureCount
from watchword.signin.tokens import new_token, token_hash

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 section 6.1: no vowels, so that no words come out, and no digits that look like letters."""
LENGTH = 8
LIFETIME = timedelta(minutes=15)
INTERVAL_SECONDS = 5
MOST_WRONG = 10
"""Wrong codes of one person within the window; a code has 20 to the 8th possibilities and lives for 15 minutes."""
WRONG_WINDOW = timedelta(hours=1)
_PURPOSE = "applications.user_code"


class TooManyTyped(Exception):
    """A person typed too many codes that no device shows."""


def begin(client: Client, scope: str, *, address: str, now: datetime) -> tuple[str, str]:
    """Store a device that waits; return its device code and the user code that it shows."""
    device_code = new_token()
    user_code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    DeviceAuthorization.objects.create(
        device_code_hash=token_hash(device_code),
        user_code_hash=_key(user_code),
        client=client,
        scope=scope,
        address=address[:45],
        created_at=now,
        expires_at=now + LIFETIME,
        interval_seconds=INTERVAL_SECONDS,
    )
    return device_code, f"{user_code[:4]}-{user_code[4:]}"


def find(typed: str, user: User, *, now: datetime) -> DeviceAuthorization | None:
    """Return the waiting device whose code a person typed; None if there is none, which is counted.

    Raises TooManyTyped. Without a limit, somebody could guess codes that other people's devices show.
    """
    code = normal(typed)
    if not _may_type(user, now=now):
        raise TooManyTyped
    rows = DeviceAuthorization.objects.filter(
        user_code_hash__in=_keys(code),
        sign_in=None,
        denied_at=None,
        used_at=None,
        expires_at__gt=now,
        client__app__organisation=user.organisation_id,
        client__app__disabled_at=None,
    )
    row = rows.select_related("client__app__organisation").first()
    if row is None:
        _count_wrong(user, now=now)
    return row


def allow(row: DeviceAuthorization, sign_in: AppSignIn) -> bool:
    """Give a device its sign-in; return False if it was answered already."""
    rows = DeviceAuthorization.objects.filter(pk=row.pk, sign_in=None, denied_at=None, used_at=None)
    return bool(rows.update(sign_in=sign_in))


def deny(row: DeviceAuthorization, *, now: datetime) -> None:
    """Refuse a device."""
    DeviceAuthorization.objects.filter(pk=row.pk, sign_in=None, denied_at=None).update(denied_at=now)


def normal(typed: str) -> str:
    """Return the letters of a typed code: case, spaces and hyphens don't count."""
    return "".join(sign for sign in typed.upper() if sign in ALPHABET)[: LENGTH + 1]


def _key(code: str) -> bytes:
    return settings.WATCHWORD_KEY_RING.mac(_PURPOSE, code.encode())


def _keys(code: str) -> Sequence[bytes]:
    return settings.WATCHWORD_KEY_RING.macs(_PURPOSE, code.encode())


def _may_type(user: User, *, now: datetime) -> bool:
    """Return whether a person may type another code now."""
    row = FailureCount.objects.filter(pk=_count_key(user)).first()
    return row is None or len(_lately(row, now)) < MOST_WRONG


def _count_wrong(user: User, *, now: datetime) -> None:
    """Count a code that no device shows."""
    with transaction.atomic():
        row = FailureCount.locked(_count_key(user), now)
        row.failures = [*_lately(row, now), now.isoformat()][-MOST_WRONG:]
        row.changed_at = now
        row.save(update_fields=["failures", "changed_at"])


def _lately(row: FailureCount, now: datetime) -> list[str]:
    return [text for text in row.failures if now - datetime.fromisoformat(text) < WRONG_WINDOW]


def _count_key(user: User) -> str:
    return f"device:{user.pk}"
