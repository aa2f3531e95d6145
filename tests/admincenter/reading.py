"""Helpers that parse the admin center's pages and sign administrators in."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

from django.test import Client

from tests.world import World, make_person, sign_in
from watchword.directory.models import User
from watchword.directory.roles import Role

LONG_AGO = timedelta(hours=2)


def hidden(response: Any, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', response.content.decode())
    assert found is not None, f"the page has no hidden field {name}"
    return html.unescape(found[1])


def rows(response: Any, *, table: int = 1) -> list[str]:
    """Return the text of each row of the page's first table, or of a later one."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", response.content.decode(), flags=re.DOTALL)
    assert len(bodies) >= table, "the page has no such table"
    cells = [re.sub(r"<[^>]+>", " ", row) for row in re.findall(r"<tr.*?</tr>", bodies[table - 1], flags=re.DOTALL)]
    return [" ".join(html.unescape(row).split()) for row in cells]


def stale_root(client: Client, world: World) -> Client:
    """Return the browser in which Root signed in two hours ago and must re-authenticate."""
    sign_in(client, world.root, ago=LONG_AGO)
    return client


def as_role(client: Client, world: World, role: Role) -> User:
    """Create a person with one role, sign that person in, and return the person."""
    person = make_person(world.organisation, f"has.{role.value}", roles=(role,))
    sign_in(client, person)
    return person
