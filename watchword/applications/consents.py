"""What people allowed apps to see, for apps that are not the organisation's own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from watchword.applications.models import Client, ClientKind, Consent
from watchword.applications.redirect_uris import is_web
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.directory.models import User
from watchword.signin import sessions
from watchword.signin.models import AppSignIn


def is_needed(user: User, client: Client, scopes: Collection[str], redirect_uri: str) -> bool:
    """Return whether the person has to agree before an app gets a code.

    A native app is always asked about: any program on the person's machine can take its redirect address (RFC 8252
    section 8.6). Another app is asked about once, if the administrator wants that, and again for more scopes.
    """
    if client.kind == ClientKind.PUBLIC and not is_web(redirect_uri):
        return True
    if not client.app.asks_consent:
        return False
    given = Consent.objects.filter(user=user, client=client).values_list("scopes", flat=True).first()
    return given is None or not set(scopes) <= set(given)


def give(user: User, client: Client, scopes: Collection[str], *, origin: Origin, now: datetime) -> None:
    """Record that a person allowed an app these scopes, besides those that it had."""
    with transaction.atomic():
        row, is_new = Consent.objects.select_for_update().get_or_create(
            user=user, client=client, defaults={"scopes": sorted(scopes), "given_at": now}
        )
        added = sorted(set(scopes) - set(row.scopes)) if not is_new else sorted(scopes)
        if not added:
            return
        if not is_new:
            row.scopes, row.given_at = sorted({*row.scopes, *scopes}), now
            row.save(update_fields=["scopes", "given_at"])
        details = {"app": client.app.name, "app_id": client.client_id, "scopes": added}
        record(EventKind.CONSENT_GIVEN, now=now, subject=user, by=user, origin=origin, details=details)


def withdraw(user: User, app_id: UUID, *, origin: Origin, now: datetime) -> bool:
    """Withdraw what a person allowed an app, and end its sign-ins; return False if nothing was allowed."""
    with transaction.atomic():
        row = Consent.objects.select_related("client__app").filter(user=user, client=app_id).first()
        if row is None or not Consent.objects.filter(pk=row.pk).delete()[0]:
            return False
        sessions.end_in_apps(
            AppSignIn.objects.filter(user=user, app=row.client.app), because="consent_withdrawn", now=now
        )
        details = {"app": row.client.app.name, "app_id": row.client.client_id}
        record(EventKind.CONSENT_WITHDRAWN, now=now, subject=user, by=user, origin=origin, details=details)
    return True


def consents_of(user: User) -> Sequence[Consent]:
    """Return what a person allowed, by the name of the app."""
    return list(Consent.objects.filter(user=user).select_related("client__app").order_by("client__app__name"))
