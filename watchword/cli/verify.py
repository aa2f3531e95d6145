"""Checks every invariant of the database: those of each package, and the hash chain of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from watchword.alerts import invariants as of_warnings
from watchword.audit import hash_chain
from watchword.directory import invariants as of_people
from watchword.signin import invariants as of_sign_ins


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of all checks; without problems the database is consistent."""

    problems: tuple[str, ...]
    sealed: int
    unsealed: int
    last_digest: str


def verify(*, now: datetime) -> Verified:
    """Check every invariant. Only reads."""
    chain = hash_chain.look()
    problems = [
        *of_people.problems(),
        *of_sign_ins.problems(now=now),
        *of_warnings.problems(now=now),
        *(f"I8 {problem}" for problem in chain.problems),
    ]
    return Verified(tuple(problems), chain.sealed, chain.unsealed, chain.last_digest)
