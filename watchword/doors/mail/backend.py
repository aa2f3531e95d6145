"""The request batcher's backend: calls ``signin`` with database connections suited to a daemon's threads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, connections

from watchword.audit.installation import KeyWatch
from watchword.signin import mail_submission, non_interactive
from watchword.signin.mail_submission import SubmissionLogin
from watchword.signin.non_interactive import AuthRequest, AuthResult, Mailbox

PATIENCE_SECONDS = 3
"""How long a check waits for a database lock before the mail server gets a temporary failure.

Shorter than the 5 seconds after which Dovecot logs a look-up as slow.
"""

STORED_SECONDS = 60


def use_short_timeouts() -> None:
    """Set short database timeouts and persistent connections for this process; call it before its threads connect."""
    database: dict[str, Any] = connections.settings["default"]
    database["CONN_MAX_AGE"] = STORED_SECONDS
    database["CONN_HEALTH_CHECKS"] = True
    options = database.setdefault("OPTIONS", {})
    if "sqlite" in database["ENGINE"]:
        options["timeout"] = PATIENCE_SECONDS
    else:
        milliseconds = PATIENCE_SECONDS * 1000
        earlier = options.get("options", "")
        config = f"-c lock_timeout={milliseconds} -c statement_timeout={milliseconds}"
        options["options"] = f"{earlier} {config}".strip()


class DatabaseBackend:
    """The backend that answers from the database; every method but ``is_shaped_like_app_password`` runs in a thread."""

    def __init__(self) -> None:
        self._keys = KeyWatch(settings.WATCHWORD_KEY_RING)

    def is_shaped_like_app_password(self, question: AuthRequest) -> bool:
        """Return whether ``check_many`` answers this request."""
        return non_interactive.is_shaped_like_app_password(question)

    def check_many(self, questions: Sequence[AuthRequest], *, now: datetime) -> list[AuthResult]:
        """Check requests whose secrets are shaped like app passwords, and return the answers in the same order."""
        close_old_connections()
        with non_interactive.trying():
            lacks_a_key = self._keys.lacks_a_key(now=now)
        return non_interactive.check_many(questions, now=now, lacks_a_key=lacks_a_key)

    def check_account_password(self, question: AuthRequest, *, now: datetime) -> AuthResult:
        """Check one request with any other secret."""
        close_old_connections()
        return non_interactive.check_account_password(question, now=now)

    def find_mailbox(self, name: str, service: str) -> str | None:
        """Return the mailbox of a name; which names count depends on the service that looks it up."""
        close_old_connections()
        return non_interactive.find_mailbox(name, service)

    def find_mailboxes(self, after: UUID | None) -> Sequence[Mailbox]:
        """Return the next batch of mailboxes, in order of id, after the one with this id."""
        close_old_connections()
        return non_interactive.find_mailboxes(after)

    def find_senders(self, address: str, *, now: datetime) -> list[str]:
        """Return the sign-in names that may send as an address."""
        close_old_connections()
        return mail_submission.names_that_may_send_as(address, now=now)

    def find_ascii_address(self, address: str) -> str | None:
        """Return the ASCII form of a person's address, or None."""
        close_old_connections()
        return non_interactive.find_ascii_address(address)

    def may_go_on(self, name: str, signed_in: SubmissionLogin | None, *, now: datetime) -> bool:
        """Return whether a signed-in mail program may send another message."""
        close_old_connections()
        return mail_submission.may_go_on(name, signed_in, now=now)
