"""Mail programs as people use them, and the servers' answers to them."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage

from tests.scenarios.mail.site import Site

IN = "in"
REFUSED = "refused"
LATER = "later"


def imap(site: Site, name: str, secret: str) -> str:
    """Sign in by IMAP and log out; return the result."""
    program = imaplib.IMAP4("127.0.0.1", site.imap, timeout=60)
    try:
        program.login(name, secret)
        program.select()
        program.logout()
    except imaplib.IMAP4.error as error:
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            program.shutdown()
        return _either(str(error), refused="[AUTHENTICATIONFAILED]", later="[UNAVAILABLE]")
    return IN


@contextlib.contextmanager
def imap_session(site: Site, name: str, secret: str) -> Iterator[imaplib.IMAP4]:
    """Yield a session that is signed in by IMAP, with the inbox selected."""
    program = imaplib.IMAP4("127.0.0.1", site.imap, timeout=60)
    try:
        program.login(name, secret)
        program.select()
        yield program
    finally:
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            program.shutdown()


def pop3(site: Site, name: str, secret: str) -> str:
    """Sign in by POP and log out; return the result."""
    program = poplib.POP3("127.0.0.1", site.pop3, timeout=60)
    try:
        program.user(name)
        program.pass_(secret)
        program.stat()
        program.quit()
    except poplib.error_proto as error:
        program.close()
        return _either(str(error), refused="[AUTH]", later="[SYS/TEMP]")
    return IN


def smtp(site: Site, name: str, secret: str) -> str:
    """Sign in by SMTP without sending; return the result."""
    try:
        with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
            try:
                program.login(name, secret)
            except smtplib.SMTPAuthenticationError as error:
                return _either(str(error.smtp_code), refused="535", later="454")
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError):
        # AUTH is not offered, or the connection was closed: no program takes that for a wrong password.
        return LATER
    return IN


def send(site: Site, name: str, secret: str, *, to: str, subject: str) -> None:
    """Send a mail with a program that signs in by SMTP."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = name, to, subject
    message.set_content("Hello from a mail program.")
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
        program.login(name, secret)
        program.send_message(message)


def curl(site: Site, name: str, secret: str, path: str = "INBOX") -> subprocess.CompletedProcess[str]:
    """Read a folder by IMAP with curl."""
    words = ["curl", "--silent", "--show-error", "--max-time", "60", "--user", f"{name}:{secret}"]
    return subprocess.run([*words, f"imap://127.0.0.1:{site.imap}/{path}"], capture_output=True, text=True, check=False)


def _either(said: str, *, refused: str, later: str) -> str:
    if refused in said:
        return REFUSED
    assert later in said, f"a mail program can't know what this means: {said}"
    return LATER


PROGRAMS = (imap, pop3, smtp)
