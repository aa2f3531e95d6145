"""The read model of a sign-in page: the state of the attempt at one moment, read once. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchword.core.decision import AskFor, Decision, decide
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import User
from watchword.factors import vault
from watchword.factors.phone.factor import channels_of
from watchword.factors.vault import StoredCredential
from watchword.signin import throttling
from watchword.signin.facts import PROVING, attempt_facts, setup_context_of, usable_phones
from watchword.signin.models import Purpose, SignInAttempt
from watchword.signin.otp import challenges
from watchword.signin.otp.challenges import CodeOnTheWay


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """A method to which a code can be sent, as the page offers it."""

    credential_id: UUID
    kind: FactorKind
    slot: str
    ends: str
    channels: list[Channel]


@dataclass(frozen=True, slots=True)
class SignInView:
    """A sign-in as its page shows it. It is valid until the next answer; then it has to be read again."""

    decision: Decision
    methods: tuple[MethodChoice, ...]
    """The methods that may be chosen at this stage, the phone that is tried first in front; none before the right
    password."""
    code: CodeOnTheWay | None
    """The newest code; None where none was sent, or where it was spent."""
    has_sends_left: bool
    """Whether the attempt may send another code at all."""
    retry_at: datetime | None
    """When a second factor may be tried again; None where it may now, or where only an unlock helps."""


def view_of(attempt: SignInAttempt, *, now: datetime) -> SignInView:
    """Return the view of an attempt.

    An attempt of an unknown name runs the same queries as one of a known person at the same stage.
    """
    data = vault.holdings(attempt.user, kinds=PROVING) if attempt.user is not None else []
    facts = attempt_facts(attempt, now=now, data=data)
    decision = decide(facts)
    code, has_sends_left = None, True
    if not (isinstance(decision, AskFor) and FactorKind.PASSWORD in decision.methods):
        # No code is sent before the password is right.
        code, has_sends_left = challenges.sent_by(attempt, Purpose(attempt.purpose), now=now)
    return SignInView(
        decision=decision,
        methods=choices_of(attempt.user, data, decision),
        code=code,
        has_sends_left=has_sends_left,
        retry_at=throttling.closed_until(facts.second_factor),
    )


def choices_of(user: User | None, data: Sequence[StoredCredential], decision: Decision) -> tuple[MethodChoice, ...]:
    """Return the methods to which a code may be sent, where the decision asks for one."""
    if user is None or not isinstance(decision, AskFor) or FactorKind.PHONE not in decision.methods:
        return ()
    setup_context = setup_context_of(user)
    return tuple(
        MethodChoice(
            stored.id,
            stored.data.kind,
            stored.data.slot,
            stored.data.public["ends"],
            channels_of(stored.data, setup_context),
        )
        for stored in usable_phones(user, data)
    )
