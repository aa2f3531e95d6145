"""The hosts behind a proxy that asks for each request: add, change and remove them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from watchword.applications.models import ProtectedHost
from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.path_rules import InvalidRule, Needs, read_rules
from watchword.core.usernames import InvalidSignInName, domain_key
from watchword.directory.models import App, Group, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act

_PORT = re.compile(r"[1-9][0-9]{0,4}")
MOST_HOSTS = 50
"""Of one app."""


class InvalidHost(Exception):
    """A host, or its rules, that can't be: the field, why, and for rules the number of the line."""

    def __init__(self, field: str, why: str, line: int = 0) -> None:
        super().__init__(f"{field}: {why}" + (f" (line {line})" if line else ""))
        self.field = field
        self.why = why
        self.line = line


def protect(
    app: App,
    host: str,
    *,
    rules: str = "",
    sends_jwt: bool = False,
    by: User | None,
    now: datetime,
    origin: Origin = NOWHERE,
) -> ProtectedHost:
    """Protect a host for an app, or change how it is protected; raise PermissionDenied or InvalidHost."""
    demand(by, Act.MANAGE_APPS)
    name = normal_host(host)
    _check_rules(app, rules)
    values = {"rules": rules.strip(), "sends_jwt": sends_jwt}
    with transaction.atomic():
        App.objects.select_for_update().get(pk=app.pk)
        row = ProtectedHost.objects.filter(app=app, host=name).first()
        if row is None and app.protected_hosts.count() >= MOST_HOSTS:
            raise InvalidHost("host", "too_many")
        try:
            with transaction.atomic():
                row, _is_new = ProtectedHost.objects.update_or_create(app=app, host=name, defaults=values)
        except IntegrityError:
            raise InvalidHost("host", "taken") from None
        _note(app, {"fields": ["protected_host"], "host": name, "rules": values["rules"]}, by, now, origin)
    return row


def stop_protecting(app: App, host: str, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Let nobody in at a host any more; return False if it is none of the app's. Its browsers have to sign in anew."""
    demand(by, Act.MANAGE_APPS)
    with transaction.atomic():
        if not ProtectedHost.objects.filter(app=app, host=host).delete()[0]:
            return False
        _note(app, {"fields": ["protected_host"], "removed": host}, by, now, origin)
    return True


def hosts_of(app: App) -> Sequence[ProtectedHost]:
    """Return the protected hosts of an app, by name."""
    return list(app.protected_hosts.order_by("host"))


def normal_host(text: str) -> str:
    """Return the one form of a host, in ASCII and lower case, with its port unless that is 443; raise InvalidHost."""
    text = text.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/")
    name, _, port = text.partition(":")
    if port and not (_PORT.fullmatch(port) and int(port) < 2**16):
        raise InvalidHost("host", "port")
    try:
        key = domain_key(name) if name != "localhost" and not _is_loopback(name) else name
    except InvalidSignInName:
        raise InvalidHost("host", "name") from None
    host = f"{key}:{port}" if port and port != "443" else key
    if host == settings.WATCHWORD_PUBLIC_URL.partition("://")[2]:
        raise InvalidHost("host", "own")
    return host


def _is_loopback(name: str) -> bool:
    return name.startswith("127.") and name.replace(".", "").isdecimal()


def _check_rules(app: App, text: str) -> None:
    try:
        rules = read_rules(text)
    except InvalidRule as error:
        raise InvalidHost("rules", error.why, error.number) from None
    known = set(Group.objects.filter(organisation=app.organisation_id).values_list("name", flat=True))
    for number, rule in enumerate(rules, start=1):
        if rule.needs is Needs.GROUP and rule.group not in known:
            raise InvalidHost("rules", "no_such_group", number)


def _note(app: App, details: dict[str, object], by: User | None, now: datetime, origin: Origin) -> None:
    record(
        EventKind.APP_CHANGED,
        now=now,
        by=by,
        origin=origin,
        organisation_id=app.organisation_id,
        details={"app": app.name, "app_id": str(app.pk), **details},
    )
