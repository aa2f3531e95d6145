"""What a mail server asks of a program that has signed in to send: whose is this sender, and may the program go on?

A mail server that takes mail (RFC 6409, submission) checks the password once and then talks for as long as the program
likes. So whatever the sign-in rested on is judged again at each message, as it was judged then.
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
"""An act that ends access carries the moment at which it began, and may be committed a little after a sign-in that
it did not keep out. Whoever signed in so shortly after one signs in once more."""


@dataclass(frozen=True, slots=True)
class SubmissionLogin:
    """A sign-in at a mail server that goes on: when it was asked for, what it rested on, and from where."""

    mailbox: str
    credential_id: UUID
    at: datetime
    service: str
    address: str


def names_that_may_send_as(address: str, *, now: datetime) -> list[str]:
    """Return the names that the mail server knows those by who may write as an address; none for nobody's address.

    Raises TryLater where the database can't be read now.
    """
    with trying():
        return [user.mailbox_name for user in send_as.senders_of(address, now=now)]


def may_go_on(name: str, signed_in: SubmissionLogin | None, *, now: datetime) -> bool:
    """Whether somebody who signed in under this name may send one message more.

    Where it is not known when they signed in (``None``), anything that ever ended their access ends this as well: a
    new sign-in is known. Raises TryLater where the database can't be read now.
    """
    with trying():
        # What the mail server knows somebody by is the mailbox that it was told.
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
    if stored is None or not stored.is_alive or stored.frozen_at is not None:
        return False
    if stored.restrictions.misfit(signed_in.service, signed_in.address, now) is not None:
        return False
    attempt = Attempt(
        account=account_of(user, holdings, now),
        door=Door.MAIL,
        policy=user.organisation.policy,
        proven=(Evidence(stored.held.kind, signed_in.at),),
    )
    return isinstance(decide(attempt), Allow)
