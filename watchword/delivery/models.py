"""What was sent to which telephone; never the code, and of the number only its ending."""

import uuid
from typing import ClassVar

from django.db import models

from watchword.core.policy import Way
from watchword.delivery.channel import Result
from watchword.directory.models import Organisation, User


class Delivery(models.Model):
    """One code on its way to one telephone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="deliveries")
    way = models.CharField(max_length=8, choices=[(way.value, way.value) for way in Way])
    purpose = models.CharField(max_length=16)
    number_key = models.BinaryField(max_length=32)
    ends = models.CharField(max_length=2)
    channel = models.CharField(max_length=32, blank=True)
    reference = models.CharField(max_length=100, blank=True)
    result = models.CharField(
        max_length=16, default=Result.WAITING, choices=[(result.value, result.value) for result in Result]
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "created_at"], name="delivery_by_user"),
            models.Index(fields=["number_key", "created_at"], name="delivery_by_number"),
        ]

    def __str__(self) -> str:
        return f"{self.way} to a number ending {self.ends}: {self.result}"
