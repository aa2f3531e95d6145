"""A text column that is sealed with the key ring: what a copy of the database doesn't tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.query_utils import DeferredAttribute

from watchword.audit.sealed_columns import SealedColumn
from watchword.core.keyring import KeyRing

if TYPE_CHECKING:
    Base = models.Field[str, str]
else:
    Base = models.Field


class Sealed(bytes):
    """A value as it came from the database, not opened yet."""

    def __repr__(self) -> str:
        return "Sealed()"


class OpensWhenAsked(DeferredAttribute):
    """Opens the column when the attribute is read, so that rows that are only listed cost nothing."""

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        """Return the text in clear; raises KeyRingError where its key is not on the ring."""
        value = super().__get__(instance, cls)
        if isinstance(value, Sealed):
            assert instance is not None
            assert isinstance(self.field, SealedTextField)
            value = instance.__dict__[self.field.attname] = self.field.opened(value)
        return value

    def __set__(self, instance: models.Model, value: object) -> None:
        """Keep what a caller or the database gives."""
        instance.__dict__[self.field.attname] = value


class SealedTextField(Base):
    """Text in clear for the code, sealed for ``purpose`` in the database; empty text is stored as no octets.

    It can't be searched: each value is sealed with a nonce of its own.
    """

    descriptor_class = OpensWhenAsked

    def __init__(self, *arguments: Any, purpose: str, **options: Any) -> None:
        self.purpose = purpose
        super().__init__(*arguments, **options)

    def deconstruct(self) -> Any:
        """Return the field as migrations write it."""
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "purpose": self.purpose}

    def get_internal_type(self) -> str:
        """Return the type of the column."""
        return "BinaryField"

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ARG002  (Django's signature)
        """Return what is to be saved; what was never opened stays sealed as it is."""
        return model_instance.__dict__[self.attname]

    def get_prep_value(self, value: Any) -> Any:
        """Return the octets for the database."""
        return self.sealed(value) if isinstance(value, str) else super().get_prep_value(value)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        """Return the octets as the database's own type."""
        value = value if prepared else self.get_prep_value(value)
        if value is None or hasattr(value, "as_sql"):
            return value
        return connection.Database.Binary(value)  # type: ignore[attr-defined]  # each database's own module

    def from_db_value(self, value: Any, _expression: object, _connection: BaseDatabaseWrapper) -> Sealed | None:
        """Return what the database holds, still sealed."""
        return None if value is None else Sealed(value)

    def sealed(self, text: str) -> bytes:
        """Return text as the column keeps it."""
        return key_ring().seal(self.purpose, text.encode()) if text else b""

    def opened(self, octets: bytes) -> str:
        """Return the text that the column keeps."""
        return key_ring().open(self.purpose, octets).decode() if octets else ""


def key_ring() -> KeyRing:
    """Return the key ring of this installation."""
    return settings.WATCHWORD_KEY_RING


def sealed_columns() -> list[SealedColumn]:
    """Return every column of this kind in any room; one that can't be opened any more is emptied."""
    return [
        _column(model, field)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, SealedTextField)
    ]


def _column(model: type[models.Model], field: SealedTextField) -> SealedColumn:
    rows: models.QuerySet[models.Model] = models.QuerySet(model)
    return SealedColumn(
        words=f"{model._meta.verbose_name}: {field.verbose_name}",
        model=model,
        field=field.name,
        purpose=field.purpose,
        void=lambda found, _now: found.update(**{field.name: ""}),
        rows=lambda: rows.all().exclude(**{field.name: b""}),
    )
