"""Collects authentication requests into batches, checks each batch in a thread, and returns each caller its answer.

    app passwords      requests that arrive during one batch form the next batch: one read and one commit per batch
    account passwords  one slow hash each, in a few threads with a short queue, so that they cannot starve the others
    look-ups           mailboxes, senders, whether a signed-in program may still send: a cheap read each, in one thread

Everything except the checks themselves runs in the event loop. Every error is answered with a temporary failure.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from watchword.audit.metrics import MAIL_BATCH_SECONDS, count_sign_ins
from watchword.audit.retries import cause_of
from watchword.audit.tracing import span
from watchword.core.log_events import log_event
from watchword.core.negative_result import NegativeResult
from watchword.signin.mail_submission import SubmissionLogin
from watchword.signin.non_interactive import AuthRequest, AuthResult, Mailbox, Unavailable

logger = logging.getLogger(__name__)

MOST_IN_A_TURN = 256
MOST_WAITING = 4096
ACCOUNT_THREADS = 2
MOST_ACCOUNT_WAITING = 32
MOST_LOOK_UPS_WAITING = 256


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request is allowed: the name of the mailbox, and the id of the credential that the sign-in used."""

    mailbox: str
    credential_id: UUID | None = None


class AuthDenied(NegativeResult):
    """The request is denied; the client does not learn why."""


class AuthUnavailable(NegativeResult):
    """The request can't be answered now; the client should retry."""


REFUSED = AuthDenied()
DEFERRED = AuthUnavailable()

type Verdict = Allowed | AuthDenied | AuthUnavailable
type Tell = Callable[[Verdict], None]


class Backend(Protocol):
    """The source of the answers. Every method but the first is called in a thread and may raise Unavailable."""

    def is_shaped_like_app_password(self, question: AuthRequest) -> bool:
        """Return whether ``check_many`` answers this request. Called in the event loop, so it is pure and fast."""

    def check_many(self, questions: Sequence[AuthRequest], *, now: datetime) -> list[AuthResult]:
        """Check requests whose secrets are shaped like app passwords, and return the answers in the same order."""

    def check_account_password(self, question: AuthRequest, *, now: datetime) -> AuthResult:
        """Check one request with any other secret."""

    def find_mailbox(self, name: str, service: str) -> str | None:
        """Return the mailbox of a name or mail address, or None."""

    def find_mailboxes(self, after: UUID | None) -> Sequence[Mailbox]:
        """Return the next batch of mailboxes, in order of id, after the one with this id."""

    def find_senders(self, address: str, *, now: datetime) -> list[str]:
        """Return the sign-in names that may send as an address."""

    def find_ascii_address(self, address: str) -> str | None:
        """Return the ASCII form of a person's address, or None."""

    def may_go_on(self, name: str, signed_in: SubmissionLogin | None, *, now: datetime) -> bool:
        """Return whether a signed-in mail program may send another message."""


def _clock() -> datetime:
    return datetime.now(UTC)


