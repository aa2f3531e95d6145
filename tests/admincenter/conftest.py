"""Root, signed in, and the words of a page."""

import pytest
from django.test import Client

from tests.world import World, sign_in


@pytest.fixture
def root(client: Client, world: World) -> Client:
    """Root, signed in."""
    sign_in(client, world.root)
    return client
