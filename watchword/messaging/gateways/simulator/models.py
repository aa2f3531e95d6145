"""Messages on the simulated telephones; they hold codes in clear, and exist in the demo and in tests only."""

import uuid
from typing import ClassVar

from django.db import models

from watchword.core.policy import Channel
from watchword.messaging.voice.ivr import Call, CallState


class Arrival(models.Model):
    """A text that arrived, or a call."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    delivery_id = models.UUIDField(unique=True)
    channel = models.CharField(max_length=8, choices=[(channel.value, channel.value) for channel in Channel])
    number = models.CharField(max_length=20)
    extension = models.CharField(max_length=10, blank=True)
    organisation = models.CharField(max_length=100)
    host = models.CharField(max_length=253)
    language = models.CharField(max_length=8, default="en")
    code = models.CharField(max_length=12)
    match = models.CharField(max_length=2, blank=True, default="")
    text = models.TextField(blank=True)
    at = models.DateTimeField()
    state = models.CharField(
        max_length=8, default=CallState.RINGING, choices=[(state.value, state.value) for state in CallState]
    )
    pressed = models.CharField(max_length=4, blank=True)
    wrong = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["number", "-at"], name="arrival_by_number")]

    def __str__(self) -> str:
        return f"{self.channel} to a number ending {self.number[-2:]}"

    @property
    def call(self) -> Call:
        """Return the state of the call."""
        return Call(CallState(self.state), self.pressed, self.wrong)