class RequestBatcher:
    """The only caller of the backend within the daemon; it limits the requests that wait in each queue."""

    def __init__(self, checks: Backend, *, clock: Callable[[], datetime] = _clock) -> None:
        self._checks = checks
        self._clock = clock
        self._waiting: deque[tuple[AuthRequest, Tell]] = deque()
        self._turn: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._accounts_waiting = 0
        self._look_ups_waiting = 0
        self._app_thread = ThreadPoolExecutor(1, "app-passwords")
        self._account_threads = ThreadPoolExecutor(ACCOUNT_THREADS, "account-passwords")
        self._look_up_thread = ThreadPoolExecutor(1, "look-ups")
        self._recently: dict[str, datetime] = {}

    def ask(self, question: AuthRequest, tell: Tell) -> None:
        """Queue an authentication request; ``tell`` is called once with the verdict, in the event loop."""
        if self._checks.is_shaped_like_app_password(question):
            if len(self._waiting) >= MOST_WAITING:
                tell(DEFERRED)
                return
            self._waiting.append((question, tell))
            if self._turn is None:
                self._turn = asyncio.get_running_loop().create_task(self._take_turns())
        elif self._accounts_waiting >= MOST_ACCOUNT_WAITING:
            tell(DEFERRED)
        else:
            self._accounts_waiting += 1
            self._start(self._check_account_password(question, tell))

    def ask_mailbox(self, name: str, service: str, tell: Tell) -> None:
        """Queue the look-up of a mailbox; ``tell`` is called once, in the event loop."""

        def find() -> Verdict:
            found = self._checks.find_mailbox(name, service)
            return Allowed(found) if found is not None else REFUSED

        self._look_up(find, tell, "mailbox")

    def ask_mailboxes(self, after: UUID | None, tell: Callable[[Sequence[Mailbox] | AuthUnavailable], None]) -> None:
        """Queue the look-up of the next batch of mailboxes, after this id; an empty batch is the end of the list."""
        self._look_up(lambda: self._checks.find_mailboxes(after), tell, "mailbox list")

    def ask_senders(self, address: str, tell: Callable[[list[str] | AuthUnavailable], None]) -> None:
        """Queue the look-up of the names that may send as an address; ``tell`` is called once, in the event loop."""
        self._look_up(lambda: self._checks.find_senders(address, now=self._clock()), tell, "senders")

    def ask_ascii_address(self, address: str, tell: Callable[[str | AuthUnavailable | None], None]) -> None:
        """Queue the look-up of an address's ASCII form; ``tell`` is called once, in the event loop."""
        self._look_up(lambda: self._checks.find_ascii_address(address), tell, "ASCII address")

    def ask_to_go_on(
        self, name: str, signed_in: SubmissionLogin | None, tell: Callable[[bool | AuthUnavailable], None]
    ) -> None:
        """Queue the check whether a program may send another message; ``tell`` is called once, in the event loop."""
        self._look_up(lambda: self._checks.may_go_on(name, signed_in, now=self._clock()), tell, "submission")

    def was_let_in_since(self, mailbox: str, moment: datetime) -> bool:
        """Return whether a sign-in to this mailbox was allowed at or after a recent moment.

        Only the MOST_WAITING mailboxes that signed in last are remembered.
        """
        last = self._recently.get(mailbox)
        return last is not None and last >= moment

    async def finish(self) -> None:
        """Wait until every queued request is answered, and end the threads."""
        while pending := [task for task in (*self._tasks, self._turn) if task is not None and not task.done()]:
            await asyncio.wait(pending)
        for threads in (self._app_thread, self._account_threads, self._look_up_thread):
            threads.shutdown()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_turns(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                turn = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_IN_A_TURN))]
                questions = [question for question, _ in turn]
                verdicts: Sequence[Verdict] = await loop.run_in_executor(self._app_thread, self._many, questions)
                for (_, tell), verdict in zip(turn, verdicts, strict=True):
                    self._tell(tell, verdict)
        finally:
            self._turn = None

    async def _check_account_password(self, question: AuthRequest, tell: Tell) -> None:
        try:
            loop = asyncio.get_running_loop()
            verdict = await loop.run_in_executor(self._account_threads, self._one, question)
        finally:
            self._accounts_waiting -= 1
        self._tell(tell, verdict)

    def _look_up[T](self, find: Callable[[], T], tell: Callable[[T | AuthUnavailable], None], what: str) -> None:
        if self._look_ups_waiting >= MOST_LOOK_UPS_WAITING:
            tell(DEFERRED)
            return
        self._look_ups_waiting += 1
        self._start(self._answer_look_up(find, tell, what))

    async def _answer_look_up[T](
        self, find: Callable[[], T], tell: Callable[[T | AuthUnavailable], None], what: str
    ) -> None:
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._look_up_thread, self._found, find, what)
        finally:
            self._look_ups_waiting -= 1
        _pass_on(tell, found)

    def _tell(self, tell: Tell, verdict: Verdict) -> None:
        if isinstance(verdict, Allowed):
            self._recently.pop(verdict.mailbox, None)
            self._recently[verdict.mailbox] = self._clock()
            while len(self._recently) > MOST_WAITING:
                del self._recently[next(iter(self._recently))]
        _pass_on(tell, verdict)

    # In threads ------------------------------------------------------------------------------------------------------

    def _many(self, questions: Sequence[AuthRequest]) -> Sequence[Verdict]:
        began = time.perf_counter()
        try:
            with span("mail.batch", requests=len(questions)):
                answers = self._checks.check_many(questions, now=self._clock())
            MAIL_BATCH_SECONDS.observe(time.perf_counter() - began)
            return _counted(questions, [_verdict(answer) for _, answer in zip(questions, answers, strict=True)])
        except Unavailable as error:
            trouble, number = str(error), len(questions)
            logger.warning(
                "authentication deferred", extra=log_event("mail.auth.deferred", trouble=trouble, requests=number)
            )
        except Exception as error:  # noqa: BLE001  any error is answered "later", and the daemon goes on
            # The error's text and a traceback's values may hold a typed password: only its kind and place are logged.
            trouble, number = cause_of(error), len(questions)
            logger.error(
                "app password check failed", extra=log_event("mail.auth.failed", trouble=trouble, requests=number)
            )
            if len(questions) > 1:
                # One request that causes an error must not fail the rest of the batch: check each alone.
                return [verdict for question in questions for verdict in self._many([question])]
        return _counted(questions, [DEFERRED] * len(questions))

    def _one(self, question: AuthRequest) -> Verdict:
        try:
            answer = self._checks.check_account_password(question, now=self._clock())
            return _counted([question], [_verdict(answer)])[0]
        except Unavailable as error:
            logger.warning(
                "authentication deferred", extra=log_event("mail.auth.deferred", trouble=str(error), requests=1)
            )
        except Exception as error:  # noqa: BLE001  as above
            trouble = cause_of(error)
            logger.error(
                "account password check failed", extra=log_event("mail.auth.failed", trouble=trouble, requests=1)
            )
        return _counted([question], [DEFERRED])[0]

    def _found[T](self, find: Callable[[], T], what: str) -> T | AuthUnavailable:
        try:
            return find()
        except Unavailable as error:
            logger.warning("lookup deferred", extra=log_event("mail.lookup.deferred", trouble=str(error), lookup=what))
        except Exception as error:  # noqa: BLE001  as above
            logger.error("lookup failed", extra=log_event("mail.lookup.failed", trouble=cause_of(error), lookup=what))
        return DEFERRED


