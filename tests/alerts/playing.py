"""Scenes of a stranger who knows a password, and runs of the worker that sends notices and alerts."""

from __future__ import annotations

from datetime import datetime

from django.core import mail
from django.core.mail import EmailMessage

from tests.telephone import Telephone
from tests.world import ORIGIN, World
from watchword.alerts.notice_sender import send_waiting
from watchword.alerts.outbox_consumer import consume
from watchword.audit.record import Origin
from watchword.core.policy import FactorKind
from watchword.directory.models import User
from watchword.signin import flow
from watchword.signin.models import SignInAttempt
from watchword.signin.queries import text_number_of
from watchword.signin.results import SignedIn
from watchword.signin.sign_in_view import view_of

STRANGER = Origin(
    address="203.0.113.66", agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/149.0.0.0", door="web"
)


def work(now: datetime) -> list[EmailMessage]:
    """Run the worker until nothing waits; return the mails to people about their own accounts."""
    return [message for message in _work(now) if not message.subject.startswith("Alert: ")]


def alert_mails(now: datetime) -> list[EmailMessage]:
    """Run the worker until nothing waits; return the mails to administrators."""
    return [message for message in _work(now) if message.subject.startswith("Alert: ")]


def _work(now: datetime) -> list[EmailMessage]:
    before = len(mail.outbox)
    while consume(now=now):
        pass
    while send_waiting(now=now, number_of=text_number_of):
        pass
    return mail.outbox[before:]


def pass_password(
    world: World, user: User, *, origin: Origin = STRANGER, now: datetime | None = None, browser: str = ""
) -> SignInAttempt:
    """Begin a sign-in and type the right password; return the attempt, which then requires a code."""
    when = now if now is not None else world.now
    token = flow.begin(user.sign_in_name, origin=origin, next_url="/", browser=browser, now=when)
    attempt = flow.find_attempt(token, now=when)
    assert attempt is not None
    flow.answer(attempt, FactorKind.PASSWORD, world.passwords[user.display_name.lower()], now=when)
    fresh = flow.find_attempt(token, now=when)
    assert fresh is not None
    return fresh


def type_wrong_codes(attempt: SignInAttempt, now: datetime, *, number: int = 2) -> None:
    """Type wrong codes (none was sent), by default as many as raise a warning."""
    for _ in range(number):
        flow.answer(attempt, FactorKind.PHONE, "000000", now=now)


def complete(
    world: World,
    telephone: Telephone,
    user: User,
    *,
    origin: Origin = ORIGIN,
    now: datetime | None = None,
    browser: str = "",
) -> SignedIn:
    """Sign in with password and code."""
    when = now if now is not None else world.now
    attempt = pass_password(world, user, origin=origin, now=when, browser=browser)
    choice = view_of(attempt, now=when).methods[0]
    flow.send_code(attempt, choice.credential_id, choice.channels[0], now=when)
    outcome = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=when)
    assert isinstance(outcome, SignedIn)
    return outcome
