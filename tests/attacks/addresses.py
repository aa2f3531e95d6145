"""Every address of the site, from its own table, filled in with what exists; and the site as it runs in production."""

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
}


class Address:
    """One row of the table of addresses."""

    def __init__(self, route: str, path: str, view: Callable[..., HttpResponse]) -> None:
        self.route = route
        self.path = path
        self.view = view

    def __repr__(self) -> str:
        return self.route


def every_address(world: World | None = None) -> list[Address]:
    """Return every row; the gaps in its address hold Alice and what is hers, or what nobody has."""
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
    """Take every setting over that an operator's environment would make, and return a browser at that site."""
    with monkeypatch.context() as patch:
        patch.setenv("WATCHWORD_DEMO", "no")
        patch.setenv("WATCHWORD_PUBLIC_URL", f"https://{HOST}")
        patch.setenv("WATCHWORD_KEYS", KEYS)
        made = runpy.run_path(str(SETTINGS))
    # The rooms of the demo stay loaded: Django's apps are made once for each process.
    stored = {"INSTALLED_APPS", "DATABASES", "WATCHWORD_HOME", "LOGGING", "WATCHWORD_ARGON2"}
    for name, value in made.items():
        if name.isupper() and name not in stored and getattr(settings, name, None) != value:
            setattr(settings, name, value)
    return production_client()


class SecureClient(Client):
    """A browser that comes by https to the site's own name."""

    def generic(self, *arguments: Any, **named: Any) -> Any:
        """Ask as every method does."""
        return super().generic(*arguments, **{"SERVER_NAME": HOST, **named, "secure": True})


def production_client(**options: Any) -> Client:
    """Return a browser at the site in production."""
    return SecureClient(**options)
