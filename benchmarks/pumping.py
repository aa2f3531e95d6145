"""10,000 attempts at SMS pumping by registering phones: how many texts leave, and which rule stops the others.

Attackers with accounts of an organisation register one number after the other, of blocks that earn them money, by the
real `enrolment.start`, on a real database, with a simulated clock. Meanwhile honest people register and sign in.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from django.db import connection

from watchword.audit.record import Origin
from watchword.core.assurance import Evidence
from watchword.core.phone_numbers import classify
from watchword.core.policy import Channel, FactorKind, MfaState
from watchword.directory.models import Organisation, SignInName, User
from watchword.factors import vault
from watchword.factors.models import Credential
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.models import OutboxMessage
from watchword.messaging.send import note_result
from watchword.messaging.worker import outbox
from watchword.signin import enrolment, flow, sample_credentials, sessions
from watchword.signin.facts import write_evidence
from watchword.signin.models import Session, SignInAttempt
from watchword.signin.otp.challenges import CodeSent
from watchword.signin.results import SignInDenied

PRICE = 0.10
"""The price of one text in euros, about that of providers in Europe."""
COUNTRIES = ("DE", "AT", "GB")
"""The countries to which the organisation allows codes."""
BEGINNINGS = {"+49152": 8, "+43660": 7, "+447410": 6, "+7705": 7, "+447797": 6, "+1876555": 4, "+88161": 7}
"""Prefixes of the attackers' numbers, and how many digits follow: three allowed countries, then Kazakhstan, Jersey,
Jamaica and a satellite. All are real numbering plans; nothing is sent."""
_ORIGIN = Origin(address="203.0.113.66", door="web")
BEGINS = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Attack:
    """The strategy of one attack."""

    name: str
    attempts: int
    lifetime: timedelta
    scatters: bool = False
    """Whether each number is of another block of 10,000 than the one before."""
    typed: float = 0.0
    """The share of codes that the attackers type, to look like honest people."""


ATTACKS = (
    Attack("impatient: block after block, within an hour", 2_500, timedelta(hours=1)),
    Attack("patient: the same, spread over three days", 2_500, timedelta(days=3)),
    Attack("scattered: another block each time, over a day", 2_500, timedelta(days=1), scatters=True),
    Attack("typing: scattered, every third code typed", 2_500, timedelta(days=1), scatters=True, typed=1 / 3),
)


@dataclass(slots=True)
class Report:
    """The results of one attack, and its effects on honest people."""

    attack: Attack
    accounts: int
    people: int
    left: int = 0
    stopped: Counter[str] = field(default_factory=Counter)
    by_country: Counter[str] = field(default_factory=Counter)
    honest_new: int = 0
    honest_new_refused: Counter[str] = field(default_factory=Counter)
    honest_sign_ins: int = 0
    honest_sign_ins_refused: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)
    """Codes to new numbers by day (UTC), honest ones among them."""


class Ether:
    """A gateway that accepts every text and stores the last one."""

    last: Outgoing

    @staticmethod
    def carry() -> None:
        """Claim the waiting messages, as the dispatcher does when a commit wakes it."""
        for row in OutboxMessage.objects.select_related("delivery__user"):
            Ether.last = outbox._claimed(row).outgoing
            note_result(row.pk, Result.SENT, now=row.delivery.created_at, gateway="ether", reference="ether")
            row.delete()


def main(*, write: bool = True) -> None:
    """Run every attack against an organisation of its own, and print and write the results."""
    outbox.wake = Ether.carry
    with connection.cursor() as cursor:
        # The speed of the disk is not measured here.
        cursor.execute("PRAGMA synchronous = OFF")
    reports = [simulate(attack, people=1_000, accounts=150, week=week) for week, attack in enumerate(ATTACKS)]
    page = as_page(reports)
    print(page)
    if write:
        (Path(__file__).parents[1] / "docs" / "performance" / "pumping.md").write_text(page)


def simulate(attack: Attack, *, people: int, accounts: int, week: int = 0) -> Report:
    """Run one attack on a new organisation in which people register and sign in, in a week of its own."""
    random_source = random.Random(week)  # noqa: S311  (a simulation must be repeatable)
    begins = BEGINS + timedelta(weeks=week)
    organisation = Organisation.objects.create(
        name=f"Pumped {week}", created_at=begins, region="DE", phone_countries=list(COUNTRIES)
    )
    users = _people(organisation, people)
    attackers, honest = users[:accounts], users[accounts:]
    report = Report(attack, accounts, people)
    for at, which in _times(attack, begins, honest=len(honest), random_source=random_source):
        if which is None:
            _honest(report, honest, at, random_source)
            continue
        number = _number(attack, which)
        session = _session(random_source.choice(attackers), at)
        options = {"slot": "mobile", "number": number, "channel": "sms", "country": "DE"}
        outcome = enrolment.start(session, FactorKind.PHONE, options, origin=_ORIGIN, now=at)
        if not isinstance(outcome, CodeSent):
            report.stopped[str(outcome.reason)] += 1
            continue
        report.left += 1
        report.by_country[classify(number).country] += 1
        report.days[f"{at:%Y-%m-%d}"] += 1
        if random_source.random() < attack.typed:
            typed = enrolment.finish(session, FactorKind.PHONE, Ether.last.code, origin=_ORIGIN, now=at)
            assert not isinstance(typed, SignInDenied)
    return report


def _number(attack: Attack, which: int) -> str:
    """Return the attackers' next number: the consecutive one, or one of another block."""
    beginning, digits = list(BEGINNINGS.items())[which % len(BEGINNINGS)]
    place = which // len(BEGINNINGS)
    if attack.scatters:
        place = place * 10_007 % 10**digits
    return f"{beginning}{place:0{digits}d}"


