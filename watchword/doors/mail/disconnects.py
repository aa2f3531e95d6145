"""Closes the open mail connections of people whose access has ended.

New logins are refused from the moment of the commit, because each login is checked in the database. Only the mail
server can close a connection that is already open: the daemon reads the revocation rows that are written whenever
access ends, and has Dovecot's `doveadm kick` run for each person. It polls a few times a second; on PostgreSQL a
notification makes it look at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import Error as DatabaseError
from django.db import close_old_connections

from watchword.audit.notifications import Topic, listen
from watchword.audit.retries import cause_of
from watchword.core.database_errors import database_trouble
from watchword.core.log_events import log_event
from watchword.core.usernames import can_be_name
from watchword.doors.mail.kick import Kick, Kicked
from watchword.signin.models import Revocation

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.3
GATHER_SECONDS = 0.05
"""The shortest pause between two looks, however many notifications arrive."""
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0
"""The first and the longest pause before a failed command is retried; each pause is twice the one before."""
RETRY_SECONDS = 2.0
OVERLAP = timedelta(seconds=60)
"""How far back rows are read again, because a row can be committed after another row with a higher id."""

BATCH_SIZE = 1000
MOST_COMMANDS_AT_ONCE = 4
SECOND_LOOK_SECONDS = 1.5
"""The pause before the second kick: a login allowed just before the first kick may enter Dovecot's list after it."""


@dataclass(frozen=True, slots=True)
class RevocationRow:
    """One revocation: the access of one mailbox ended at this time."""

    id: int
    mailbox: str
    at: datetime


def rows_after(number: int) -> list[RevocationRow]:
    """Return the rows with higher ids, oldest first, at most MOST_AT_ONCE; raises DatabaseError."""
    close_old_connections()
    return _rows(Revocation.objects.filter(id__gt=number).order_by("id")[:BATCH_SIZE])


def _rows(found: Iterable[Revocation]) -> list[RevocationRow]:
    return [RevocationRow(row.pk, row.mailbox, row.at) for row in found]


class RevocationCursor:
    """The cursor that separates new rows from known rows. Pure: rows and the time go in, new rows come out."""

    def __init__(self, position: int = 0) -> None:
        self.floor = position
        """The id up to which all rows are known; a query reads the rows above it."""
        self._seen: set[int] = set()

    def take(self, rows: Sequence[RevocationRow], *, now: datetime) -> list[RevocationRow]:
        """Return the rows not seen before, and forget the ids that no query returns any more."""
        new = [row for row in rows if row.id not in self._seen]
        self._seen.update(row.id for row in new)
        done = [row.id for row in rows if row.at < now - OVERLAP]
        if len(rows) >= BATCH_SIZE:
            # A full result hides the rows above it: move on, even at the risk of missing a row committed late.
            done.append(rows[-1].id)
        self.floor = max([self.floor, *done])
        self._seen = {number for number in self._seen if number > self.floor}
        return new


