"""Creates the sample organisation: Root, Alice, Bob, Carol and two hundred more, with a month of activity."""
# ruff: noqa: E501, RUF001  (a browser's name for itself is one line; letters of real names)

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from django.db import transaction
from django.utils import timezone

from watchword.audit.events import EventKind
from watchword.audit.models import OutboxEvent
from watchword.audit.record import EventDraft, Origin, record_all
from watchword.core.decision import DenyReason
from watchword.core.policy import Channel, MfaState
from watchword.demo import mailbox_store, sample_phones
from watchword.demo.people import FAMILY, GIVEN
from watchword.directory import actions
from watchword.directory.models import MfaCause, MfaStateChange, Organisation, SignInName, User
from watchword.directory.roles import Role
from watchword.directory.search import search_key
from watchword.signin import sample_credentials
from watchword.signin.actions import reset_password

NAME = "Harbour & Hill"
DOMAIN = "harbour.example"
OTHERS = 200
CURIOUS = 12
"""The number of people who tried a telephone number to which no code may be sent."""
DAYS = 30
SEED = 1887
ALICES_NUMBER = "+4915112345678"
ROOTS_NUMBER = "+4915112345670"
_BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
)
_NETWORKS = ("198.51.100.", "203.0.113.", "192.0.2.")
"""Networks reserved for documentation (RFC 5737)."""


@dataclass(frozen=True, slots=True)
class Made:
    """The data for the demo's card: initial passwords by name, and Alice's app password."""

    passwords: dict[str, str]
    alices_app_password: str

    def __repr__(self) -> str:
        return "Made(…)"


@transaction.atomic
def make(*, now: datetime | None = None) -> Made:
    """Create all data in one transaction, so that an interrupted demo starts again from nothing."""
    moment = now or timezone.now()
    random_source = random.Random(SEED)  # noqa: S311  (believable names, nothing secret)
    organisation = actions.create_organisation(NAME, domains=[DOMAIN], region="DE", by=None, now=moment)
    people = {
        "root": _person(organisation, "root", "Root Okafor", (Role.GLOBAL_ADMINISTRATOR,), moment),
        "alice": _person(organisation, "alice", "Alice Lindqvist", (), moment),
        "bob": _person(organisation, "bob", "Bob Castillo", (), moment),
        "carol": _person(organisation, "carol", "Carol Nakamura", (), moment),
    }
    passwords = {name: reset_password(user, by=None, now=moment).secret for name, user in people.items()}
    _set_state(people["alice"], MfaState.ENFORCED, MfaCause.REGISTRATION_FINISHED, moment - timedelta(days=12))
    _set_state(people["bob"], MfaState.ENABLED, MfaCause.PERSON, moment - timedelta(days=2), by=people["root"])
    _set_state(people["root"], MfaState.ENFORCED, MfaCause.REGISTRATION_FINISHED, moment)
    sample_credentials.add_phone(people["root"], ROOTS_NUMBER, Channel.SMS, now=moment - timedelta(days=20))
    sample_credentials.add_phone(people["alice"], ALICES_NUMBER, Channel.SMS, now=moment - timedelta(days=12))
    sample_credentials.add_app_password(people["alice"], "iPad in the kitchen", now=moment - timedelta(days=12))
    shown = sample_credentials.add_app_password(
        people["alice"], "Thunderbird on the laptop", now=moment - timedelta(days=5)
    )
    others, holders = _others(organisation, random_source, moment)
    _activity([*people.values(), *others], random_source, moment)
    sample_phones.make(holders, [user for user in others if user.state is MfaState.ENABLED][:CURIOUS], now=moment)
    for user in people.values():
        _welcome(user, moment)
    # The sample's own events must not cause notices: these begin with the user's actions.
    OutboxEvent.objects.all().delete()
    return Made(passwords, shown)


def _person(organisation: Organisation, local: str, display_name: str, roles: tuple[Role, ...], now: datetime) -> User:
    return actions.create_person(
        organisation,
        sign_in_name=f"{local}@{DOMAIN}",
        display_name=display_name,
        contact_mail=f"{local}@elsewhere.example",
        roles=roles,
        by=None,
        now=now,
    )


def _set_state(user: User, state: MfaState, cause: MfaCause, at: datetime, by: User | None = None) -> None:
    before, user.mfa_state, user.mfa_changed_at = user.mfa_state, state, at
    user.save(update_fields=["mfa_state", "mfa_changed_at"])
    who = by or user
    MfaStateChange.objects.create(
        user=user, at=at, before=before, after=state, cause=cause, by=who, by_name=who.sign_in_name
    )


