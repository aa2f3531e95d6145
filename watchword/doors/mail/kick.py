"""How the mail door has a person's open connections closed: by a command, or by the daemon that may run it as root."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from watchword.core.child_environment import child_environment
from watchword.core.log_events import log_event

logger = logging.getLogger(__name__)

COMMAND_SECONDS = 10
NO_CONNECTION = 68
"""The exit status of `doveadm kick` if the person had no connection (EX_NOHOST of sysexits.h)."""

SOCKET_SECONDS = 2 * COMMAND_SECONDS + 5
"""How long the daemon may take: it may wait for another command before it runs its own."""

CLOSED, NONE_OPEN, FAILED = b"closed", b"none", b"failed"
"""The answers of the daemon; after the last one, a blank and the reason."""
LONGEST_ANSWER = 1024


class Kicked(Enum):
    """What became of a person's open connections."""

    CLOSED = auto()
    NONE_OPEN = auto()
    """The person had none."""
    FAILED = auto()
    """They may be open still: try again."""


class Kick(Protocol):
    """Closes the connections of one mailbox, whose name the caller has checked."""

    async def kick(self, mailbox: str) -> Kicked:
        """Close them; an error is logged."""


def command_for(template: Sequence[str], mailbox: str) -> list[str]:
    """Return the command that closes one person's connections; the name stays one argument.

    ``doveadm kick`` reads the name as a mask: the caller makes sure that it contains no wildcard.
    """
    return [word.replace("{user}", mailbox) for word in template]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command did; ``trouble`` is empty if it did what it should."""

    kicked: Kicked
    trouble: str = ""


async def run_command(command: Sequence[str], environment: Mapping[str, str]) -> CommandResult:
    """Run a command that closes connections, without a shell, for at most COMMAND_SECONDS."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=child_environment(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return CommandResult(Kicked.FAILED, f"{command[0]} can't be run ({reason})")
    try:
        _, complaint = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    except TimeoutError:
        return CommandResult(Kicked.FAILED, f"{command[0]} timed out")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            # Reads the remaining output and reaps the process, so that no zombie outlives this task.
            await process.communicate()
    if process.returncode == NO_CONNECTION:
        return CommandResult(Kicked.NONE_OPEN)
    if process.returncode == 0:
        return CommandResult(Kicked.CLOSED)
    said = complaint.decode("utf-8", "replace")[:500]
    return CommandResult(Kicked.FAILED, f"{command[0]} returned {process.returncode}: {said!r}")


@dataclass(frozen=True, slots=True)
class KickByCommand:
    """Runs the operator's command in this process's own name."""

    template: tuple[str, ...]

    async def kick(self, mailbox: str) -> Kicked:
        """Close the connections of one mailbox."""
        done = await run_command(command_for(self.template, mailbox), os.environ)
        return _logged(done, mailbox)


@dataclass(frozen=True, slots=True)
class KickBySocket:
    """Asks the daemon `watchword serve kick`, which may do what this process may not."""

    path: str

    async def kick(self, mailbox: str) -> Kicked:
        """Close the connections of one mailbox."""
        return _logged(await self.ask(mailbox), mailbox)

    async def ask(self, mailbox: str) -> CommandResult:
        """Return what the daemon did."""
        try:
            async with asyncio.timeout(SOCKET_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self.path, limit=LONGEST_ANSWER)
                try:
                    writer.write(f"{mailbox}\n".encode())
                    answer = await reader.readline()
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (OSError, ValueError) as error:
            # TimeoutError is an OSError.
            reason = getattr(error, "strerror", None) or type(error).__name__
            return CommandResult(Kicked.FAILED, f"{self.path} does not answer ({reason})")
        word, _, reason = answer.rstrip(b"\n").partition(b" ")
        match word:
            case b"closed":
                return CommandResult(Kicked.CLOSED)
            case b"none":
                return CommandResult(Kicked.NONE_OPEN)
            case b"failed":
                return CommandResult(Kicked.FAILED, reason.decode("utf-8", "replace"))
            case _:
                return CommandResult(Kicked.FAILED, f"{self.path} closed the connection without an answer")


def _logged(done: CommandResult, mailbox: str) -> Kicked:
    if done.trouble:
        logger.error(
            "connections not closed: %s", done.trouble, extra=log_event("mail.disconnect.failed", mailbox=mailbox)
        )
    return done.kicked
