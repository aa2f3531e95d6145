"""Unfinished sign-ins of strangers are deleted; sessions, and counts that limits still need, are not."""

from __future__ import annotations

from datetime import timedelta

from tests.alerts.playing import complete, pass_password, type_wrong_codes
from tests.telephone import Telephone
from tests.world import ORIGIN, World
from watchword.signin import flow
from watchword.signin.housekeeping import clean_up
from watchword.signin.models import CodeChallenge, FailureCount, KnownBrowser, Session, SignInAttempt


def test_old_attempts_codes_and_forgiven_counts_go_and_sessions_stay(world: World, telephone: Telephone) -> None:
    complete(world, telephone, world.alice)
    type_wrong_codes(pass_password(world, world.alice), world.now)
    for number in range(20):
        flow.begin(f"nobody{number}@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    # Unproven attempts go first, with the counts of two addresses; attempts with a proven password stay two days.
    assert clean_up(now=world.now + timedelta(hours=2)) == 20 + 2
    assert SignInAttempt.objects.count() == 2
    assert clean_up(now=world.now + timedelta(days=1, hours=23)) == 0
    assert clean_up(now=world.now + timedelta(days=2, hours=1)) > 2
    assert not SignInAttempt.objects.exists()
    assert not CodeChallenge.objects.exists()
    # The number of wrong codes since the last right one is stored, however old they are.
    assert FailureCount.objects.get().in_a_row == 2
    assert Session.objects.count() == 1
    assert KnownBrowser.objects.count() == 1
    clean_up(now=world.now + timedelta(days=401))
    assert not KnownBrowser.objects.exists()


def test_a_lock_is_not_swept_away(world: World) -> None:
    FailureCount.objects.create(pk=f"code:{world.alice.pk}", locked_at=world.now, changed_at=world.now)
    clean_up(now=world.now + timedelta(days=100))
    assert FailureCount.objects.count() == 1
