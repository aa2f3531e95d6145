"""Mail submission (RFC 6409): which names may use a sender address, and may a signed-in program send another message?

A submission server checks the password once and then serves the connection for as long as the program likes. So
everything on which the sign-in rested is evaluated again for each message, by the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from watchword.core.assurance import Evidence
from watchword.core.decision import Allow, Attempt, decide
from watchword.core.policy import AccountStatus, Door, FactorKind
from watchword.directory import send_as
from watchword.directory.actions import find_by_name
from watchword.directory.mailboxes import holder_of
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin.facts import account_of
from watchword.signin.models import Revocation
from watchword.signin.non_interactive import trying

OVERLAP = timedelta(seconds=5)
"""A revocation has the time at which its action began, and may be committed shortly after a sign-in that it didn't
stop. A sign-in this soon after a revocation has to be repeated."""


@dataclass(frozen=True, slots=True)
class SubmissionLogin:
    """A sign-in at a mail server whose connection is still open: its time, credential, service and address."""

    mailbox: str
    credential_id: UUID
    at: datetime
    service: str
    address: str


def names_that_may_send_as(address: str, *, now: datetime) -> list[str]:
    """Return the names by which the mail server knows who may send as an address; empty if unknown.

    Raises Unavailable where the database can't be read now.
    """
    with trying():
        return [user.mailbox_name for user in send_as.senders_of(address, now=now)]


def may_go_on(name: str, signed_in: SubmissionLogin | None, *, now: datetime) -> bool:
    """Return whether a program that signed in under this name may send another message.

    Where the time of the sign-in isn't known (``None``), any revocation of the person's access, ever, makes the answer
    no, because the time of a new sign-in would be known. Raises Unavailable where the database can't be read now.
    """
    with trying():
        # The mail server knows users by the mailbox name that it was given at sign-in.
        user = holder_of(name) or find_by_name(name)
        if user is None or user.standing is not AccountStatus.ACTIVE:
            return False
        ended = Revocation.objects.filter(user_id=user.pk)
        if signed_in is None:
            return not ended.exists()
        if ended.filter(at__gt=signed_in.at - OVERLAP).exists():
            return False
        return _still_opens(user, signed_in, now)


def _still_opens(user: User, signed_in: SubmissionLogin, now: datetime) -> bool:
    kinds = [FactorKind.APP_PASSWORD, FactorKind.PASSWORD, FactorKind.PHONE]
    holdings = vault.holdings(user, kinds=kinds)
    stored = next((one for one in holdings if one.id == signed_in.credential_id), None)
    if stored is None or not stored.is_alive or stored.paused_at is not None:
        return False
    if stored.restrictions.misfit(signed_in.service, signed_in.address, now) is not None:
        return False
    attempt = Attempt(
        account=account_of(user, holdings, now),
        door=Door.MAIL,
        policy=user.organisation.policy,
        proven=(Evidence(stored.data.kind, signed_in.at),),
    )
    return isinstance(decide(attempt), Allow)
