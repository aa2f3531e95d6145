"""Drafts of submitted forms, stored while an administrator re-authenticates or reads a preview."""

import json
import uuid

from django.db import models

from watchword.directory.models import User
from watchword.directory.sealed_field import SealedTextField


class Draft(models.Model):
    """One submitted form, stored for one person and one page.

    It stores what is too large for a URL or a hidden field: a thousand ticks, or a file. It expires after an hour, and
    is deleted when the form is carried out.
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
        """Return the fields of the form, each with its values."""
        found: dict[str, list[str]] = json.loads(self.sealed_values)
        return found
