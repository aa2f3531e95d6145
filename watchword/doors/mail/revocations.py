"""Closes the open mail connections of people whose access has ended.

New logins are refused from the moment of the commit, for every one is asked anew. A connection that is open already
has to be closed by the mail server: the daemon reads the rows that every ending of access leaves behind, a few times
a second, and runs Dovecot's `doveadm kick` for each person.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import Error as DatabaseError
from django.db import close_old_connections

from watchword.audit.outbox import cause_of
from watchword.core.child_environment import child_environment
from watchword.core.database_errors import name_of_trouble
from watchword.signin.models import Revocation

log = logging.getLogger(__name__)

POLL_SECONDS = 0.3
TROUBLE_SECONDS = 2.0
OVERLAP = timedelta(seconds=60)
"""How far back rows are looked at again: one can be committed after another that has a higher number."""

MOST_AT_ONCE = 1000
MOST_COMMANDS_AT_ONCE = 4
COMMAND_SECONDS = 10
SECOND_LOOK_SECONDS = 1.5
"""A login that was allowed just before may reach the mail server's list of connections just after the first look."""

NOBODY_CONNECTED = 68
"""What `doveadm kick` returns where there was no connection (EX_NOHOST of sysexits.h)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One ending of access."""

    id: int
    mailbox: str
    at: datetime


def newest_rows() -> list[Row]:
    """Return the newest rows, newest first; raises DatabaseError."""
    close_old_connections()
    return _rows(Revocation.objects.order_by("-id")[:MOST_AT_ONCE])


def rows_after(number: int) -> list[Row]:
    """Return the rows with higher numbers, oldest first, at most MOST_AT_ONCE; raises DatabaseError."""
    close_old_connections()
    return _rows(Revocation.objects.filter(id__gt=number).order_by("id")[:MOST_AT_ONCE])


def _rows(found: Iterable[Revocation]) -> list[Row]:
    return [Row(row.pk, row.mailbox, row.at) for row in found]


class Ledger:
    """Which rows are still to be acted on. Pure: rows and the time go in, new rows come out."""

    def __init__(self) -> None:
        self.floor = 0
        """Everything up to this number is done with; a query asks for what is above."""
        self._seen: set[int] = set()

    def begin(self, newest_first: Sequence[Row], *, now: datetime) -> None:
        """Leave everything alone that is older than the overlap."""
        old = (row.id for row in newest_first if row.at < now - OVERLAP)
        self.floor = max(next(old, 0), newest_first[-1].id - 1 if len(newest_first) >= MOST_AT_ONCE else 0)

    def take(self, rows: Sequence[Row], *, now: datetime) -> list[Row]:
        """Return the rows that were not there before, and forget the numbers that can't come any more."""
        new = [row for row in rows if row.id not in self._seen]
        self._seen.update(row.id for row in new)
        done = [row.id for row in rows if row.at < now - OVERLAP]
        if len(rows) >= MOST_AT_ONCE:
            # A full window hides what lies above it: move on, even if a late row should be missed.
            done.append(rows[-1].id)
        self.floor = max([self.floor, *done])
        self._seen = {number for number in self._seen if number > self.floor}
        return new


def command_for(template: Sequence[str], mailbox: str) -> list[str]:
    """Return the command that closes one person's connections; the name is one argument, whatever it holds."""
    return [word.replace("{user}", mailbox) for word in template]


class Watcher:
    """Polls for rows and closes connections until it is cancelled."""

    def __init__(
        self,
        template: Sequence[str],
        *,
        was_let_in_since: Callable[[str, datetime], bool],
        newest: Callable[[], list[Row]] = newest_rows,
        after: Callable[[int], list[Row]] = rows_after,
    ) -> None:
        self._template = list(template)
        self._was_let_in_since = was_let_in_since
        self._newest = newest
        self._after = after
        self._ledger = Ledger()
        self._thread = ThreadPoolExecutor(1, "revocations")
        self._places = asyncio.Semaphore(MOST_COMMANDS_AT_ONCE)
        self._kicks: set[asyncio.Task[None]] = set()
        self._has_failed = False

    async def run(self) -> None:
        """Watch until cancelled; a database that fails is asked again."""
        loop = asyncio.get_running_loop()
        begun = False
        try:
            while True:
                try:
                    if begun:
                        rows = await loop.run_in_executor(self._thread, self._after, self._ledger.floor)
                    else:
                        newest = await loop.run_in_executor(self._thread, self._newest)
                        self._ledger.begin(newest, now=datetime.now(UTC))
                        rows = [row for row in reversed(newest) if row.id > self._ledger.floor]
                        begun = True
                    self._act(self._ledger.take(rows, now=datetime.now(UTC)))
                    self._has_failed = False
                except DatabaseError as error:
                    if not self._has_failed:
                        log.warning("the ended accesses can't be read now: %s", name_of_trouble(error))
                    self._has_failed = True
                except Exception as error:  # noqa: BLE001  (whoever loses access next must be put out all the same)
                    log.error("ended accesses were left out by a mistake: %s", cause_of(error))
                    await asyncio.sleep(TROUBLE_SECONDS)
                await asyncio.sleep(POLL_SECONDS)
        finally:
            kicks = list(self._kicks)
            for kick in kicks:
                kick.cancel()
            await asyncio.gather(*kicks, return_exceptions=True)
            self._thread.shutdown(wait=False)

    def _act(self, rows: Sequence[Row]) -> None:
        for name in dict.fromkeys(row.mailbox for row in rows):
            kick = asyncio.get_running_loop().create_task(self._close_connections(name))
            self._kicks.add(kick)
            kick.add_done_callback(self._kicks.discard)

    async def _close_connections(self, mailbox: str) -> None:
        try:
            await self._kick_twice(mailbox)
        except Exception as error:  # noqa: BLE001  (one person's trouble is that one's)
            log.error("connections of %r were not closed: %s", mailbox, cause_of(error))

    async def _kick_twice(self, mailbox: str) -> None:
        since = datetime.now(UTC) - timedelta(seconds=SECOND_LOOK_SECONDS)
        await self._kick(mailbox)
        if self._was_let_in_since(mailbox, since):
            await asyncio.sleep(SECOND_LOOK_SECONDS)
            await self._kick(mailbox)

    async def _kick(self, mailbox: str) -> None:
        command = command_for(self._template, mailbox)
        async with self._places:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env=child_environment(os.environ),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                )
            except (OSError, ValueError) as error:
                log.error("connections of %r can't be closed: %s can't be run: %s", mailbox, command[0], error)
                return
            try:
                _, complaint = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
            except TimeoutError:
                log.error("connections of %r were not closed: %s took too long", mailbox, command[0])
                return
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    # Reads what is left and reaps the process, so that nothing of it outlives this task.
                    await process.communicate()
        if process.returncode not in (0, NOBODY_CONNECTED):
            log.error(
                "connections of %r were not closed: %s returned %s: %r",
                mailbox,
                command[0],
                process.returncode,
                complaint.decode("utf-8", "replace")[:500],
            )
        elif process.returncode == 0:
            log.info("open connections of %r were closed", mailbox)
