"""Notices to people, their one-time links, alerts for administrators, known networks, and notification settings."""

import uuid
from typing import ClassVar

from django.db import models

from watchword.directory.models import Organisation, User


class By(models.TextChoices):
    """The channel of a notice."""

    MAIL = "mail"
    TEXT = "text"


class Notice(models.Model):
    """One message to one address about one event. ``merge_key`` is unique: one notice per window and recipient."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="notices")
    alert = models.ForeignKey(
        "Alert", null=True, on_delete=models.CASCADE, related_name="notices", help_text="Where it tells administrators"
    )
    rule = models.CharField(max_length=40)
    event_id = models.BigIntegerField()
    by = models.CharField(max_length=8, choices=By.choices)
    to = models.BinaryField(help_text="Address or number, sealed")
    merge_key = models.CharField(max_length=160, unique=True)
    has_link = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=60, blank=True, help_text="The kind of the last error, never its text")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["next_try_at"], condition=models.Q(sent_at=None, given_up_at=None), name="notice_waiting"
            ),
            models.Index(fields=["user", "-created_at"], name="notice_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} by {self.by}"


class NotMeLink(models.Model):
    """One *This wasn't me* link. Its secret is derived from the id with the key ring and not stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    event_id = models.BigIntegerField(unique=True)
    rule = models.CharField(max_length=40)
    credential_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"link of {self.user_id}"


class Alert(models.Model):
    """Something that administrators should look at; repetitions within the window are counted in ``times``."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="alerts")
    rule = models.CharField(max_length=40)
    subject = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    event_id = models.BigIntegerField()
    merge_key = models.CharField(max_length=160, unique=True)
    raised_at = models.DateTimeField()
    last_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)
    details = models.JSONField(default=dict)
    closed_at = models.DateTimeField(null=True)
    closed_by_name = models.CharField(max_length=254, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organisation", "closed_at", "-id"], name="alert_by_organisation"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject_id}"


class Place(models.Model):
    """A network from which one app password was used."""

    credential_id = models.UUIDField()
    network = models.CharField(max_length=50)
    country = models.CharField(max_length=2, blank=True)
    first_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["credential_id", "network"], name="each_place_once"),
        ]

    def __str__(self) -> str:
        return self.network


class WarningChoice(models.Model):
    """A person's setting for urgent warnings by text, in addition to mail."""

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="warning_choice")
    by_text = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"choice of {self.user_id}"
