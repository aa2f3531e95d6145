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
from pathlib import Path

from django.db import Error as DatabaseError
from django.db import close_old_connections

from watchword.audit.outbox import cause_of
from watchword.core.child_environment import child_environment
from watchword.core.database_errors import name_of_trouble
from watchword.core.usernames import can_be_name
from watchword.signin.models import Revocation

log = logging.getLogger(__name__)

POLL_SECONDS = 0.3
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0
"""Pauses before a command that failed is tried again; each is twice as long as the one before."""
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


def rows_after(number: int) -> list[Row]:
    """Return the rows with higher numbers, oldest first, at most MOST_AT_ONCE; raises DatabaseError."""
    close_old_connections()
    return _rows(Revocation.objects.filter(id__gt=number).order_by("id")[:MOST_AT_ONCE])


def _rows(found: Iterable[Revocation]) -> list[Row]:
    return [Row(row.pk, row.mailbox, row.at) for row in found]


class RevocationCursor:
    """Which rows are still to be acted on. Pure: rows and the time go in, new rows come out."""

    def __init__(self, position: int = 0) -> None:
        self.floor = position
        """Everything up to this number is done with; a query asks for what is above."""
        self._seen: set[int] = set()

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
    """Return the command that closes one person's connections; the name is one argument.

    For ``doveadm kick`` it is a mask: whoever calls makes sure that nothing in it is one.
    """
    return [word.replace("{user}", mailbox) for word in template]


class Position:
    """How far a daemon has come, kept in a file: after a night without it, it goes on from there."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.value = self._read()

    def _read(self) -> int:
        if self._path is None:
            return 0
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            # None yet, or not to be read: everybody's endings are looked at once more, which harms nobody.
            return 0

    def move_to(self, value: int) -> None:
        """Remember a position that lies further on."""
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
            log.warning("how far ended accesses were acted on can't be written to %s: %s", self._path, error.strerror)


class Watcher:
    """Polls for rows and closes connections until it is cancelled.

    A row is done with once its command worked, or nobody was connected; what fails is tried again after growing pauses,
    and after a restart, for as long as it takes.
    """

    def __init__(
        self,
        template: Sequence[str],
        *,
        was_let_in_since: Callable[[str, datetime], bool],
        after: Callable[[int], list[Row]] = rows_after,
        position: Path | None = None,
    ) -> None:
        self._template = list(template)
        self._was_let_in_since = was_let_in_since
        self._after = after
        self._position = Position(position)
        self._ledger = RevocationCursor(self._position.value)
        self._open: set[int] = set()
        """The numbers of rows whose command has not worked yet."""
        self._thread = ThreadPoolExecutor(1, "revocations")
        self._places = asyncio.Semaphore(MOST_COMMANDS_AT_ONCE)
        self._kicks: set[asyncio.Task[None]] = set()
        self._has_failed = False

    async def run(self) -> None:
        """Watch until cancelled; a database that fails is asked again."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    rows = await loop.run_in_executor(self._thread, self._after, self._ledger.floor)
                    self._act(self._ledger.take(rows, now=datetime.now(UTC)))
                    done = min([self._ledger.floor, *(number - 1 for number in self._open)])
                    await loop.run_in_executor(self._thread, self._position.move_to, done)
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
            # The command takes a mask, and this name may be one: it would put others out.
            log.error("connections of %r are left open: no mailbox is called so; see `watchword verify`", mailbox)
            return True
        try:
            return await self._kick_twice(mailbox)
        except Exception as error:  # noqa: BLE001  (one person's trouble is that one's)
            log.error("connections of %r were not closed: %s", mailbox, cause_of(error))
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
                return False
            try:
                _, complaint = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
            except TimeoutError:
                log.error("connections of %r were not closed: %s took too long", mailbox, command[0])
                return False
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
            return False
        if process.returncode == 0:
            log.info("open connections of %r were closed", mailbox)
        return True
