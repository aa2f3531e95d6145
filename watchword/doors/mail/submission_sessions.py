"""Remembers the last sign-in at each process of a mail server, so that a message can be traced to its sign-in.

Postfix's smtpd sends its process id with each authentication request (CPID) and with each message (instance), and
serves one mail program at a time: a message belongs to the last sign-in at its process. If the process is unknown
(another mail server, a container), it belongs to the last sign-in of that name from that address.
"""

from __future__ import annotations

from watchword.signin.mail_submission import SubmissionLogin

MOST_STORED = 16_384
"""Sign-ins remembered, many times the smtpd processes of a busy server. A program whose sign-in was forgotten has to
sign in again."""


class Submissions:
    """The sign-ins that the daemon has allowed since it started."""

    def __init__(self) -> None:
        self._by_process: dict[int, SubmissionLogin] = {}
        self._by_address: dict[tuple[str, str], SubmissionLogin] = {}

    def note(self, process: int, signed_in: SubmissionLogin) -> None:
        """Remember an allowed sign-in; ``process`` is 0 if the client sent no process id."""
        if process:
            _put(self._by_process, process, signed_in)
        _put(self._by_address, (signed_in.mailbox, signed_in.address), signed_in)

    def find(self, name: str, process: int, address: str) -> SubmissionLogin | None:
        """Return the sign-in that a message under this name belongs to, or None if it is unknown."""
        found = self._by_process.get(process)
        if found is not None and found.mailbox == name:
            return found
        return self._by_address.get((name, address))


def _put[K](stored: dict[K, SubmissionLogin], key: K, signed_in: SubmissionLogin) -> None:
    stored.pop(key, None)
    stored[key] = signed_in
    while len(stored) > MOST_STORED:
        del stored[next(iter(stored))]
