"""The tables of events, of their outbox and of their seals. Events are added, and never changed or deleted."""

from typing import Any, ClassVar, NoReturn

from django.db import models

from watchword.audit.events import kind_choices


class EventIsPermanent(Exception):
    """The attempt to change or delete an event."""


class EventQuerySet(models.QuerySet["Event"]):
    """A query set of events, which can be read and added only."""

    def update(self, **_changes: Any) -> NoReturn:
        """Raise EventIsPermanent: an event is never changed."""
        raise EventIsPermanent("events are never changed")

    def delete(self) -> NoReturn:
        """Raise EventIsPermanent: an event is never deleted."""
        raise EventIsPermanent("events are never deleted")


class Event(models.Model):
    """One event. It stores people by id and by their name at that time, so that the row outlives their accounts."""

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
        """Insert the event; raise EventIsPermanent if it is stored already."""
        if not self._state.adding:
            raise EventIsPermanent("events are never changed")
        super().save(**options)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> NoReturn:  # noqa: ARG002  (Django's signature)
        """Raise EventIsPermanent: an event is never deleted."""
        raise EventIsPermanent("events are never deleted")


class OutboxEvent(models.Model):
    """An outbox row: an event not yet consumed by the warnings, written in the transaction of the event itself."""

    event = models.OneToOneField(Event, primary_key=True, db_constraint=False, on_delete=models.DO_NOTHING)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_try_at = models.DateTimeField(null=True, help_text="Not before; empty: at once, or given up after all tries")

    def __str__(self) -> str:
        return f"event {self.event_id}"


class Repeat(models.Model):
    """The count of a repeated refusal within one hour; only the first one is an event, whose details hold this key."""

    key = models.CharField(max_length=32, primary_key=True)
    hour = models.DateTimeField(db_index=True)
    times = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.times} times since {self.hour:%Y-%m-%d %H:%M}"


class Seal(models.Model):
    """A keyed hash over a range of events and the previous seal: changing one of these events breaks the chain."""

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
    """A key of the ring that has sealed values in this database. The probe is the key's id, sealed with the key."""

    key_id = models.CharField(primary_key=True, max_length=32)
    probe = models.BinaryField()
    first_used_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key_id


class Release(models.Model):
    """The only row: the newest release that migrated this database, and the lowest release that may serve it."""

    migrated_by = models.CharField(max_length=32)
    lowest = models.CharField(max_length=32)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"migrated by {self.migrated_by}, served by {self.lowest} or newer"


class MaintenanceRun(models.Model):
    """The last successful run of one task of maintenance, such as a backup."""

    task = models.CharField(primary_key=True, max_length=32)
    at = models.DateTimeField()
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.task}: {self.at:%Y-%m-%d %H:%M:%S}"


class Heartbeat(models.Model):
    """One running process, when it last wrote here, and what it knows of its clock."""

    process = models.CharField(max_length=16)
    host = models.CharField(max_length=64)
    pid = models.BigIntegerField()
    release = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    clock_offset_ms = models.IntegerField(
        null=True, help_text="Milliseconds that its clock is ahead of the database server's"
    )
    is_clock_synchronised = models.BooleanField(null=True, help_text="What the kernel says of its machine's clock")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["process", "host", "pid"], name="one_heartbeat"),
        ]

    def __str__(self) -> str:
        return f"{self.process} on {self.host}: {self.seen_at:%Y-%m-%d %H:%M:%S}"
