"""The only table of credentials. Only the vault accesses it."""

import uuid
from typing import ClassVar

from django.db import models

from watchword.core.policy import kind_choices
from watchword.directory.models import User


class Credential(models.Model):
    """A person's credential, of any kind.

    ``secret`` is a slow hash, a sealed value or empty; ``lookup`` is a keyed hash by which the row is found. Rows are
    never deleted while the person exists: a revoked credential stays as a tombstone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=20, choices=kind_choices)
    slot = models.CharField(max_length=16, blank=True, help_text="mobile, alternate, office; account; empty for many")
    label = models.CharField(max_length=100, blank=True)
    public = models.JSONField(default=dict)
    secret = models.BinaryField(default=b"")
    lookup = models.BinaryField(max_length=32, null=True, unique=True)
    lookup_key = models.CharField(
        max_length=32, blank=True, default="", db_default="", help_text="Key of the ring that the look-up was made with"
    )
    created_at = models.DateTimeField()
    sign_in_id = models.UUIDField(null=True, help_text="The sign-in that made it; null where none did")
    last_used_at = models.DateTimeField(null=True)
    last_used_address = models.CharField(max_length=45, blank=True)
    last_used_service = models.CharField(max_length=32, blank=True)
    suspended_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(
        null=True, help_text="Paused by its owner or after a warning; proves nothing until resumed"
    )
    restrictions = models.JSONField(null=True, help_text="Where, from where and until when it may be used")
    revoked_at = models.DateTimeField(null=True)
    revoked_because = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["user", "kind", "slot"],
                condition=models.Q(revoked_at=None) & ~models.Q(slot=""),
                name="one_live_credential_each_slot",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "kind", "revoked_at"], name="credential_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.user_id}"