def _pass_on[T](tell: Callable[[T], None], answer: T) -> None:
    try:
        tell(answer)
    except Exception as error:  # noqa: BLE001  (the other answers must still be sent)
        logger.error("answer not sent", extra=log_event("mail.answer.failed", trouble=cause_of(error)))


def _counted(questions: Sequence[AuthRequest], verdicts: list[Verdict]) -> list[Verdict]:
    """Count and log verdicts, and return them."""
    allowed = sum(isinstance(verdict, Allowed) for verdict in verdicts)
    denied = sum(isinstance(verdict, AuthDenied) for verdict in verdicts)
    count_sign_ins("mail", "allowed", allowed)
    count_sign_ins("mail", "denied", denied)
    count_sign_ins("mail", "deferred", len(verdicts) - allowed - denied)
    for question, verdict in zip(questions, verdicts, strict=True) if denied else ():
        # For programs that close an address to the network; the reason is in the audit log alone.
        if isinstance(verdict, AuthDenied):
            logger.info("authentication refused", extra=log_event("mail.auth.refused", address=question.address))
    return verdicts


def _verdict(answer: AuthResult) -> Verdict:
    if answer.is_later:
        return DEFERRED
    return Allowed(answer.mailbox, answer.credential_id) if answer.allowed else REFUSED
