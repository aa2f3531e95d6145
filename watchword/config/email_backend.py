"""Sends mail by SMTP, also to non-ASCII addresses if the server offers SMTPUTF8 (RFC 6531)."""

from __future__ import annotations

from email import policy
from smtplib import SMTPNotSupportedError

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp

from watchword.core.mail_addresses import needs_smtputf8


class EmailBackend(smtp.EmailBackend):
    """Django's backend with SMTPUTF8; Django itself refuses every non-ASCII local part."""

    def _send(self, email_message: EmailMessage) -> bool:
        recipients = email_message.recipients()
        if not any(needs_smtputf8(address) for address in (email_message.from_email, *recipients)):
            return bool(super()._send(email_message))  # type: ignore[misc]  # the stubs leave it out
        connection = self.connection
        assert connection is not None, "Django opens the connection before it sends"
        connection.ehlo_or_helo_if_needed()
        if not connection.has_extn("smtputf8"):
            raise SMTPNotSupportedError("the mail server does not offer SMTPUTF8")
        connection.sendmail(
            self.prep_address(email_message.from_email, force_ascii=False),
            [self.prep_address(address, force_ascii=False) for address in recipients],
            email_message.message(policy=policy.SMTPUTF8).as_bytes(),
            mail_options=["SMTPUTF8", "BODY=8BITMIME"],
        )
        return True
