"""An organisation of any size, created by bulk inserts, and the temporary home folder for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

SECRET_LETTERS = "abcdefghijklmnopqrstuvwx"


@contextmanager
def scratch() -> Iterator[Path]:
    """Set Django up with a new database in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="watchword-bench-") as home:
        os.environ.update(WATCHWORD_DEMO="yes", WATCHWORD_HOME=home, DJANGO_SETTINGS_MODULE="watchword.config.settings")
        os.environ["WATCHWORD_LOG_LEVEL"] = "ERROR"
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield Path(home)


def secret_of(person: int, device: int) -> str:
    """Return an app password of 24 letters that is unique."""
    number, letters = person * 64 + device, []
    for _ in range(24):
        letters.append("abcdefghijklmnopqrstuvwxyz"[number % 26])
        number = number // 26 + 7
    return "".join(letters)


def make(people: int, each: int, now: datetime) -> list[str]:
    """Create Enforced people with app passwords, and return their sign-in names."""
    from django.db import transaction

    from watchword.core.policy import FactorKind, MfaState
    from watchword.directory import actions
    from watchword.directory.models import Organisation, SignInName, User
    from watchword.directory.search import search_key
    from watchword.factors import vault
    from watchword.factors.models import Credential

    with transaction.atomic():
        Credential.objects.all().delete()
        SignInName.objects.all().delete()
        User.objects.all().delete()
        organisation = Organisation.objects.first() or actions.create_organisation(
            "Bench", domains=["bench.example"], region="DE", by=None, now=now
        )
        names = [f"p{number}@bench.example" for number in range(people)]
        users = [
            User(
                pk=uuid4(),
                organisation=organisation,
                sign_in_name=name,
                display_name=f"Person {number}",
                created_at=now,
                mfa_state=MfaState.ENFORCED,
                mfa_changed_at=now,
                search_key=search_key(f"Person {number}", name),
            )
            for number, name in enumerate(names)
        ]
        User.objects.bulk_create(users, batch_size=2000)
        SignInName.objects.bulk_create(
            [SignInName(user=user, name=user.sign_in_name, key=user.sign_in_name) for user in users], batch_size=2000
        )
        for start in range(0, people, 2000):
            Credential.objects.bulk_create(
                [
                    Credential(
                        user=users[number],
                        kind=FactorKind.APP_PASSWORD,
                        label=f"Device {device}",
                        lookup=vault.lookups(secret_of(number, device))[0],
                        created_at=now,
                    )
                    for number in range(start, min(start + 2000, people))
                    for device in range(each)
                ],
                batch_size=2000,
            )
    return names
