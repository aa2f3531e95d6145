"""The mail domains of an organisation: any number, each belonging to one organisation on a server."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.usernames import InvalidSignInName, domain_key
from watchword.directory.models import Domain, Organisation, SignInName, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act

type WhyNot = Literal["domain", "taken", "console", "unknown", "primary", "in_use"]


class BadDomain(ValueError):
    """A domain that can't be added or removed; ``reason`` is one word."""

    def __init__(self, reason: WhyNot) -> None:
        super().__init__(reason)
        self.reason: WhyNot = reason


def add_domain(
    organisation: Organisation, name: str, *, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> Domain:
    """Add a domain, in which the organisation's people can then have names.

    On a server with several organisations only the operator may do that (``by`` is None), who knows the owner of a
    domain: the first organisation to add it gets it. Raises PermissionDenied or BadDomain.
    """
    demand(by, Act.MANAGE_DOMAINS)
    if by is not None and Organisation.objects.exclude(pk=organisation.pk).exists():
        raise BadDomain("console")
    try:
        key = domain_key(name)
    except InvalidSignInName:
        raise BadDomain("domain") from None
    try:
        with transaction.atomic():
            is_first = not organisation.domains.exists()
            domain = Domain.objects.create(organisation=organisation, name=key, is_primary=is_first)
            _remember(EventKind.DOMAIN_ADDED, organisation, key, by, now, origin)
    except IntegrityError:
        raise BadDomain("taken") from None
    return domain


def remove_domain(
    organisation: Organisation, name: str, *, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> None:
    """Remove a domain that contains no sign-in name or alias; raises PermissionDenied or BadDomain."""
    demand(by, Act.MANAGE_DOMAINS)
    with transaction.atomic():
        domain = organisation.domains.select_for_update().filter(name=name).first()
        if domain is None:
            raise BadDomain("unknown")
        if domain.is_primary:
            raise BadDomain("primary")
        if number_of_names(domain):
            raise BadDomain("in_use")
        domain.delete()
        _remember(EventKind.DOMAIN_REMOVED, organisation, domain.name, by, now, origin)


def number_of_names(domain: Domain) -> int:
    """Return the number of sign-in names and aliases in a domain, those of deleted people included."""
    return SignInName.objects.filter(key__endswith=f"@{domain.name}").count()


def _remember(
    kind: EventKind, organisation: Organisation, name: str, by: User | None, now: datetime, origin: Origin
) -> None:
    record(kind, now=now, by=by, origin=origin, organisation_id=organisation.pk, details={"name": name})
