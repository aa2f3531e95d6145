"""The table of events. Rows are added, never changed, never removed."""

from typing import Any, ClassVar, NoReturn

from django.db import models

from watchword.audit.events import kind_choices


class EventIsPermanent(Exception):
    """Somebody tried to change or delete what was remembered."""


class EventQuerySet(models.QuerySet["Event"]):
    """Events can be read and added."""

    def update(self, **_changes: Any) -> NoReturn:
        """Refuse: an event is never changed."""
        raise EventIsPermanent("events are never changed")

    def delete(self) -> NoReturn:
        """Refuse: an event is never deleted."""
        raise EventIsPermanent("events are never deleted")


class Event(models.Model):
    """One thing that happened. People are kept by id and by name as it was then, so that the row outlives them."""

    organisation_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    kind = models.CharField(max_length=40, choices=kind_choices)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=254, blank=True)
    subject_id = models.UUIDField(null=True)
    subject_name = models.CharField(max_length=254, blank=True)
    door = models.CharField(max_length=16, blank=True)
    service = models.CharField(max_length=32, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    details = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organisation_id", "id"], name="event_by_organisation"),
            models.Index(fields=["organisation_id", "kind", "id"], name="event_by_kind"),
            models.Index(fields=["subject_id", "id"], name="event_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} {self.subject_name}"

    def save(self, **options: Any) -> None:
        """Add the event; refuse to change one."""
        if not self._state.adding:
            raise EventIsPermanent("events are never changed")
        super().save(**options)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> NoReturn:  # noqa: ARG002  (Django's signature)
        """Refuse: an event is never deleted."""
        raise EventIsPermanent("events are never deleted")


class OutboxEvent(models.Model):
    """An event that the warnings have not looked at yet: the outbox, written in the transaction of the event itself."""

    event = models.OneToOneField(Event, primary_key=True, db_constraint=False, on_delete=models.DO_NOTHING)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_try_at = models.DateTimeField(null=True, help_text="Not before; empty: at once, or given up after all tries")

    def __str__(self) -> str:
        return f"event {self.event_id}"


class Repeat(models.Model):
    """How often something happened within one hour; only the first time is an event, which holds this key."""

    key = models.CharField(max_length=32, primary_key=True)
    hour = models.DateTimeField(db_index=True)
    times = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.times} times since {self.hour:%Y-%m-%d %H:%M}"


class Seal(models.Model):
    """A keyed hash over a run of events and the seal before it: whoever changes an event breaks the chain."""

    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField(unique=True)
    number = models.BigIntegerField(help_text="How many events lie under this seal")
    digest = models.BinaryField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]

    def __str__(self) -> str:
        return f"events {self.first_id} to {self.last_id}"


class SealingKey(models.Model):
    """A key of the ring that has sealed something in this database. The probe is its id, sealed by it."""

    key_id = models.CharField(primary_key=True, max_length=32)
    probe = models.BinaryField()
    first_used_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key_id


class Release(models.Model):
    """One row: which release migrated this database last, and the lowest release that may serve it."""

    migrated_by = models.CharField(max_length=32)
    lowest = models.CharField(max_length=32)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"migrated by {self.migrated_by}, served by {self.lowest} or newer"
