"""Remembers who has signed in at which process of a mail server, so that a message can be traced to its sign-in.

Postfix's smtpd tells its process id when it asks for a sign-in (CPID) and again with each message (instance), and talks
to one program at a time: the last sign-in at a process is the one that its message rests on. Where the process is not
known (another mail server, a container), it is the last one of that name from that address.
"""

from __future__ import annotations

from watchword.signin.mail_submission import SubmissionLogin

MOST_STORED = 16_384
"""Sign-ins remembered; many times the smtpd processes of a busy server. What is forgotten has to sign in again."""


class Submissions:
    """The sign-ins that the daemon has allowed since it started."""

    def __init__(self) -> None:
        self._by_process: dict[int, SubmissionLogin] = {}
        self._by_address: dict[tuple[str, str], SubmissionLogin] = {}

    def note(self, process: int, signed_in: SubmissionLogin) -> None:
        """Take note of an allowed sign-in; ``process`` is 0 where the client didn't tell its own."""
        if process:
            _put(self._by_process, process, signed_in)
        _put(self._by_address, (signed_in.mailbox, signed_in.address), signed_in)

    def find(self, name: str, process: int, address: str) -> SubmissionLogin | None:
        """Return the sign-in that a message under this name rests on, or None if it isn't known."""
        found = self._by_process.get(process)
        if found is not None and found.mailbox == name:
            return found
        return self._by_address.get((name, address))


def _put[K](stored: dict[K, SubmissionLogin], key: K, signed_in: SubmissionLogin) -> None:
    stored.pop(key, None)
    stored[key] = signed_in
    while len(stored) > MOST_STORED:
        del stored[next(iter(stored))]
