"""A mail door whose key ring lacks a key answers *later*: another process may have made the app password with it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.keys import rotated
from tests.world import World, give_app_password
from watchword.audit import installation
from watchword.audit.models import Event, SealingKey
from watchword.core.policy import Door
from watchword.doors.mail.backend import DatabaseBackend
from watchword.signin.non_interactive import AuthRequest, AuthResult, Secret


def ask(checks: DatabaseBackend, letters: str, seconds: int = 0) -> AuthResult:
    question = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(letters), "imap", "198.51.100.9")
    (answer,) = checks.check_many([question], now=timezone.now() + timedelta(seconds=seconds))
    return answer


@pytest.mark.django_db(transaction=True)
def test_an_app_password_of_a_newer_key_is_told_later_and_not_wrong(
    world: World, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ring = settings.WATCHWORD_KEY_RING
    checks = DatabaseBackend()
    assert ask(checks, world.alices_app_password).allowed
    # Another node uses a new key, which this process has not loaded.
    settings.WATCHWORD_KEY_RING = rotated(ring)
    installation.register_key(settings.WATCHWORD_KEY_RING, now=timezone.now())
    newer = give_app_password(world.alice, "made elsewhere")
    settings.WATCHWORD_KEY_RING = ring
    events = Event.objects.count()
    assert ask(checks, newer, 6) == AuthResult(allowed=False, is_later=True)
    assert Event.objects.count() == events, "it is no wrong password"
    assert ask(checks, world.alices_app_password, 7).allowed, "what this ring finds goes on"
    assert caplog.text.count("copy the key file and restart this process") == 1
    SealingKey.objects.all().delete()
    assert ask(checks, "abcd" * 6, 20) == AuthResult(allowed=False)


@pytest.mark.django_db(transaction=True)
def test_the_ring_is_compared_every_few_seconds_at_most(
    world: World, settings: Any, django_assert_num_queries: Any
) -> None:
    watch = installation.KeyWatch(settings.WATCHWORD_KEY_RING)
    now = timezone.now()
    with django_assert_num_queries(1):
        for seconds in (0, 1, 4):
            assert not watch.lacks_a_key(now=now + timedelta(seconds=seconds))
    other = type(settings.WATCHWORD_KEY_RING).create(random_source=os.urandom)
    installation.register_key(other, now=now)
    assert watch.lacks_a_key(now=now + timedelta(seconds=5))
    SealingKey.objects.all().delete()
