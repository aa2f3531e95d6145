"""Connections of Dovecot: passwords, mailboxes, and the list of all of them."""

from __future__ import annotations

import functools
import logging
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from watchword.core.log_events import log_event
from watchword.doors.mail import dict_protocol
from watchword.doors.mail.batching import Allowed, AuthDenied, AuthUnavailable, Verdict
from watchword.doors.mail.connections import Connection, MailDoor
from watchword.doors.mail.line_protocol import Hangup, Line, TooLong
from watchword.signin.non_interactive import AuthRequest, Mailbox

logger = logging.getLogger(__name__)


class DictConnection(Connection):
    """A connection that speaks the dict protocol. Its answers have no id, so they are sent in the order of requests."""

    def __init__(self, door: MailDoor) -> None:
        super().__init__(door)
        self._answers: deque[list[bytes]] = deque()

    def take(self, line: Line | TooLong) -> None:
        """Handle one line."""
        command = dict_protocol.parse(line, self.door.ring)
        if not self.is_greeted and not isinstance(command, dict_protocol.Hello | Hangup):
            self.hang_up("command before the version handshake")
            return
        match command:
            case dict_protocol.Hello():
                self.is_greeted = True
            case dict_protocol.AskPassword(question):
                self.asked()
                tell = functools.partial(self._tell_password, self._place(), question, datetime.now(UTC))
                self.door.batcher.ask(question, tell)
            case dict_protocol.AskMailbox(name, service):
                self.asked()
                told = functools.partial(self._tell, self._place(), dict_protocol.mailbox_of)
                self.door.batcher.ask_mailbox(name, service, told)
            case dict_protocol.AskAll(most):
                self.asked()
                self.door.batcher.ask_mailboxes(None, functools.partial(self._tell_all, self._place(), [], most))
            case dict_protocol.LookupRejected():
                self._fill(self._place(), dict_protocol.NOT_FOUND)
            case dict_protocol.LookupFailed(why):
                logger.error(
                    "lookup not answered: %s",
                    why,
                    extra=log_event("mail.lookup.unanswerable", connection=self.number),
                )
                self._fill(self._place(), dict_protocol.DEFERRED)
            case dict_protocol.Ignore():
                pass
            case Hangup(why):
                self.hang_up(why)
            case _:
                assert_never(command)

    def _tell_all(
        self, place: list[bytes], rows: list[bytes], most: int | None, found: Sequence[Mailbox] | AuthUnavailable
    ) -> None:
        if isinstance(found, AuthUnavailable) or self.is_gone:
            self._fill(place, dict_protocol.DEFERRED)
            self.told()
            return
        wanted = found if most is None else found[: most - len(rows)]
        rows += [dict_protocol.mailboxes([mailbox.name]) for mailbox in wanted]
        if found and len(rows) != most:
            # One batch after another, so that a long list does not delay other look-ups.
            self.door.batcher.ask_mailboxes(found[-1].id, functools.partial(self._tell_all, place, rows, most))
            return
        self._fill(place, b"".join(rows) + dict_protocol.END_OF_ROWS)
        self.told()

    def _place(self) -> list[bytes]:
        place: list[bytes] = []
        self._answers.append(place)
        return place

    def _fill(self, place: list[bytes], answer: bytes) -> None:
        place.append(answer)
        ready = []
        while self._answers and self._answers[0]:
            ready += self._answers.popleft()
        if ready:
            self.send(b"".join(ready))

    def _tell_password(self, place: list[bytes], question: AuthRequest, at: datetime, verdict: Verdict) -> None:
        if isinstance(verdict, Allowed):
            # Sign-ins of Dovecot's submission service, and of a Postfix that authenticates through Dovecot.
            self.door.note_sign_in(verdict.mailbox, verdict.credential_id, question, at)
        self._tell(place, dict_protocol.let_in, verdict)

    def _tell(self, place: list[bytes], found: dict_protocol.Found, verdict: Verdict) -> None:
        match verdict:
            case Allowed(mailbox):
                self._fill(place, found(mailbox))
            case AuthDenied():
                self._fill(place, dict_protocol.NOT_FOUND)
            case AuthUnavailable():
                self._fill(place, dict_protocol.DEFERRED)
            case _:
                assert_never(verdict)
        self.told()
