"""The name of a person's mailbox at the mail servers: set once, unique, and not passed on with a sign-in name."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.usernames import InvalidSignInName, name_key
from watchword.directory.models import SignInName, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act

MOST_TRIES = 1_000


class BadMailbox(ValueError):
    """A name that a mailbox can't have; ``reason`` is a word that the page translates."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def new_mailbox(sign_in_name: str) -> str:
    """Return the name of a mailbox for a new person: the sign-in name, with a number added if it is in use.

    A mailbox outlives its owner: another person who gets the same sign-in name later does not get the mail.
    """
    key = name_key(sign_in_name)
    local, _at, domain = key.rpartition("@")
    for number in range(1, MOST_TRIES):
        name = key if number == 1 else f"{local}.{number}@{domain}"
        if number > 1 and SignInName.objects.filter(key=name).exists():
            # Mail for that name belongs to another person already.
            continue
        if holder_of(name) is None:
            return name
    raise BadMailbox("taken")


def holder_of(mailbox: str) -> User | None:
    """Return the person to whom a mailbox belongs, deleted people included; None if it is free."""
    unset = Q(mailbox=None, sign_in_name__iexact=mailbox)
    return User.objects.filter(Q(mailbox=mailbox) | unset).select_related("organisation").first()


def set_mailbox(
    user: User, name: str, *, by: User | None, takes_over: bool, now: datetime, origin: Origin = NOWHERE
) -> User | None:
    """Give a person another mailbox, and return its previous holder or None.

    ``takes_over`` confirms that the mailbox may belong to another person, who then gets a new, empty one. The caller
    closes the open mail connections of both people. Raises PermissionDenied or BadMailbox.
    """
    demand(by, Act.CHANGE_MAILBOX, user)
    try:
        key = name_key(name)
    except InvalidSignInName as error:
        raise BadMailbox(error.reason) from None
    if not user.organisation.domains.filter(name=key.rpartition("@")[2]).exists():
        raise BadMailbox("other_domain")
    holder = holder_of(key)
    if holder is not None and holder.pk == user.pk:
        raise BadMailbox("own")
    if holder is not None and (holder.organisation_id != user.organisation_id or not takes_over):
        raise BadMailbox("taken")
    before = user.mailbox_name
    try:
        with transaction.atomic():
            if holder is not None:
                demand(by, Act.CHANGE_MAILBOX, holder)
                # Cleared first, because the name is unique.
                _set(holder, None)
            _set(user, key)
            if holder is not None:
                _set(holder, new_mailbox(holder.sign_in_name))
            details = {"before": before, "after": key, "taken_from": holder.sign_in_name if holder is not None else ""}
            record(EventKind.MAILBOX_CHANGED, now=now, subject=user, by=by, origin=origin, details=details)
            if holder is not None:
                lost = {"before": key, "after": holder.mailbox_name, "given_to": user.sign_in_name}
                record(EventKind.MAILBOX_CHANGED, now=now, subject=holder, by=by, origin=origin, details=lost)
    except IntegrityError:
        user.refresh_from_db()
        raise BadMailbox("taken") from None
    return holder


def _set(user: User, name: str | None) -> None:
    user.mailbox = name
    user.save(update_fields=["mailbox"])