def _times(
    attack: Attack, begins: datetime, *, honest: int, random_source: random.Random
) -> Iterator[tuple[datetime, int | None]]:
    """Yield times with an attempt of the attack by number, or None for an honest person: a quarter of them each day."""
    days = max(1, round(attack.lifetime / timedelta(days=1)))
    moments: list[tuple[datetime, int | None]] = [
        (begins + attack.lifetime * (number / attack.attempts), number) for number in range(attack.attempts)
    ]
    moments += [(begins + timedelta(days=days) * random_source.random(), None) for _ in range(honest * days // 4)]
    yield from sorted(moments, key=lambda moment: moment[0])


def _honest(report: Report, honest: list[User], at: datetime, random_source: random.Random) -> None:
    """Let one honest person register a new phone, or sign in with the registered one."""

    which = random_source.randrange(len(honest))
    user, number = honest[which], f"+49171{1_000_000 + 7_919 * which:07d}"
    if random_source.random() < 0.3:
        report.honest_new += 1
        session = _session(user, at)
        options = {"slot": "mobile", "number": number, "channel": "sms", "country": "DE"}
        outcome = enrolment.start(session, FactorKind.PHONE, options, origin=_ORIGIN, now=at)
        if isinstance(outcome, CodeSent):
            report.days[f"{at:%Y-%m-%d}"] += 1
            if random_source.random() < 0.95:
                enrolment.finish(session, FactorKind.PHONE, Ether.last.code, origin=_ORIGIN, now=at)
        else:
            report.honest_new_refused[str(outcome.reason)] += 1
        return

    report.honest_sign_ins += 1
    data = vault.holdings(user, kinds=[FactorKind.PHONE])
    phone = data[0].id if data else sample_credentials.add_phone(user, number, Channel.SMS, now=at)
    attempt = _attempt(user, at)
    sent = flow.send_code(attempt, phone, Channel.SMS, now=at)
    if isinstance(sent, CodeSent):
        flow.answer(attempt, FactorKind.PHONE, Ether.last.code, now=at)
    else:
        report.honest_sign_ins_refused[str(sent.reason)] += 1


def _session(user: User, at: datetime) -> Session:

    proof = (Evidence(FactorKind.PASSWORD, at), Evidence(FactorKind.PHONE, at, Channel.SMS))
    return sessions.open_session(user, proof, origin=_ORIGIN, now=at).session


def _attempt(user: User, at: datetime) -> SignInAttempt:
    """Return an attempt with the password already proven, because the slow hash is not measured here."""

    token = flow.begin(user.sign_in_name, origin=_ORIGIN, next_url="/", now=at)
    attempt = flow.find_attempt(token, now=at)
    assert attempt is not None
    password = flow._password_of(user)
    assert password is not None
    attempt.password_version = password.id
    attempt.evidence = write_evidence([Evidence(FactorKind.PASSWORD, at)])
    attempt.save(update_fields=["password_version", "evidence"])
    return attempt


def _people(organisation: Organisation, number: int) -> list[User]:

    users = [
        User(
            pk=uuid4(),
            organisation=organisation,
            sign_in_name=f"p{which}@org{organisation.pk}.example",
            display_name=f"Person {which}",
            created_at=BEGINS,
            mfa_state=MfaState.ENFORCED,
            mfa_changed_at=BEGINS,
        )
        for which in range(number)
    ]
    User.objects.bulk_create(users, batch_size=2000)
    SignInName.objects.bulk_create(
        [SignInName(user=user, name=user.sign_in_name, key=user.sign_in_name) for user in users], batch_size=2000
    )
    Credential.objects.bulk_create(
        [Credential(user=user, kind=FactorKind.PASSWORD, slot="account", created_at=BEGINS) for user in users],
        batch_size=2000,
    )
    return users


def as_page(reports: list[Report]) -> str:
    """Return the page with the results of the attacks."""
    attempts, left = sum(one.attack.attempts for one in reports), sum(one.left for one in reports)
    lines = [
        "# Texts that pumping got out",
        "",
        "Made by `python -m benchmarks pumping`: whoever has accounts registers one number after the other of blocks",
        "that earn them money, through the real code, on a real database, with a clock of its own. Among them honest",
        f"people register and sign in. Each attack has {reports[0].accounts} accounts in an organisation of its own of",
        f"{reports[0].people:,} people, which sends to Germany, Austria and the United Kingdom; its budget is the one",
        "that it has without asking for another.",
        "",
        f"| attack | attempts | texts that left | cost at {PRICE:.2f} € | without a guard |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(_row(one.attack.name, one.attack.attempts, one.left) for one in reports),
        _row("**all**", attempts, left),
        "",
        "Which rule stopped the others:",
        "",
        "| attack | rule | attempts stopped |",
        "| --- | --- | ---: |",
    ]
    lines += [f"| {one.attack.name} | `{rule}` | {n:,} |" for one in reports for rule, n in one.stopped.most_common()]
    lines += [
        "",
        "What honest people noticed:",
        "",
        "| attack | registrations | refused | sign-ins | refused |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one.attack.name} | {one.honest_new:,} | {_told(one.honest_new_refused)} | "
        f"{one.honest_sign_ins:,} | {_told(one.honest_sign_ins_refused)} |"
        for one in reports
    ]
    return "\n".join([*lines, ""])


def _row(name: str, attempts: int, left: int) -> str:
    return f"| {name} | {attempts:,} | {left:,} | {left * PRICE:,.2f} € | {attempts * PRICE:,.2f} € |"


def _told(refused: Counter[str]) -> str:
    total = sum(refused.values())
    return f"{total:,} ({', '.join(f'`{rule}` {n}' for rule, n in refused.most_common())})" if total else "0"
