"""Apps: add, change, disable and remove them, and say who may use which."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import Q

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.usernames import is_printable
from watchword.directory.actions import BadPerson
from watchword.directory.models import App, Group, Organisation, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act

MOST_APPS = 1_000
LONGEST_AGE_SECONDS = 365 * 86_400


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What an administrator decides about an app, whatever its protocol."""

    name: str
    description: str = ""
    home_url: str = ""
    for_everyone: bool = True
    second_factor_always: bool = False
    max_age_seconds: int | None = None
    asks_consent: bool = False


def add_app(
    organisation: Organisation,
    settings: AppSettings,
    *,
    groups: Collection[Group] = (),
    preset: str = "",
    by: User | None,
    now: datetime,
    origin: Origin = NOWHERE,
) -> App:
    """Add an app; raise PermissionDenied, or BadPerson with the field that is wrong."""
    demand(by, Act.MANAGE_APPS)
    cleaned = _checked(settings)
    with transaction.atomic():
        if App.objects.filter(organisation=organisation).count() >= MOST_APPS:
            raise BadPerson({"name": "too_many_apps"})
        try:
            with transaction.atomic():
                app = App.objects.create(
                    organisation=organisation, preset=preset, created_at=now, **dataclasses.asdict(cleaned)
                )
        except IntegrityError:
            raise BadPerson({"name": "taken"}) from None
        app.groups.set(_own(organisation, groups))
        _note(EventKind.APP_ADDED, app, {"for_everyone": app.for_everyone}, by, now, origin)
    return app


def change_app(
    app: App,
    settings: AppSettings,
    *,
    groups: Collection[Group] = (),
    by: User | None,
    now: datetime,
    origin: Origin = NOWHERE,
) -> list[str]:
    """Change an app, and return the names of the fields that changed. Raises as ``add_app``."""
    demand(by, Act.MANAGE_APPS)
    cleaned = _checked(settings)
    with transaction.atomic():
        stored = App.objects.select_for_update().get(pk=app.pk)
        fields = [name for name, value in dataclasses.asdict(cleaned).items() if getattr(stored, name) != value]
        chosen = _own(app.organisation, groups)
        if {group.pk for group in chosen} != set(stored.groups.values_list("pk", flat=True)):
            stored.groups.set(chosen)
            fields.append("groups")
        for name, value in dataclasses.asdict(cleaned).items():
            setattr(stored, name, value)
            setattr(app, name, value)
        try:
            with transaction.atomic():
                stored.save()
        except IntegrityError:
            raise BadPerson({"name": "taken"}) from None
        if fields:
            _note(EventKind.APP_CHANGED, stored, {"fields": fields}, by, now, origin)
    return fields


def set_app_enabled(app: App, *, is_enabled: bool, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Let people in to an app again, or let nobody in; return False if that changes nothing."""
    demand(by, Act.MANAGE_APPS)
    with transaction.atomic():
        changed = App.objects.filter(pk=app.pk, disabled_at__isnull=not is_enabled).update(
            disabled_at=None if is_enabled else now
        )
        app.refresh_from_db()
        if changed:
            _note(EventKind.APP_CHANGED, app, {"fields": ["enabled" if is_enabled else "disabled"]}, by, now, origin)
    return bool(changed)


def remove_app(app: App, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Remove an app with its secrets, sign-ins and tokens; return False if it was removed already."""
    demand(by, Act.MANAGE_APPS)
    with transaction.atomic():
        _note(EventKind.APP_REMOVED, app, {}, by, now, origin)
        removed = App.objects.filter(pk=app.pk).delete()[0]
        if not removed:
            transaction.set_rollback(True)
    return bool(removed)


def is_assigned(app: App, user: User) -> bool:
    """Return whether a person is among those for whom an app is; False for an app of another organisation."""
    if app.organisation_id != user.organisation_id:
        return False
    return app.for_everyone or app.groups.filter(members__user=user).exists()


def apps_of(user: User) -> Sequence[App]:
    """Return the apps that a person may use, by name; disabled ones are left out."""
    mine = Q(for_everyone=True) | Q(groups__members__user=user)
    rows = App.objects.filter(mine, organisation=user.organisation_id, disabled_at=None)
    return list(rows.order_by("name").distinct())


def _own(organisation: Organisation, groups: Collection[Group]) -> list[Group]:
    return [group for group in groups if group.organisation_id == organisation.pk]


def _checked(settings: AppSettings) -> AppSettings:
    cleaned = dataclasses.replace(
        settings,
        name=" ".join(settings.name.split()),
        description=settings.description.strip(),
        home_url=settings.home_url.strip(),
    )
    reasons: dict[str, str] = {}
    for field, text, most in (
        ("name", cleaned.name, 100),
        ("description", cleaned.description, 300),
        ("home_url", cleaned.home_url, 500),
    ):
        if len(text) > most:
            reasons[field] = "too_long"
        elif not is_printable(text):
            reasons[field] = "not_printable"
    if not cleaned.name:
        reasons["name"] = "missing"
    if cleaned.home_url and not _is_web_address(cleaned.home_url):
        reasons["home_url"] = "not_a_web_address"
    age = cleaned.max_age_seconds
    if age is not None and not 1 <= age <= LONGEST_AGE_SECONDS:
        reasons["max_age_seconds"] = "out_of_range"
    if reasons:
        raise BadPerson(reasons)
    return cleaned


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False


def _note(
    kind: EventKind, app: App, details: dict[str, object], by: User | None, now: datetime, origin: Origin
) -> None:
    record(
        kind,
        now=now,
        by=by,
        origin=origin,
        organisation_id=app.organisation_id,
        details={"app": app.name, "app_id": str(app.pk), **details},
    )
