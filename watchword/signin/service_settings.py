"""Changes the settings of an organisation, and ends at once what they no longer allow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_network

from django.db import transaction
from django.db.models import QuerySet

from watchword.audit.events import EventKind
from watchword.audit.notifications import Topic, notify
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.policy import LONGEST_APP_PASSWORD_WAIT_HOURS, FactorKind, Limits, MfaState, cover_too_much
from watchword.directory.contacts import remembered_recipients
from watchword.directory.models import Organisation, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.factors import vault
from watchword.signin import sessions
from watchword.signin.models import Revocation, Session

CHANGEABLE = (
    "region",
    "app_passwords_allowed",
    "text_allowed",
    "call_allowed",
    "account_password_in_mail_while_enabled",
    "app_password_wait_hours",
    "trusted_networks",
    "alert_recipients",
    "shared_networks",
    "banned_words",
    "number_match",
    "fraud_locks",
    "voip_allowed",
    "language",
    "phone_countries",
    "phone_budget",
    "limits",
)


class SenselessSettings(ValueError):
    """A limit is outside its bounds, or the trusted networks cover a great part of the Internet."""


class NoChannelLeft(ValueError):
    """Neither texts nor calls would be allowed, so that no phone could be registered or used for a proof."""


def change_settings(
    organisation: Organisation,
    changes: Mapping[str, object],
    *,
    by: User | None,
    origin: Origin = NOWHERE,
    now: datetime,
) -> dict[str, tuple[object, object]]:
    """Store validated values and return what changed, as (before, after) by name.

    Raises NotAllowed, NoChannelLeft, SenselessSettings, or KeyError for a setting that can't be changed here.
    """
    with transaction.atomic():
        demand(by, Act.CHANGE_SETTINGS)
        row = Organisation.objects.select_for_update().get(pk=organisation.pk)
        unknown = set(changes) - set(CHANGEABLE)
        if unknown:
            raise KeyError(*sorted(unknown))
        changed = {name: (getattr(row, name), value) for name, value in changes.items() if getattr(row, name) != value}
        for name, (_before, after) in changed.items():
            setattr(row, name, after)
        if not (row.text_allowed or row.call_allowed):
            raise NoChannelLeft
        if not changed:
            return {}
        if changed.keys() & {"limits", "trusted_networks", "shared_networks", "app_password_wait_hours"}:
            refuse_senseless(row)
        row.save(update_fields=list(changed))
        row.__dict__.pop("policy", None)
        if changed.get("app_passwords_allowed") == (True, False):
            holders = vault.holders(organisation.pk, FactorKind.APP_PASSWORD)
            _close_mail_of(User.objects.filter(pk__in=holders), "app_passwords_not_allowed", now)
        if changed.get("account_password_in_mail_while_enabled") == (True, False):
            enabled = User.objects.filter(organisation=row, mfa_state=MfaState.ENABLED)
            _close_mail_of(enabled, "account_password_closed", now)
        if "trusted_networks" in changed:
            _end_sessions_from_elsewhere(row, now)
        record(
            EventKind.SETTINGS_CHANGED,
            now=now,
            by=by,
            origin=origin,
            organisation_id=row.pk,
            details=_remembered(changed),
            notify="alert_recipients" in changed,
        )
    organisation.refresh_from_db()
    organisation.__dict__.pop("policy", None)
    return changed


def _remembered(changed: Mapping[str, tuple[object, object]]) -> dict[str, object]:
    """Return the event details of a change; of alert addresses only their number, and the earlier addresses sealed."""
    details: dict[str, object] = {
        name: {"before": before, "after": after}
        for name, (before, after) in changed.items()
        if name != "alert_recipients"
    }
    if "alert_recipients" in changed:
        before, after = (str(value) for value in changed["alert_recipients"])
        details["alert_recipients"] = {"before": len(before.split()), "after": len(after.split())}
        details |= remembered_recipients(before)
    return details


def refuse_senseless(organisation: Organisation) -> None:
    """Raise SenselessSettings unless the limits and trusted networks of an organisation are within their bounds."""
    senseless = Limits().senseless(organisation.limits)
    if senseless:
        raise SenselessSettings(f"limits: {', '.join(senseless)}")
    if not 0 <= organisation.app_password_wait_hours <= LONGEST_APP_PASSWORD_WAIT_HOURS:
        raise SenselessSettings(f"app_password_wait_hours: more than {LONGEST_APP_PASSWORD_WAIT_HOURS}")
    for name in ("trusted_networks", "shared_networks"):
        if cover_too_much(ip_network(text) for text in getattr(organisation, name)):
            raise SenselessSettings(f"{name}: a great part of the Internet")


def _end_sessions_from_elsewhere(organisation: Organisation, now: datetime) -> None:
    excused = Session.objects.filter(user__organisation=organisation, excused=True, ended_at=None, expires_at__gt=now)
    sessions.end_no_longer_excused(excused.select_related("user__organisation"), now=now)


def _close_mail_of(people: QuerySet[User], because: str, now: datetime) -> None:
    Revocation.objects.bulk_create(
        [
            Revocation(user_id=user.pk, mailbox=user.mailbox_name, at=now, because=because)
            for user in people.only("pk", "mailbox", "sign_in_name")
        ]
    )
    notify(Topic.REVOCATIONS)
