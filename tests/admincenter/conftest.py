"""A client in which Root is signed in."""

import pytest
from django.test import Client

from tests.world import World, sign_in


@pytest.fixture
def root(client: Client, world: World) -> Client:
    """Return a client in which Root is signed in."""
    sign_in(client, world.root)
    return client
