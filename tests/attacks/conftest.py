"""Fixtures of the attacks on apps that prove who they are by signed assertions."""

from __future__ import annotations

import pytest
from joserfc.jwk import ECKey

from tests.doors.oidc.relying_party import RelyingParty, make_party
from tests.world import World
from watchword.applications.models import ClientKind


@pytest.fixture
def key() -> ECKey:
    """Return the private key of the bank."""
    return ECKey.generate_key("P-256", {"kid": "of-the-bank"}, private=True)


@pytest.fixture
def bank(world: World, key: ECKey) -> RelyingParty:
    """Return a strict client, which proves who it is by signed assertions."""
    keys = {"keys": [key.as_dict(private=False)]}
    return make_party(world, "Bank", kind=ClientKind.STRICT, jwks=keys, signing_algorithm="ES256")
