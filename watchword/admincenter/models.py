"""What an administrator has ticked, typed or chosen, kept while they prove again or read what would follow."""

import json
import uuid

from django.db import models

from watchword.directory.models import User
from watchword.directory.sealed_field import SealedTextField


class Draft(models.Model):
    """One form as it was sent, for the person who sent it and for the page that it belongs to.

    It carries what neither an address nor a hidden field can: a thousand ticks, or a file. It is worth an hour, and
    is spent when it is carried out.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    made_at = models.DateTimeField()
    page = models.CharField(max_length=200)
    sealed_values = SealedTextField(purpose="admincenter.draft")
    """JSON of the fields and their values: a file of people holds their telephone numbers."""

    def __str__(self) -> str:
        return f"draft of {self.user_id} for {self.page}"

    @property
    def values(self) -> dict[str, list[str]]:
        """The fields of the form, each with its values."""
        found: dict[str, list[str]] = json.loads(self.sealed_values)
        return found
