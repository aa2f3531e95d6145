"""Notifications of PostgreSQL wake who listens, and nothing depends on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread

import pytest
from django.db import connection, connections, transaction

from tests.world import World
from watchword.audit import notifications
from watchword.audit.notifications import Topic, listen, notify
from watchword.doors.mail import disconnects
from watchword.doors.mail.disconnects import RevocationRow, Watcher, rows_after
from watchword.doors.mail.kick import KickByCommand
from watchword.signin import actions

NEVER_SECONDS = 3600.0


def hear(act: Callable[[], None], *, until: int) -> int:
    """Listen for revocations, act in another thread once the listener is connected; return how often it was woken."""
    count = 0

    async def stage() -> None:
        woken = asyncio.Queue[None]()

        def heard() -> None:
            nonlocal count
            count += 1
            woken.put_nowait(None)

        listening = asyncio.create_task(listen(Topic.REVOCATIONS, heard))
        async with asyncio.timeout(20):
            await woken.get()
            await asyncio.to_thread(act)
            while count < until:
                await woken.get()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    asyncio.run(stage())
    return count


def in_a_transaction(act: Callable[[], object]) -> None:
    try:
        with transaction.atomic():
            act()
    finally:
        connections.close_all()


def end_listeners() -> None:
    """End every connection that listens, as a primary that goes away does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_commit_wakes_and_a_rollback_does_not() -> None:
    def act() -> None:
        with pytest.raises(RuntimeError, match="undone"):
            in_a_transaction(undone)
        in_a_transaction(lambda: notify(Topic.MESSAGES))
        in_a_transaction(lambda: notify(Topic.REVOCATIONS))

    def undone() -> None:
        notify(Topic.REVOCATIONS)
        raise RuntimeError("undone")

    assert hear(act, until=2) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_listener_whose_connection_ends_listens_again_and_looks_at_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "FIRST_RETRY_SECONDS", 0.01)
    assert hear(lambda: in_a_transaction(end_listeners), until=2) == 2
    assert caplog.text.count("database.notifications.lost") == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_block_on_one_node_reaches_a_mail_door_that_would_not_poll_for_an_hour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disconnects, "POLL_SECONDS", NEVER_SECONDS)
    seen: list[RevocationRow] = []
    looks = 0

    def look(number: int) -> list[RevocationRow]:
        nonlocal looks
        rows = rows_after(number)
        seen.extend(rows)
        looks += 1
        return rows

    def block() -> None:
        try:
            actions.block(world.alice, by=None, now=datetime.now(UTC))
        finally:
            connections.close_all()

    async def stage() -> None:
        watcher = Watcher(KickByCommand(("true",)), was_let_in_since=lambda *_: False, after=look)
        task = asyncio.create_task(watcher.run())
        async with asyncio.timeout(20):
            # One look at the start, and one when the listener is connected.
            while looks < 2:  # noqa: ASYNC110  (the looks happen in another thread)
                await asyncio.sleep(0.01)
            thread = Thread(target=block)
            thread.start()
            while not seen:  # noqa: ASYNC110  (as above)
                await asyncio.sleep(0.01)
            await asyncio.to_thread(thread.join)
        await asyncio.get_running_loop().run_in_executor(watcher._thread, connections.close_all)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(stage())
    assert [row.mailbox for row in seen][:1] == [world.alice.mailbox_name]


@pytest.mark.django_db
def test_on_sqlite_nobody_listens_and_nothing_is_asked() -> None:
    if connection.vendor == "postgresql":
        return
    notify(Topic.MESSAGES)
    asyncio.run(listen(Topic.MESSAGES, lambda: pytest.fail("nothing can be heard here")))
