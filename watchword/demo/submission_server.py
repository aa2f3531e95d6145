"""The embedded submission server: aiosmtpd, with every login checked by the mail door."""

from __future__ import annotations

import asyncio
import logging
import warnings
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from django.utils import timezone

from watchword.demo.auth_client import CannotAsk, Login, ask
from watchword.demo.mailbox_store import deliver
from watchword.signin.mail_submission import names_that_may_send_as
from watchword.signin.non_interactive import Unavailable, find_mailbox

LARGEST_MAIL = 10 * 1024 * 1024


class DemoSubmission:
    """Accepts mails from authenticated people, for people of the sample organisation."""

    async def handle_MAIL(  # noqa: N802  (aiosmtpd names it)
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a sender address that the authenticated person may send as."""
        try:
            senders = await asyncio.to_thread(names_that_may_send_as, address, now=timezone.now())
        except Unavailable:
            return "451 4.3.0 Try again later"
        signed_in: object = session.auth_data
        if signed_in not in senders:
            return "553 5.7.1 This address is not yours"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  (aiosmtpd names it)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept a recipient that exists."""
        try:
            mailbox = await asyncio.to_thread(find_mailbox, address)
        except Unavailable:
            return "451 4.3.0 Try again later"
        if mailbox is None:
            return "550 5.1.1 There is nobody by this name in the demo"
        envelope.rcpt_tos.append(mailbox)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  (as above)
        """Deliver the mail to the inbox of each recipient."""
        content = envelope.original_content or b""
        for name in envelope.rcpt_tos:
            await asyncio.to_thread(deliver, name, content)
        return "250 2.0.0 Delivered"


def make_authenticator(door: Path) -> Any:
    """Return the authentication callback for aiosmtpd."""

    def authenticate(_server: SMTP, session: Session, _envelope: Envelope, _mechanism: str, shown: Any) -> AuthResult:
        if not isinstance(shown, LoginPassword):
            return AuthResult(success=False, handled=False)
        peer = session.peer[0] if session.peer else ""
        try:
            login = Login(shown.login.decode(), shown.password.decode(), "smtp", str(peer))
            name = ask(door, login)
        except UnicodeDecodeError:
            return AuthResult(success=False, handled=False)
        except CannotAsk:
            return AuthResult(success=False, handled=False, message="454 4.7.0 Temporary authentication failure")
        return AuthResult(success=name is not None, handled=False, auth_data=name)

    return authenticate


async def start(host: str, port: int, door: Path) -> asyncio.Server:
    """Serve SMTP submission on loopback."""
    loop = asyncio.get_running_loop()
    authenticator = make_authenticator(door)

    # aiosmtpd warns at each connection that passwords travel in clear text; here they do not leave the machine.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS", UserWarning)

    def connection() -> SMTP:
        return SMTP(
            DemoSubmission(),
            hostname="demo",
            data_size_limit=LARGEST_MAIL,
            authenticator=authenticator,
            auth_required=True,
            # Loopback only: no third party can read the traffic between mail program and server.
            auth_require_tls=False,
            enable_SMTPUTF8=True,
            loop=loop,
        )

    return await loop.create_server(connection, host, port)
