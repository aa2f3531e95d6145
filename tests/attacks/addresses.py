"""Every address of the URL table, filled in with existing objects; and the site configured as in production."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from tests.environment import KEYS
from tests.world import World
from watchword.config import middleware

HOST = "watchword.example.org"
SETTINGS = Path(middleware.__file__).with_name("settings.py")
ENDINGS: Mapping[str, Callable[[], str]] = {
    "uuid": lambda: str(uuid4()),
    "int": lambda: "1",
    "str": lambda: "something",
    "slug": lambda: "something",
    "path": lambda: "something/else",
}


class Address:
    """One row of the URL table."""

    def __init__(self, route: str, path: str, view: Callable[..., HttpResponse]) -> None:
        self.route = route
        self.path = path
        self.view = view

    def __repr__(self) -> str:
        return self.route


def every_address(world: World | None = None) -> list[Address]:
    """Return every row; its variable parts hold Alice and her objects, or ids that don't exist if there is no world."""
    known: dict[str, str] = {"kind": "phone", "name": "block"}
    if world is not None:
        known |= {"user_id": str(world.alice.pk), "credential_id": str(world.alices_phone.id)}
    return list(_walk(get_resolver().url_patterns, "", known))


def _walk(rows: list[URLPattern | URLResolver], before: str, known: Mapping[str, str]) -> Iterator[Address]:
    for row in rows:
        route = before + str(row.pattern)
        if isinstance(row, URLResolver):
            yield from _walk(row.url_patterns, route, known)
            continue
        assert isinstance(row.pattern, RoutePattern)
        path = route
        for name, converter in row.pattern.converters.items():
            kind = type(converter).__name__.removesuffix("Converter").casefold().replace("string", "str")
            value = "people" if route.endswith("<str:kind>.csv") else known.get(name) or ENDINGS[kind]()
            path = path.replace(f"<{kind}:{name}>", value)
        assert "<" not in path, route
        yield Address("/" + route, "/" + path, row.callback)


def use_production(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Apply every setting that an operator's environment would set, and return a browser at that site."""
    with monkeypatch.context() as patch:
        patch.setenv("WATCHWORD_DEMO", "no")
        patch.setenv("WATCHWORD_PUBLIC_URL", f"https://{HOST}")
        patch.setenv("WATCHWORD_KEYS", KEYS)
        made = runpy.run_path(str(SETTINGS))
    # The demo's packages stay loaded: Django builds its app registry once for each process.
    stored = {"INSTALLED_APPS", "DATABASES", "WATCHWORD_HOME", "LOGGING", "WATCHWORD_ARGON2"}
    for name, value in made.items():
        if name.isupper() and name not in stored and getattr(settings, name, None) != value:
            setattr(settings, name, value)
    return production_client()


class SecureClient(Client):
    """A browser that uses HTTPS and the site's own host name."""

    def generic(self, *arguments: Any, **named: Any) -> Any:
        """Send a request of any method."""
        return super().generic(*arguments, **{"SERVER_NAME": HOST, **named, "secure": True})


def production_client(**options: Any) -> Client:
    """Return a browser at the site in production."""
    return SecureClient(**options)
