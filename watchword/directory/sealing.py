"""Takes away what a release that did not seal contacts left, or still writes, in clear."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from watchword.directory.models import User

PORTION = 200


def seal_what_lies_in_clear() -> int:
    """Seal the contact mails and phones that lie in clear, and return of how many people, at most a portion.

    What lies there was written last: this release empties the clear column whenever it writes the sealed one.
    """
    in_clear = ~Q(contact_mail_in_clear="") | ~Q(directory_phone_in_clear="")
    if not User.objects.filter(in_clear).exists():
        return 0
    with transaction.atomic():
        people = list(User.objects.select_for_update().filter(in_clear).order_by("pk")[:PORTION])
        for user in people:
            user.contact_mail = user.contact_mail_in_clear or user.contact_mail
            user.directory_phone = user.directory_phone_in_clear or user.directory_phone
            user.contact_mail_in_clear = user.directory_phone_in_clear = ""
            user.save(update_fields=_COLUMNS)
    return len(people)


_COLUMNS = ["contact_mail", "directory_phone", "contact_mail_in_clear", "directory_phone_in_clear"]