def _others(
    organisation: Organisation, random_source: random.Random, now: datetime
) -> tuple[list[User], list[sample_phones.Holder]]:
    people: dict[str, User] = {}
    while len(people) < OTHERS:
        given, family = random_source.choice(GIVEN), random_source.choice(FAMILY)
        name = f"{_plain(given)}.{_plain(family)}@{DOMAIN}"
        state = random_source.choices(list(MfaState), weights=(45, 15, 40))[0]
        display_name = f"{given} {family}"
        people[name] = User(
            organisation=organisation,
            sign_in_name=name,
            display_name=display_name,
            contact_mail=name.replace(DOMAIN, "elsewhere.example"),
            created_at=now - timedelta(days=random_source.randrange(40, 900)),
            mfa_state=state,
            mfa_changed_at=now - timedelta(days=random_source.randrange(1, 35))
            if state is not MfaState.DISABLED
            else None,
            search_key=search_key(display_name, name),
        )
    made = list(people.values())
    User.objects.bulk_create(made)
    SignInName.objects.bulk_create(
        [SignInName(user=user, name=user.sign_in_name, key=user.sign_in_name) for user in made]
    )
    MfaStateChange.objects.bulk_create(
        [
            MfaStateChange(
                user=user,
                at=user.mfa_changed_at,
                before=MfaState.DISABLED if user.state is MfaState.ENABLED else MfaState.ENABLED,
                after=user.mfa_state,
                cause=MfaCause.PERSON if user.state is MfaState.ENABLED else MfaCause.REGISTRATION_FINISHED,
                by_name="root@harbour.example" if user.state is MfaState.ENABLED else user.sign_in_name,
            )
            for user in made
            if user.mfa_changed_at is not None
        ]
    )
    holders = []
    for user in made:
        if user.state is MfaState.ENFORCED and user.mfa_changed_at is not None:
            number = f"+49151{random_source.randrange(10_000_000, 99_999_999)}"
            channel = random_source.choice([Channel.SMS, Channel.SMS, Channel.VOICE])
            sample_credentials.add_phone(user, number, channel, now=user.mfa_changed_at)
            holders.append(sample_phones.Holder(user, number, channel, user.mfa_changed_at))
            for device in random_source.sample(
                ["Laptop", "iPhone", "Old tablet", "Thunderbird"], random_source.randrange(1, 4)
            ):
                sample_credentials.add_app_password(user, device, now=user.mfa_changed_at)
    return made, holders


def _activity(people: list[User], random_source: random.Random, now: datetime) -> None:
    event_drafts = []
    for user in people:
        network = random_source.choice(_NETWORKS) + str(random_source.randrange(2, 250))
        browser = random_source.choice(_BROWSERS)
        for _ in range(random_source.randrange(3, 12)):
            at = now - timedelta(minutes=random_source.randrange(30, DAYS * 24 * 60))
            web = random_source.random() < 0.5
            allowed = random_source.random() < 0.93
            by_app_password = not web and user.state is MfaState.ENFORCED
            event_drafts.append(
                EventDraft(
                    EventKind.SIGN_IN_ALLOWED if allowed else EventKind.SIGN_IN_DENIED,
                    at,
                    subject=user,
                    by=user if allowed else None,
                    origin=Origin(network, browser if web else "", "web" if web else "mail", "" if web else "imap"),
                    reason="" if allowed else DenyReason.WRONG_PROOF,
                    details={"app_password": "Laptop"} if by_app_password and allowed else {"kinds": ["password"]},
                )
            )
    record_all(sorted(event_drafts, key=lambda event_draft: event_draft.at))


def _welcome(user: User, now: datetime) -> None:
    mail = EmailMessage()
    mail["From"] = f"Watchword <watchword@{DOMAIN}>"
    mail["To"] = user.sign_in_name
    mail["Date"] = format_datetime(now)
    mail["Subject"] = "Welcome to the demo"
    mail.set_content(
        f"Hello {user.display_name},\n\nthis mailbox is real: any mail program can open it by IMAP, and send by SMTP.\n"
        "Once you have registered a telephone, your account's own password stops working there,\n"
        "and an app password opens it instead.\n\nYour demo\n"
    )
    mailbox_store.deliver(user.mailbox_name, mail.as_bytes(policy=policy.SMTP))


def _plain(text: str) -> str:
    spelled = text.replace("ø", "o").replace("Ø", "O").replace("ł", "l").replace("ı", "i")
    folded = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return folded.lower()
