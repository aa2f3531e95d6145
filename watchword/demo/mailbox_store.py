"""The mails of the demo: one maildir per person, read by the IMAP server and by the webmail."""

from __future__ import annotations

import contextlib
import email
import hashlib
import mailbox
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path

from django.conf import settings

LONGEST_LIST = 100
_NOT_FOR_READING = frozenset(("script", "style", "title"))
_NEW_LINES = frozenset(("p", "br", "div", "tr", "li", "h1", "h2", "h3"))


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail in the list of the webmail."""

    key: str
    sender: str
    subject: str
    at: datetime | None
    is_read: bool
    text: str = ""


def folder_of(sign_in_name: str) -> str:
    """Return the name of a person's maildir: a digest, because a sign-in name may contain any character."""
    return hashlib.sha256(sign_in_name.encode()).hexdigest()[:32]


def base() -> Path:
    """Return the folder of all maildirs."""
    return Path(settings.WATCHWORD_HOME) / "mailboxes"


def open_box(sign_in_name: str) -> mailbox.Maildir:
    """Return the maildir of a person; create it if it is missing."""
    base().mkdir(parents=True, exist_ok=True)
    return mailbox.Maildir(base() / folder_of(sign_in_name), create=True)


def deliver(sign_in_name: str, content: bytes) -> None:
    """Add a mail to a person's inbox."""
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
    _mark_as_read(base() / folder_of(sign_in_name), key)
    return mail


def _mark_as_read(maildir: Path, key: str) -> None:
    """Rename the mail as the maildir format requires; its content stays identical to the octet."""
    names = [path for path in (maildir / "new" / key, *(maildir / "cur").iterdir()) if path.name.split(":")[0] == key]
    for path in names:
        flags = path.name.partition(":2,")[2]
        seen = "".join(sorted({*flags, "S"}))
        # If the IMAP server has just renamed the file, the mark is set at the next reading.
        with contextlib.suppress(FileNotFoundError):
            path.rename(maildir / "cur" / f"{key}:2,{seen}")


def _mail(key: str, box: mailbox.Maildir, *, with_text: bool = False) -> Mail:
    content = box.get_bytes(key)
    # Untrusted mails contain what no parser foresees: one such mail must not hide the others.
    headers = email.message_from_bytes(content, policy=policy.compat32)
    return Mail(
        key=key,
        sender=_shown(headers["From"]),
        subject=_shown(headers["Subject"]),
        at=_moment(headers["Date"]),
        is_read="S" in box.get_message(key).get_flags(),
        text=_text(headers) if with_text else "",
    )


def _shown(value: object) -> str:
    """Return a header on one line with its encoded words (RFC 2047) decoded; unchanged if they are invalid."""
    raw = str(value or "")
    with contextlib.suppress(ValueError, LookupError, HeaderParseError):
        raw = str(make_header(decode_header(raw)))
    return " ".join("".join(letter if letter.isprintable() else " " for letter in raw).split())


def _moment(value: object) -> datetime | None:
    try:
        at = parsedate_to_datetime(str(value))
        # Dates at the ends of the calendar can't be converted to other time zones.
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _text(message: Message) -> str:
    """Return the plain text of a mail, or the text of its HTML part if it has no plain text."""
    parts = {part.get_content_type(): part for part in reversed(list(message.walk())) if not part.is_multipart()}
    if "text/plain" in parts:
        return _decoded(parts["text/plain"])
    if "text/html" in parts:
        return _words(_decoded(parts["text/html"]))
    return ""


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace").replace("\0", "")
    except LookupError:
        return content.decode("utf-8", "replace").replace("\0", "")


class _Words(HTMLParser):
    """A parser that collects the visible text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  (its signature)
        """Skip elements without visible text."""
        self._hidden += tag in _NOT_FOR_READING
        if tag in _NEW_LINES:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """Resume after such an element."""
        self._hidden = max(0, self._hidden - (tag in _NOT_FOR_READING))

    def handle_data(self, data: str) -> None:
        """Collect visible text."""
        if not self._hidden:
            self.found.append(data)


def _words(page: str) -> str:
    reader = _Words()
    # Python's parser raises AssertionError at a broken declaration; the text before it is still usable.
    with contextlib.suppress(AssertionError):
        reader.feed(page)
        reader.close()
    return "".join(reader.found).strip()
