"""What a page of a sign-in is drawn from: where the attempt stands at one moment, read once. Changes nothing."""

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
    """A method by which a code can come, as the page offers it."""

    credential_id: UUID
    kind: FactorKind
    slot: str
    ends: str
    channels: list[Channel]


@dataclass(frozen=True, slots=True)
class SignInView:
    """A sign-in as its page shows it. What it says holds until something is answered: then it is asked for anew."""

    decision: Decision
    methods: tuple[MethodChoice, ...]
    """What may be chosen at this stage, the telephone that is tried first in front; none before the right password."""
    code: CodeOnTheWay | None
    """The newest code; None where none was sent, or where it was spent."""
    has_sends_left: bool
    """Whether the attempt may send another code at all."""
    retry_at: datetime | None
    """When a second proof may be tried again; None where it may now, or where only an unlock helps."""


def view_of(attempt: SignInAttempt, *, now: datetime) -> SignInView:
    """Return where an attempt stands.

    For an attempt of nobody the same is read as for somebody's that is at the same stage.
    """
    held = vault.holdings(attempt.user, kinds=PROVING) if attempt.user is not None else []
    facts = attempt_facts(attempt, now=now, held=held)
    decision = decide(facts)
    code, has_sends_left = None, True
    if not (isinstance(decision, AskFor) and FactorKind.PASSWORD in decision.methods):
        # Nothing was sent before the password was right.
        code, has_sends_left = challenges.sent_by(attempt, Purpose(attempt.purpose), now=now)
    return SignInView(
        decision=decision,
        methods=choices_of(attempt.user, held, decision),
        code=code,
        has_sends_left=has_sends_left,
        retry_at=throttling.closed_until(facts.second_factor),
    )


def choices_of(user: User | None, held: Sequence[StoredCredential], decision: Decision) -> tuple[MethodChoice, ...]:
    """Return the methods by which a person who holds this may be sent a code, where the decision asks for one."""
    if user is None or not isinstance(decision, AskFor) or FactorKind.PHONE not in decision.methods:
        return ()
    setup_context = setup_context_of(user)
    return tuple(
        MethodChoice(
            stored.id,
            stored.held.kind,
            stored.held.slot,
            stored.held.public["ends"],
            channels_of(stored.held, setup_context),
        )
        for stored in usable_phones(user, held)
    )
