"""``make bench``: app passwords checked each second, as a ratio to the bare limit of one HMAC and one indexed query."""

from __future__ import annotations

import hashlib
import hmac
import os
import statistics
import tempfile
import time
from collections.abc import Callable

PEOPLE = 1_000
EACH = 5
ROUNDS = 5


def rate(act: Callable[[], int]) -> float:
    """Return how many checks a second an act makes, as the median of a few rounds."""
    rates = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        number = 0
        while time.perf_counter() - begun < 1:
            number += act()
        rates.append(number / (time.perf_counter() - begun))
    return statistics.median(rates)


def main() -> None:
    """Make people with app passwords in a scratch database, and measure."""
    with tempfile.TemporaryDirectory(prefix="watchword-bench-") as home:
        os.environ.update(WATCHWORD_DEMO="yes", WATCHWORD_HOME=home, DJANGO_SETTINGS_MODULE="watchword.config.settings")
        import django

        django.setup()
        measure()


def measure() -> None:
    """Print the bare limit and, for several sizes of a batch, how near the hot path comes to it."""
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.utils import timezone

    from watchword.core.policy import Door, MfaState
    from watchword.directory import actions
    from watchword.directory.models import User
    from watchword.signin import one_shot, samples
    from watchword.signin.one_shot import Question, Secret

    call_command("migrate", verbosity=0)
    now = timezone.now()
    questions: list[Question] = []
    with transaction.atomic():
        organisation = actions.create_organisation("Bench", domains=["bench.example"], region="DE", by=None, now=now)
        for number in range(PEOPLE):
            name = f"p{number}@bench.example"
            user = actions.create_person(organisation, sign_in_name=name, display_name=name, by=None, now=now)
            User.objects.filter(pk=user.pk).update(mfa_state=MfaState.ENFORCED)
            secrets = [samples.add_app_password(user, f"Device {device}", now=now) for device in range(EACH)]
            questions.append(Question(Door.MAIL, name, Secret(secrets[-1]), "imap", "192.0.2.1"))

    connection.ensure_connection()
    raw = connection.connection
    key = os.urandom(32)

    def bare() -> int:
        for _ in range(64):
            digest = hmac.digest(key, b"abcdefghijklmnopqrstuvwx", hashlib.sha256)
            raw.execute("SELECT id FROM factors_credential WHERE lookup = ?", (digest,)).fetchone()
        return 64

    limit = rate(bare)
    print(f"{PEOPLE:,} people with {EACH} app passwords each; median of {ROUNDS} rounds, one core")
    print(f"{'bare limit: one HMAC, one indexed query, nothing written':<60} {limit:>9,.0f} a second")
    for size in (1, 16, 64, 256):
        batch = questions[:size]

        def checked(batch: list[Question] = batch) -> int:
            answers = one_shot.check_many(batch, now=timezone.now())
            assert all(answer.allowed for answer in answers)
            return len(answers)

        reached = rate(checked)
        said = f"checked and logged (synchronous=FULL), {size} that came together"
        print(f"{said:<60} {reached:>9,.0f} a second   {reached / limit:.3f} of the limit")


if __name__ == "__main__":
    main()
