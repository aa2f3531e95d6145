"""Honest people and slow attackers: whom the rate limits stop, and how many texts leave nevertheless.

Simulated through the real registration and sign-in, on a real database, with a simulated clock. A late text is
simulated by typing the code at the time at which the text would have arrived.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import connection

from benchmarks.pumping import _ORIGIN, BEGINS, Ether, _attempt, _people, _session
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import Organisation, User
from watchword.messaging.models import CountryBlock
from watchword.messaging.worker import outbox
from watchword.signin import enrolment, flow, sample_credentials
from watchword.signin.otp.challenges import CodeSent
from watchword.signin.results import SignInDenied

PRICE = 0.075
"""The price of one text in euros."""
PAGE = Path(__file__).parents[1] / "docs" / "performance" / "pumping.md"
HEADING = "## Honest people and slow attackers"
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Play:
    """One scenario in an organisation of its own, and its results."""

    name: str
    people: int
    sent: int = 0
    finished: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    users: list[User] = field(init=False)
    begins: datetime = field(init=False)
    organisation: Organisation = field(init=False)

    def __post_init__(self) -> None:
        number = Organisation.objects.count()
        self.begins = BEGINS + timedelta(weeks=100 + number)
        self.organisation = Organisation.objects.create(name=f"Limits {number}", created_at=self.begins, region="DE")
        self.users = _people(self.organisation, self.people)

    def register(
        self, who: User, number: str, at: datetime, *, typed_after: timedelta | None, extension: str = ""
    ) -> bool:
        """Request a code to a new number, and type it after a delay, or never."""
        session = _session(who, at)
        options = {"slot": "mobile", "number": number, "channel": "sms", "country": "DE"}
        if extension:
            options |= {"slot": "office", "channel": "voice", "extension": extension}
        outcome = enrolment.start(session, FactorKind.PHONE, options, origin=_ORIGIN, now=at)
        if not isinstance(outcome, CodeSent):
            self.refused[str(outcome.reason)] += 1
            return False
        self.sent += 1
        if typed_after is not None:
            code = Ether.last.code
            done = enrolment.finish(session, FactorKind.PHONE, code, origin=_ORIGIN, now=at + typed_after)
            self.finished += not isinstance(done, SignInDenied)
        return True

    def sign_in(self, who: User, at: datetime, *, number: str, is_typed: bool) -> bool:
        """Request a code to a proven number, and type it or not."""
        phone = self._phone(who, number)
        attempt = _attempt(who, at)
        sent = flow.send_code(attempt, phone, Channel.SMS, now=at)
        if not isinstance(sent, CodeSent):
            self.refused[str(sent.reason)] += 1
            return False
        self.sent += 1
        if is_typed:
            done = flow.answer(attempt, FactorKind.PHONE, Ether.last.code, now=at)
            self.finished += not isinstance(done, SignInDenied)
        return True

    def _phone(self, who: User, number: str) -> UUID:
        from watchword.factors import vault

        data = vault.holdings(who, kinds=[FactorKind.PHONE])
        return data[0].id if data else sample_credentials.add_phone(who, number, Channel.SMS, now=self.begins)

    @property
    def stopped(self) -> str:
        """The effects of the rate limits that honest people or administrators noticed."""
        mine = Event.objects.filter(organisation_id=self.organisation.pk)
        marked = mine.filter(kind=EventKind.PASSWORD_MARKED_KNOWN).count()
        told = [
            f"closed {CountryBlock.objects.filter(organisation=self.organisation).count()} times"
            if CountryBlock.objects.filter(organisation=self.organisation).exists()
            else "",
            "quiet alert" if mine.filter(kind=EventKind.NEW_NUMBERS_UNTYPED).exists() else "",
            f"{marked} passwords marked" if marked else "",
            ", ".join(f"`{rule}` {n}" for rule, n in self.refused.most_common(3)),
        ]
        return "; ".join(one for one in told if one) or "nothing"


def scattered(which: int) -> str:
    """Return the number of one of many unrelated people: no two are consecutive."""
    return f"+49171{1_000_000 + 7_919 * which % 9_000_000:07d}"


def honest() -> list[Play]:
    """Simulate honest people on their busiest days."""
    onboarding = Play("200 people register within 30 minutes", 200)
    for which, user in enumerate(onboarding.users):
        at = onboarding.begins + which * timedelta(seconds=9)
        onboarding.register(user, scattered(which), at, typed_after=timedelta(seconds=40))
    fleet = Play("40 neighbouring company numbers within 20 s", 40)
    for which, user in enumerate(fleet.users):
        at = fleet.begins + which * timedelta(seconds=0.5)
        fleet.register(user, f"+491715550{which:03d}", at, typed_after=timedelta(seconds=40))
    desks = Play("20 desks behind one switchboard, within an hour", 20)
    for which, user in enumerate(desks.users):
        at = desks.begins + which * 3 * MINUTE
        desks.register(user, "+4930123456", at, typed_after=timedelta(seconds=50), extension=str(100 + which))
    late = Play("200 of 1,000 register in two hours; in the first, texts take ten minutes", 1_000)
    for which in range(200):
        at = late.begins + which * timedelta(seconds=36)
        takes = 10 * MINUTE if which < 100 else timedelta(seconds=40)
        late.register(late.users[which], scattered(5_000 + which), at, typed_after=takes)
    again = Play("60 of 200 press again and again; nothing arrives in time", 200)
    for turn in range(11):
        for which, user in enumerate(again.users[:60]):
            at = again.begins + turn * 16 * MINUTE + which * timedelta(seconds=1)
            again.sign_in(user, at, number=scattered(9_000 + which), is_typed=False)
    return [onboarding, fleet, desks, late, again]


def attackers() -> list[Play]:
    """Simulate a day of attackers who earn on texts, in organisations of 200 people."""
    plays = []
    for accounts, share in ((9, 0.0), (20, 0.0), (20, 0.26), (60, 0.26)):
        random_source = random.Random(accounts)  # noqa: S311  (a simulation must be repeatable)
        play = Play(f"{accounts} accounts, three numbers each, {share:.0%} typed", 200)
        for turn in range(15):
            for which, user in enumerate(play.users[:accounts]):
                at = play.begins + turn * 90 * MINUTE + which * timedelta(seconds=20)
                typed = timedelta(seconds=20) if random_source.random() < share else None
                play.register(user, scattered(20_000 + 3 * which + turn % 3), at, typed_after=typed)
        plays.append(play)
    everybody = Play("all 60 accounts of a smaller one sign in, ten times each, every code typed", 60)
    for turn in range(10):
        for which, user in enumerate(everybody.users):
            at = everybody.begins + turn * 70 * MINUTE + which * timedelta(seconds=2)
            everybody.sign_in(user, at, number=scattered(40_000 + which), is_typed=True)
    return [*plays, everybody]


def as_section() -> str:
    """Run all simulations and return the table."""
    lines = [
        HEADING,
        "",
        "Made by `python -m benchmarks limits`, through the real registration and sign-in, without prices and receipts.",
        f"*Finished*: the right code opened what it was for. A text costs {PRICE} €.",
        "",
        "| who | codes sent | finished | cost | what stopped or told of it |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for kind, plays in (("people", honest()), ("attackers", attackers())):
        lines += [
            f"| {kind}: {one.name} | {one.sent:,} | {one.finished:,} | {one.sent * PRICE:.2f} € | {one.stopped} |"
            for one in plays
        ]
    return "\n".join([*lines, ""])


def main(*, write: bool = True) -> None:
    """Print the table, and put it under the figures of pumping."""
    outbox.wake = Ether.carry
    with connection.cursor() as cursor:
        # The speed of the disk is not measured here.
        cursor.execute("PRAGMA synchronous = OFF")
    section = as_section()
    print(section)
    if write:
        PAGE.write_text(PAGE.read_text().split(HEADING)[0].rstrip("\n") + "\n\n" + section)
