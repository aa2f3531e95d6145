"""Steps that the attacks by telephone share: request a code, change the settings of an organisation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.world import World
from watchword.core.policy import Channel
from watchword.directory.models import Organisation, User
from watchword.signin import flow
from watchword.signin.models import SignInAttempt

MINUTE = timedelta(minutes=1)


def send(
    world: World, attempt: SignInAttempt, *, later: timedelta = timedelta(0), channel: Channel = Channel.SMS
) -> Any:
    """Request a code for Alice's telephone."""
    return flow.send_code(attempt, world.alices_phone.id, channel, now=world.now + later)


def allow(organisation: Organisation, *users: User, **changes: object) -> None:
    """Change an organisation, and refresh it in these people's objects."""
    for name, value in changes.items():
        setattr(organisation, name, value)
    organisation.save()
    for user in users:
        user.refresh_from_db()
