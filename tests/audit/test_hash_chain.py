"""An attacker who changes stored events breaks the hash chain."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.world import World
from watchword.audit import hash_chain
from watchword.audit.events import EventKind
from watchword.audit.models import Event, OutboxEvent, Seal
from watchword.audit.record import record


def happen(world: World, times: int = 3) -> None:
    for _ in range(times):
        record(EventKind.SIGN_IN_ALLOWED, now=world.now, subject=world.alice, by=world.alice, details={"a": "b"})


def run(statement: str, *values: str | int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_events_are_sealed_once_and_the_chain_holds(world: World) -> None:
    happen(world)
    assert hash_chain.seal(now=world.now) == 3
    assert hash_chain.seal(now=world.now) == 0
    happen(world, 2)
    assert hash_chain.look().unsealed == 2
    assert hash_chain.seal(now=world.now) == 2
    chain = hash_chain.look()
    assert (chain.problems, chain.sealed, chain.unsealed) == ((), 5, 0)
    newest = Seal.objects.latest("id")
    assert chain.last_digest == bytes(newest.digest).hex()


@pytest.mark.breaks_invariants
@pytest.mark.parametrize("column", ["subject_name", "reason", "address", "kind", "details"])
def test_log_03_a_changed_event_is_found(world: World, column: str) -> None:
    """A change of an event's row in the database breaks its seal."""
    happen(world)
    hash_chain.seal(now=world.now)
    event = Event.objects.order_by("id")[1]
    run(f"UPDATE audit_event SET {column} = %s WHERE id = %s", '{"a": "c"}' if column == "details" else "x", event.pk)
    assert len(hash_chain.look().problems) == 1


@pytest.mark.breaks_invariants
def test_log_03_a_deleted_event_is_found(world: World) -> None:
    """The deletion of an event's row from the database breaks its seal."""
    happen(world)
    hash_chain.seal(now=world.now)
    run("DELETE FROM audit_event WHERE id = %s", Event.objects.order_by("id")[1].pk)
    assert "3 were sealed, 2 are there" in hash_chain.look().problems[0]


@pytest.mark.breaks_invariants
def test_log_03_a_seal_made_anew_breaks_the_one_after_it(world: World) -> None:
    """A changed event can't be sealed again without the key, and a removed seal breaks the next one."""
    happen(world)
    hash_chain.seal(now=world.now)
    happen(world)
    hash_chain.seal(now=world.now)
    first = Seal.objects.earliest("id")
    run("DELETE FROM audit_seal WHERE id = %s", first.pk)
    assert hash_chain.look().problems


def test_a_long_pause_is_sealed_in_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_chain, "LONGEST_RUN", 2)
    happen(world, 5)
    assert [hash_chain.seal(now=world.now) for _ in range(4)] == [2, 2, 1, 0]
    assert hash_chain.look().problems == ()


def test_an_event_worth_a_warning_is_put_into_the_outbox_in_its_own_transaction(world: World) -> None:
    happen(world)
    assert OutboxEvent.objects.count() == 0
    record(EventKind.PASSWORD_CHANGED, now=world.now, subject=world.alice)
    record(EventKind.SIGN_IN_DENIED, now=world.now, subject=world.alice, notify=True)
    notify = list(Event.objects.filter(pk__in=OutboxEvent.objects.values("event_id")).order_by("id"))
    assert [event.kind for event in notify] == ["password.changed", "sign_in.denied"]
