"""Wake processes on every node when a transaction commits, by LISTEN and NOTIFY of PostgreSQL.

A notification is a hint. It gets lost where a listener is just reconnecting, or where a pooler hands each transaction
another connection; so whoever listens polls as well, and a notification only makes the next look come sooner. SQLite
has none: there the processes are on one machine, and polling is all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from django.db import connection

from watchword.core.database_errors import database_trouble
from watchword.core.log_events import log_event

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.5, 10.0
"""The first and the longest pause before a lost connection is replaced; each pause is twice the one before."""
CHECK_SECONDS = 30.0
"""How often an idle listener asks whether its connection still works: a dead server may not have closed it."""
ANSWER_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Topic(StrEnum):
    """What a notification is about: the name of a channel of PostgreSQL."""

    MESSAGES = "watchword_messages"
    REVOCATIONS = "watchword_revocations"


def notify(topic: Topic) -> None:
    """Notify the listeners of a topic when the caller's transaction commits; never if it is rolled back."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [topic.value])


async def listen(topic: Topic, heard: Callable[[], None]) -> None:
    """Call ``heard`` for notifications of a topic, and after each new connection, until cancelled.

    Return at once on SQLite. A database that is away is waited for, and logged once.
    """
    if connection.vendor != "postgresql":
        return
    # psycopg is there only where the extra `postgres` is installed.
    import psycopg

    pause, has_failed = FIRST_RETRY_SECONDS, False
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**_parameters(), autocommit=True) as listening:
                await listening.execute(f'LISTEN "{topic.value}"')
                # What was committed before this moment was not heard.
                heard()
                pause, has_failed = FIRST_RETRY_SECONDS, False
                while True:
                    async for _ in listening.notifies(timeout=CHECK_SECONDS, stop_after=1):
                        heard()
                    await asyncio.wait_for(listening.execute("SELECT 1"), ANSWER_SECONDS)
        except (psycopg.Error, TimeoutError, OSError) as error:
            if not has_failed:
                logger.warning(
                    "not listening for notifications, polling only",
                    extra=log_event("database.notifications.lost", trouble=database_trouble(error), topic=topic.value),
                )
            has_failed = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)


def _parameters() -> dict[str, Any]:
    """Return the parameters of Django's own connection; what concerns its cursors is left out."""
    given = connection.get_connection_params()
    return {name: value for name, value in given.items() if name not in {"cursor_factory", "context"}}
