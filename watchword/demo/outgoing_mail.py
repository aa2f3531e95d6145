"""The mail backend of the demo: delivers into the embedded mailboxes."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from watchword.demo.mailbox_store import deliver
from watchword.directory.models import User
from watchword.signin.non_interactive import find_mailbox


class MailboxBackend(BaseEmailBackend):
    """Delivers to a sign-in name, or to the person with this contact address: the demo sends no mail elsewhere."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Deliver the mails and return the number of deliveries; drop mail for other addresses."""
        number = 0
        for message in email_messages:
            content = message.message().as_bytes()
            for address in message.recipients():
                name = find_mailbox(address) or _by_contact(address)
                if name is not None:
                    deliver(name, content)
                    number += 1
        return number


def _by_contact(address: str) -> str | None:
    # Contact addresses are sealed and can't be queried; the demo has few people.
    people = User.objects.filter(deleted_at=None)
    requested = address.casefold()
    return next((person.mailbox_name for person in people if person.contact_mail.casefold() == requested), None)
