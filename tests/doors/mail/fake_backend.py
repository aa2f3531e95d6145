"""A fake backend that knows one person and can be held up, locked or broken at will."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from watchword.core.codes import normal_app_password
from watchword.signin.mail_submission import SubmissionLogin
from watchword.signin.non_interactive import NO, AuthRequest, AuthResult, Mailbox, Unavailable

ALICE = "alice@harbour.example"
APP_PASSWORD = "abcd efgh ijkl mnop qrst uvwx"
ACCOUNT_PASSWORD = "the long passphrase of alice, 2026"


CREDENTIAL = UUID(int=7)


class FakeChecks:
    """A backend that accepts Alice with either password; ``gate`` holds up every check while it is closed."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()
        self.turns: list[int] = []
        self.account_checks = 0
        self.is_locked = False
        self.breaks_at = ""
        self.mailboxes = [Mailbox(UUID(int=number), f"p{number}@x") for number in range(1, 6)]
        self.sign_ins: list[SubmissionLogin | None] = []

    def is_shaped_like_app_password(self, question: AuthRequest) -> bool:
        return normal_app_password(question.secret.reveal()) is not None

    def check_many(self, questions: Sequence[AuthRequest], *, now: datetime) -> list[AuthResult]:
        with self._arrived:
            self.turns.append(len(questions))
            self._arrived.notify_all()
        self._wait()
        for question in questions:
            self._break(question.name)
        return [self._answer(question, normal_app_password(APP_PASSWORD)) for question in questions]

    def check_account_password(self, question: AuthRequest, *, now: datetime) -> AuthResult:
        with self._arrived:
            self.account_checks += 1
            self._arrived.notify_all()
        self._wait()
        self._break(question.name)
        return self._answer(question, ACCOUNT_PASSWORD)

    def find_mailbox(self, name: str, service: str) -> str | None:
        self._wait()
        self._break(name)
        return ALICE if name.lower() in (ALICE, "a.lias@harbour.example") else None

    def find_mailboxes(self, after: UUID | None) -> list[Mailbox]:
        self._wait()
        return [box for box in self.mailboxes if after is None or box.id > after][:2]

    def find_senders(self, address: str, *, now: datetime) -> list[str]:
        self._wait()
        self._break(address)
        return [ALICE, "bob@harbour.example"] if address == "sales@harbour.example" else []

    def find_ascii_address(self, address: str) -> str | None:
        self._wait()
        self._break(address)
        return "xn--lodie-9ra@harbour.example" if address == "\u00e9lodie@harbour.example" else None

    def may_go_on(self, name: str, signed_in: SubmissionLogin | None, *, now: datetime) -> bool:
        self._wait()
        self._break(name)
        self.sign_ins.append(signed_in)
        return name == ALICE and signed_in is not None

    async def reached(self, *, turns: int = 0, account_checks: int = 0) -> None:
        """Wait until a number of batches and of account password checks have begun."""

        def wait() -> bool:
            with self._arrived:
                return self._arrived.wait_for(
                    lambda: len(self.turns) >= turns and self.account_checks >= account_checks, 20
                )

        assert await asyncio.to_thread(wait)

    def _wait(self) -> None:
        assert self.gate.wait(20)
        if self.is_locked:
            raise Unavailable("OperationalError")

    def _break(self, name: str) -> None:
        if self.breaks_at and name == self.breaks_at:
            raise RuntimeError(f"no way to say it without {name} and canary")

    def _answer(self, question: AuthRequest, known: str | None) -> AuthResult:
        shown = question.secret.reveal()
        is_right = (normal_app_password(shown) or shown) == known
        return AuthResult(True, ALICE, CREDENTIAL) if question.name.lower() == ALICE and is_right else NO
