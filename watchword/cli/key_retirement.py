"""`watchword keys retire ID` and `watchword keys give-up`: for a key that leaked, and for a key that is lost."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from watchword.cli.main import set_up_django
from watchword.config import keyfile
from watchword.config.environment import has_key_ring_in_variable
from watchword.core.keyring import KeyRing

if TYPE_CHECKING:
    from watchword.audit.sealed_columns import SealedColumn


def retire(path: Path, key_id: str, *, drop: bool) -> int:
    """Re-encrypt everything sealed with a key, and remove the key from the ring once nothing depends on it.

    The lookup hash of an app password moves to the newest key at its next login, because its clear text is known only
    then; ``drop`` revokes those that have not moved. Return 0 if the key was removed, 1 if it was not.
    """
    from django.utils import timezone

    if (status := _set_up(path)) != 0:
        return status
    from watchword.audit import hash_chain, installation
    from watchword.audit.console import console_origin
    from watchword.audit.events import EventKind
    from watchword.audit.record import record
    from watchword.cli import readiness
    from watchword.signin import key_loss

    if reason := readiness.why_not_ready():
        return _refuse(reason)
    ring = keyfile.read(path)
    smaller = keyfile.without(path, ring, key_id)
    chain = hash_chain.look()
    if chain.problems:
        return _refuse(f"the log is not as it was sealed, so it is not sealed anew: {chain.problems[0]}")
    now = timezone.now()
    for column in _columns():
        print(f"{column.words}: {column.reseal(ring)} sealed anew")
    left = key_loss.app_passwords_under(key_id)
    if left and drop:
        key_loss.revoke_app_passwords_under([key_id], because="key_retired", now=now)
        print(f"app passwords: {left} revoked, because they could only be found by this key")
    elif left:
        print(
            f"app passwords: {left} can still only be found by this key. Each moves at its next login. Run this again "
            "later, or add --drop to revoke them. The key stays on the ring."
        )
        return 1
    before = hash_chain.start_anew(now=now)
    keyfile.replace(path, smaller)
    installation.forget_keys([key_id], now=now)
    details = {"keys": [key_id], "last_digest": before}
    record(EventKind.KEY_RETIRED, now=now, origin=console_origin(), details=details)
    print(f"The log is sealed anew; the last seal before was {before or 'none'}.")
    print(f"{key_id} is off the ring in {path}. Copy the file to every server and restart each process of Watchword.")
    print("Then print Dovecot's configuration anew, and seal anew what the phones file holds sealed.")
    return 0


def give_up(path: Path, *, is_real: bool) -> int:
    """Void the values that no key of the ring opens, restart the hash chain, and list who must register again."""
    if not path.exists() and is_real:
        keyfile.create(path)
    elif not path.exists():
        # A temporary ring, only to read: nothing sealed with it is ever written.
        os.environ["WATCHWORD_KEYS"] = KeyRing.create(random_source=os.urandom).serialise()
    if (status := _set_up(path)) != 0:
        return status
    from django.conf import settings
    from django.utils import timezone

    from watchword.audit import installation
    from watchword.cli import readiness

    if reason := readiness.why_unusable():
        return _refuse(reason)
    ring: KeyRing = settings.WATCHWORD_KEY_RING
    lost = installation.missing_keys(ring)
    if not lost:
        print("Every key that sealed this database is on the ring: there is nothing to give up.")
        return 0
    found = [(column, column.unreadable(ring)) for column in _columns()]
    for column, pks in found:
        print(f"{column.words}: {len(pks)} can't be opened")
    if not is_real:
        print(f"The keys {', '.join(lost)} are not on the ring in {path}. Restore them if there is any copy.")
        print("`watchword keys give-up --yes` voids all this for good. Take a copy of the database first.")
        return 1
    _void(found, lost, now=timezone.now())
    return 0


def _void(found: list[tuple[SealedColumn, list[object]]], lost: list[str], *, now: datetime) -> None:
    from django.db import transaction

    from watchword.audit import hash_chain, installation
    from watchword.audit.console import console_origin
    from watchword.audit.events import EventKind
    from watchword.audit.record import record
    from watchword.signin import key_loss

    with transaction.atomic():
        phones = next((pks for column, pks in found if column is key_loss.PHONES), [])
        people: set[UUID] = key_loss.people_with(phones)
        for column, pks in found:
            column.void_rows(pks, now=now)
        with_app_passwords = key_loss.revoke_app_passwords_under(lost, because="key_lost", now=now)
        installation.forget_keys(lost, now=now)
        details = {"keys": lost, "people": len(people | with_app_passwords)}
        record(EventKind.KEYS_GIVEN_UP, now=now, origin=console_origin(), details=details)
    before = hash_chain.start_anew(now=now)
    print(f"The log is sealed anew; the last seal before was {before or 'none'}, which nobody can check any more.")
    _list("must register a telephone again (an administrator requires their contact methods again)", people)
    _list("need new app passwords", with_app_passwords)


def _list(words: str, people: set[UUID]) -> None:
    from watchword.directory.models import User

    names = User.objects.filter(pk__in=people).order_by("sign_in_name").values_list("sign_in_name", flat=True)
    print(f"{len(people)} people {words}:")
    for name in names:
        print(f"  {name}")


def _columns() -> list[SealedColumn]:
    """Return every column that holds sealed values; a test compares the list with the tables."""
    from watchword.alerts import notice_sender
    from watchword.directory.sealed_field import sealed_columns
    from watchword.messaging.worker import outbox
    from watchword.signin import key_loss
    from watchword.signin.otp import challenges

    return [key_loss.PHONES, challenges.SEALED, outbox.SEALED, notice_sender.SEALED, *sealed_columns()]


def _set_up(path: Path) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "watchword.config.settings")
    if not has_key_ring_in_variable(os.environ):
        os.environ["WATCHWORD_KEYS_FILE"] = str(path)
    return set_up_django()


def _refuse(reason: str) -> int:
    print(f"watchword keys: {reason}", file=sys.stderr)
    return 1
