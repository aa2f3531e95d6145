"""Deliveries and their state; never the code, and of the number only its last digits and keyed hashes."""

import uuid
from typing import ClassVar

from django.db import models

from watchword.core.policy import Channel
from watchword.directory.models import Organisation, User
from watchword.directory.sealed_field import SealedTextField
from watchword.messaging.gateway import Result

_CHANNELS = [(channel.value, channel.value) for channel in Channel]
_RESULTS = [(result.value, result.value) for result in Result]


class Delivery(models.Model):
    """One text or call to one telephone, usually with a code."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=_CHANNELS)
    purpose = models.CharField(max_length=16)
    number_key = models.BinaryField(max_length=32)
    range_key = models.BinaryField(max_length=32, null=True, help_text="Keyed hash of the number but its last digits")
    country = models.CharField(max_length=3, blank=True, default="", help_text="ISO 3166-1; 001 for no country")
    ends = models.CharField(max_length=2)
    gateway = models.CharField(max_length=32, blank=True)
    reference = models.CharField(max_length=100, blank=True)
    result = models.CharField(max_length=16, default=Result.WAITING, choices=_RESULTS)
    cost_micros = models.BigIntegerField(default=0, help_text="Millionths of the currency of the phones file")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    entered_at = models.DateTimeField(null=True, help_text="When its code was typed, or approved by keys")
    typed_late_at = models.DateTimeField(
        null=True, help_text="When its code was typed that was dead by then: somebody reads there"
    )

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "created_at"], name="delivery_by_user"),
            models.Index(fields=["number_key", "created_at"], name="delivery_by_number"),
            models.Index(fields=["range_key", "created_at"], name="delivery_by_range"),
            models.Index(fields=["organisation", "created_at"], name="delivery_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to a number ending {self.ends}: {self.result}"


class OutboxMessage(models.Model):
    """A message that no gateway has taken yet. The row is deleted when one has, or when its code has expired."""

    delivery = models.OneToOneField(Delivery, primary_key=True, on_delete=models.CASCADE, related_name="waiting")
    payload = models.BinaryField(help_text="Number, code and words, sealed")
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(db_index=True, help_text="Or until when one dispatcher has it to itself")
    expires_at = models.DateTimeField()
    fetches_voice_script = models.BooleanField(
        default=False, db_default=False, help_text="A provider has it and asks here what to say in its call"
    )
    call_state = models.CharField(max_length=8, blank=True, default="", db_default="")
    call_pressed = models.CharField(max_length=4, blank=True, default="", db_default="")
    call_wrong = models.PositiveSmallIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return f"waiting: {self.delivery_id}"


class DeliveryAttempt(models.Model):
    """One attempt to send a delivery through one gateway. Receipts find their delivery by the gateway's message id."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="delivery_attempts")
    gateway = models.CharField(max_length=32)
    reference = models.CharField(max_length=100, blank=True)
    reference_key = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="What all spellings of it have in common"
    )
    result = models.CharField(max_length=16, choices=_RESULTS)
    country = models.CharField(max_length=3, blank=True)
    cost_micros = models.BigIntegerField(default=0)
    at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["gateway", "reference"], name="attempt_by_reference"),
            models.Index(fields=["gateway", "reference_key"], name="attempt_by_reference_key"),
            models.Index(fields=["gateway", "at"], name="attempt_by_gateway"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway}: {self.result}"


class Receipt(models.Model):
    """A delivery receipt of a gateway; stored for a day, so that an early or repeated one is recognised."""

    gateway = models.CharField(max_length=32)
    reference = models.CharField(max_length=100)
    reference_key = models.CharField(max_length=100, blank=True, default="", db_default="", db_index=True)
    number_key = models.BinaryField(
        max_length=32, null=True, help_text="Keyed hash of the number that it is about, where it says so"
    )
    result = models.CharField(max_length=16, choices=_RESULTS)
    at = models.DateTimeField(db_index=True)
    is_applied = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["gateway", "reference", "result"], name="each_receipt_once"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway}: {self.result}"


class DailyTotal(models.Model):
    """How much was sent to one country on one day (UTC): counted on each send, so that limits and charts are cheap."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    country = models.CharField(max_length=3)
    channel = models.CharField(max_length=8, choices=_CHANNELS)
    is_new = models.BooleanField(help_text="To numbers that nobody has proven yet")
    asked = models.PositiveIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)
    arrived = models.PositiveIntegerField(default=0)
    entered = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    cost_micros = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "daily_totals"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organisation", "day", "country", "channel", "is_new"], name="one_daily_total"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.country} {self.channel}: {self.asked}"


class DeniedMessage(models.Model):
    """A message that the rate limits did not permit, and the rule that decided."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    channel = models.CharField(max_length=8, choices=_CHANNELS)
    country = models.CharField(max_length=3, blank=True)
    ends = models.CharField(max_length=2)
    rule = models.CharField(max_length=40)
    details = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organisation", "-at"], name="denied_message_by_time")
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.channel} to a number ending {self.ends}"


class CountryBlock(models.Model):
    """Codes to new numbers in a country are blocked, because next to none of them are ever typed."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    country = models.CharField(max_length=3)
    at = models.DateTimeField()
    until = models.DateTimeField()
    sent = models.PositiveIntegerField()
    entered = models.PositiveIntegerField()
    reopened_at = models.DateTimeField(null=True)
    reopened_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organisation", "country", "-until"], name="country_block_by_country"),
        ]

    def __str__(self) -> str:
        return f"{self.country} is closed until {self.until:%Y-%m-%d %H:%M}"


class SharedNumber(models.Model):
    """A telephone shared by more people than usual, such as a shop's: an administrator named it and set its limits."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    number = SealedTextField(purpose="messaging.shared_number", help_text="E.164; compared by keyed hashes")
    ends = models.CharField(max_length=2)
    country = models.CharField(max_length=3)
    people_each_day = models.PositiveSmallIntegerField()
    codes_each_day = models.PositiveSmallIntegerField()
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.name}: a number ending {self.ends}"


class GatewayState(models.Model):
    """Condition of a gateway, as last seen by the dispatcher that holds its connection open."""

    name = models.CharField(max_length=32, primary_key=True)
    is_up = models.BooleanField()
    words = models.CharField(max_length=200, blank=True)
    is_open = models.BooleanField(default=True, help_text="Whether the circuit breaker lets messages through")
    changed_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {'up' if self.is_up else 'down'}"