class Position:
    """The id up to which revocations are handled, stored in a file, so that the daemon resumes there after a stop."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.value = self._read()

    def _read(self) -> int:
        if self._path is None:
            return 0
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            # No file yet, or an unreadable one: handle all revocations once more, which does no harm.
            return 0

    def move_to(self, value: int) -> None:
        """Store a higher position; ignore a lower one."""
        if value <= self.value:
            return
        self.value = value
        if self._path is None:
            return
        try:
            beside = self._path.with_suffix(".new")
            beside.write_text(f"{value}\n", encoding="ascii")
            beside.replace(self._path)
        except OSError as error:
            logger.warning(
                "disconnect position not saved to %s",
                self._path,
                extra=log_event("mail.disconnect.position_not_saved", trouble=error.strerror or type(error).__name__),
            )


class Watcher:
    """The task that polls for revocations and closes connections until it is cancelled.

    A row is done once its command succeeded or the person had no connection. A failed command is retried after growing
    pauses, also after a restart, without a limit.
    """

    def __init__(
        self,
        kick: Kick,
        *,
        was_let_in_since: Callable[[str, datetime], bool],
        after: Callable[[int], list[RevocationRow]] = rows_after,
        position: Path | None = None,
    ) -> None:
        self._kicks_by = kick
        self._was_let_in_since = was_let_in_since
        self._after = after
        self._position = Position(position)
        self._cursor = RevocationCursor(self._position.value)
        self._open: set[int] = set()
        """The ids of rows whose command has not succeeded yet."""
        self._thread = ThreadPoolExecutor(1, "revocations")
        self._places = asyncio.Semaphore(MOST_COMMANDS_AT_ONCE)
        self._kicks: set[asyncio.Task[None]] = set()
        self._has_failed = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Poll until cancelled; after a database error, poll again."""
        loop = asyncio.get_running_loop()
        listening = loop.create_task(listen(Topic.REVOCATIONS, self._wake.set))
        try:
            while True:
                self._wake.clear()
                try:
                    rows = await loop.run_in_executor(self._thread, self._after, self._cursor.floor)
                    self._act(self._cursor.take(rows, now=datetime.now(UTC)))
                    done = min([self._cursor.floor, *(number - 1 for number in self._open)])
                    await loop.run_in_executor(self._thread, self._position.move_to, done)
                    self._has_failed = False
                except DatabaseError as error:
                    if not self._has_failed:
                        logger.warning(
                            "disconnects deferred",
                            extra=log_event("mail.disconnect.deferred", trouble=database_trouble(error)),
                        )
                    self._has_failed = True
                except Exception as error:  # noqa: BLE001  (the next revocations must still be handled)
                    logger.error(
                        "disconnects skipped", extra=log_event("mail.disconnect.error", trouble=cause_of(error))
                    )
                    await asyncio.sleep(RETRY_SECONDS)
                await asyncio.sleep(GATHER_SECONDS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            kicks = list(self._kicks)
            for kick in kicks:
                kick.cancel()
            await asyncio.gather(*kicks, return_exceptions=True)
            self._thread.shutdown(wait=False)

    def _act(self, rows: Sequence[RevocationRow]) -> None:
        people: dict[str, set[int]] = {}
        for row in rows:
            people.setdefault(row.mailbox, set()).add(row.id)
        for name, numbers in people.items():
            self._open |= numbers
            kick = asyncio.get_running_loop().create_task(self._close_connections(name, numbers))
            self._kicks.add(kick)
            kick.add_done_callback(self._kicks.discard)

    async def _close_connections(self, mailbox: str, numbers: set[int]) -> None:
        pause = FIRST_RETRY_SECONDS
        while not await self._try_to_close(mailbox):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)
        self._open -= numbers

    async def _try_to_close(self, mailbox: str) -> bool:
        if not can_be_name(mailbox):
            # The command takes a mask, and this name may contain a wildcard: it would disconnect other people.
            logger.error(
                "connections left open: not a valid mailbox name, run `watchword verify`",
                extra=log_event("mail.disconnect.invalid_mailbox", mailbox=mailbox),
            )
            return True
        try:
            return await self._kick_twice(mailbox)
        except Exception as error:  # noqa: BLE001  (an error for one person must not affect others)
            trouble = cause_of(error)
            logger.error(
                "connections not closed", extra=log_event("mail.disconnect.failed", trouble=trouble, mailbox=mailbox)
            )
            return False

    async def _kick_twice(self, mailbox: str) -> bool:
        since = datetime.now(UTC) - timedelta(seconds=SECOND_LOOK_SECONDS)
        if not await self._kick(mailbox):
            return False
        if self._was_let_in_since(mailbox, since):
            await asyncio.sleep(SECOND_LOOK_SECONDS)
            return await self._kick(mailbox)
        return True

    async def _kick(self, mailbox: str) -> bool:
        async with self._places:
            kicked = await self._kicks_by.kick(mailbox)
        if kicked is Kicked.CLOSED:
            logger.info("connections closed", extra=log_event("mail.disconnect.done", mailbox=mailbox))
        return kicked is not Kicked.FAILED
