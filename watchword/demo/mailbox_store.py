"""Where the mails of the demo lie: one maildir for each person, read by the IMAP server and by the webmail."""

from __future__ import annotations

import hashlib
import mailbox
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings

LONGEST_LIST = 100


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as the webmail lists it."""

    key: str
    sender: str
    subject: str
    at: datetime | None
    is_read: bool
    text: str = ""


def folder_of(sign_in_name: str) -> str:
    """Return the name of a person's maildir; a digest, because a sign-in name may hold any letter."""
    return hashlib.sha256(sign_in_name.encode()).hexdigest()[:32]


def base() -> Path:
    """Return the folder of all maildirs."""
    return Path(settings.WATCHWORD_HOME) / "mailboxes"


def open_box(sign_in_name: str) -> mailbox.Maildir:
    """Return the maildir of a person, made if there is none yet."""
    base().mkdir(parents=True, exist_ok=True)
    return mailbox.Maildir(base() / folder_of(sign_in_name), create=True)


def deliver(sign_in_name: str, content: bytes) -> None:
    """Put a mail into a person's inbox."""
    open_box(sign_in_name).add(content)


def inbox(sign_in_name: str) -> list[Mail]:
    """Return the mails of a person, the newest first."""
    box = open_box(sign_in_name)
    mails = [_mail(key, box) for key in box.keys()]  # noqa: SIM118  (a Maildir iterates over its messages)
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(mails, key=lambda mail: mail.at or oldest, reverse=True)[:LONGEST_LIST]


def read(sign_in_name: str, key: str) -> Mail | None:
    """Return one mail with its text and mark it as read; None if there is no such mail."""
    box = open_box(sign_in_name)
    if key not in box.keys():  # noqa: SIM118  (a Maildir iterates over its messages)
        return None
    mail = _mail(key, box, with_text=True)
    message = box[key]
    if isinstance(message, mailbox.MaildirMessage):
        message.set_subdir("cur")
        message.add_flag("S")
        box[key] = message
    return mail


def _mail(key: str, box: mailbox.Maildir, *, with_text: bool = False) -> Mail:
    stored = box.get_message(key)
    parsed = message_from_bytes(box.get_bytes(key), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    try:
        at = parsedate_to_datetime(str(parsed["Date"])) if parsed["Date"] else None
    except ValueError:
        at = None
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    body = parsed.get_body(("plain",)) if with_text else None
    return Mail(
        key=key,
        sender=str(parsed["From"] or ""),
        subject=str(parsed["Subject"] or ""),
        at=at,
        is_read="S" in stored.get_flags(),
        text=body.get_content() if body is not None else "",
    )
