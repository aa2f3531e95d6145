"""The recipients of alerts besides the page: a list in *Service settings*, and administrators who want texts."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from watchword.alerts.models import WarningChoice
from watchword.directory.models import Organisation, RoleAssignment, User
from watchword.directory.roles import MAY, Act, Role

MOST = 20
"""The maximum number of addresses for alerts of one organisation."""


def addresses_of(organisation: Organisation) -> list[str]:
    """Return the mail addresses for alerts: the configured ones, or those of the Global Administrators."""
    named = organisation.alert_recipients.split()
    if named:
        return named
    return addresses_of_administrators(organisation)


def addresses_of_administrators(organisation: Organisation) -> list[str]:
    """Return the mail addresses of the Global Administrators."""
    return [user.contact_mail or user.sign_in_name for user in _holders(organisation, [Role.GLOBAL_ADMINISTRATOR])]


def who_close_alerts(organisation: Organisation) -> QuerySet[User]:
    """Return the people who may close alerts."""
    return _holders(organisation, [role for role, acts in MAY.items() if Act.CLOSE_ALERTS in acts])


def texted_administrators(organisation: Organisation) -> list[User]:
    """Return the administrators who may close alerts and have chosen to get urgent warnings as a text."""
    wants_texts = WarningChoice.objects.filter(by_text=True).values("user")
    return list(who_close_alerts(organisation).filter(pk__in=wants_texts))


def _holders(organisation: Organisation, roles: Iterable[Role]) -> QuerySet[User]:
    holders = RoleAssignment.objects.filter(role__in=[role.value for role in roles]).values("user")
    people = User.objects.filter(organisation=organisation, blocked_at=None, deleted_at=None, pk__in=holders)
    return people.select_related("organisation").order_by("pk")
