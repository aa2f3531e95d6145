"""App passwords checked in one process, without the socket."""

from __future__ import annotations

import statistics
import time

from benchmarks import people

ROUNDS = 5
TOGETHER = 64


def measure() -> float:
    """Return the requests per second in batches of 64: decided, logged and committed."""
    from django.utils import timezone

    from watchword.core.policy import Door
    from watchword.signin import non_interactive
    from watchword.signin.non_interactive import AuthRequest, Secret

    names = people.make(1_000, 5, timezone.now())
    questions = [
        AuthRequest(Door.MAIL, name, Secret(people.secret_of(number, 2)), "imap", "192.0.2.1")
        for number, name in enumerate(names)
    ]
    rates = []
    for _ in range(ROUNDS):
        began, number = time.perf_counter(), 0
        while time.perf_counter() - began < 1:
            first = number % (len(questions) - TOGETHER)
            answers = non_interactive.check_many(questions[first : first + TOGETHER], now=timezone.now())
            assert all(answer.allowed for answer in answers)
            number += TOGETHER
        rates.append(number / (time.perf_counter() - began))
    print(f"in one process, {TOGETHER} together: {statistics.median(rates):,.0f} a second")
    return statistics.median(rates)
