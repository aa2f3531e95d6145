"""Request every address of the site as every kind of visitor, and note the result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.alerts.playing import pass_password, type_wrong_codes, work
from tests.doors.oidc.relying_party import make_party
from tests.world import World, make_person, sign_in
from watchword.alerts.models import Alert
from watchword.applications.issuer import tenant_of
from watchword.audit.record import Origin
from watchword.core.policy import FactorKind
from watchword.directory.groups import create_group
from watchword.directory.roles import Role
from watchword.factors import vault
from watchword.messaging.models import CountryBlock
from watchword.signin import cookies, flow

WHO = ("nobody", "half signed in", "a person", "help desk", "administrator")
NOT_OURS = {"demo"}
"""Packages that exist in the demo only and have tests of their own."""


def names() -> list[str]:
    """Return the name of every address, with its namespace: ``portal:home``."""
    return sorted(_names(get_resolver().url_patterns, ""))


def _names(patterns: list[URLPattern | URLResolver], namespace: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = pattern.namespace or namespace
            if inner not in NOT_OURS:
                yield from _names(pattern.url_patterns, inner)
        else:
            assert pattern.name, f"{pattern} has no name"
            yield f"{namespace}:{pattern.name}"


def parameters(name: str) -> list[str]:
    """Return the names of the variable parts of an address."""
    namespace, _, bare = name.partition(":")
    for resolver in get_resolver().url_patterns:
        if isinstance(resolver, URLResolver) and resolver.namespace == namespace:
            for pattern in resolver.url_patterns:
                if isinstance(pattern, URLPattern) and pattern.name == bare:
                    return list(pattern.pattern.converters)
    raise KeyError(name)


class Site:
    """A world with an existing object for every address, and a browser for each kind of visitor."""

    def __init__(self, world: World) -> None:
        self.world = world
        helper = make_person(world.organisation, "hannah", roles=(Role.HELPDESK_ADMINISTRATOR,))
        self.browsers = {who: Client(raise_request_exception=True) for who in WHO}
        sign_in(self.browsers["a person"], world.alice)
        sign_in(self.browsers["help desk"], helper)
        sign_in(self.browsers["administrator"], world.root)
        token = flow.begin("alice@harbour.example", origin=_origin(), next_url="/", now=world.now)
        attempt = flow.find_attempt(token, now=world.now)
        assert attempt is not None
        flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
        self.browsers["half signed in"].cookies[cookies._name(cookies._ATTEMPT)] = token
        type_wrong_codes(pass_password(world, world.alice), world.now)
        work(world.now)
        self.credential = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0].id
        self.group = create_group(world.organisation, "Sales", by=None, now=world.now).pk
        client = make_party(world).client
        self.app, self.app_secret = client.pk, client.secrets.get().pk
        self.alert = Alert.objects.get().pk
        about = {"organisation": world.organisation, "country": "DE", "sent": 40, "entered": 1}
        self.country_block = CountryBlock.objects.create(**about, at=world.now, until=world.now + timedelta(days=1)).pk

    def address(self, name: str, *, unknown: bool = False) -> str:
        """Return an address with Alice's objects in its variable parts, or with ids that don't exist."""
        values: dict[str, UUID | str | int] = {
            "user_id": self.world.bob.pk,
            "credential_id": self.credential,
            "session_id": uuid4(),
            "sign_in_id": uuid4(),
            "alert_id": self.alert,
            "country_block_id": self.country_block,
            "kind": "people" if "sample" in name else "phone",
            "name": "sign-out",
            "token": "x",
            "gateway": "gateway",
            "delivery_id": uuid4(),
            "tenant": tenant_of(self.world.organisation),
            "proxy": "nginx",
            "group_id": self.group,
            "app_id": self.app,
            "secret_id": self.app_secret,
            "preset": "web",
            "what": "disable",
        }
        if unknown:
            values |= {
                "user_id": uuid4(),
                "group_id": uuid4(),
                "app_id": uuid4(),
                "preset": "zzz",
                "what": "zzz",
                "credential_id": uuid4(),
                "alert_id": 10**30,
                "country_block_id": 10**30,
                "kind": "zzz",
                "name": "zzz",
                "tenant": uuid4(),
            }
        return reverse(name, kwargs={part: values[part] for part in parameters(name)})


def outcome(client: Client, method: str, address: str) -> str:
    """Return the result of a request in a word."""
    answer = getattr(client, method)(address)
    match answer.status_code:
        case 200:
            return "opens"
        case 301 | 302 if answer["Location"].startswith("/sign-in/confirm/"):
            return "proves again"
        case 301 | 302 if answer["Location"].startswith("/sign-in/"):
            return "signs in first"
        case 301 | 302:
            return "leads on"
        case 403:
            return "refused"
        case 404 | 410:
            return "not there"
        case 405:
            return "-"
        case other:
            return str(other)


def fields(page: str) -> set[str]:
    """Return the names of the fields on a page, and of the parameters in its links."""
    return set(re.findall(r'name="([\w-]+)"', page)) | set(re.findall(r"[?&;]([\w-]+)=", page))


def _origin() -> Origin:
    return Origin(address="198.51.100.7", agent="Mozilla/5.0", door="web")
