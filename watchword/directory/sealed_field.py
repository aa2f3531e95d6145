"""A text column sealed with the key ring, so that a copy of the database does not reveal it."""

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
    """A value as read from the database, not opened yet."""

    def __repr__(self) -> str:
        return "Sealed()"


class OpensWhenAsked(DeferredAttribute):
    """A descriptor that opens the value when the attribute is read, so that unread values cost nothing."""

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        """Return the plain text; raises KeyRingError if its key is not on the ring."""
        value = super().__get__(instance, cls)
        if isinstance(value, Sealed):
            assert instance is not None
            assert isinstance(self.field, SealedTextField)
            value = instance.__dict__[self.field.attname] = self.field.opened(value)
        return value

    def __set__(self, instance: models.Model, value: object) -> None:
        """Store the value from the caller or the database as it is."""
        instance.__dict__[self.field.attname] = value


class SealedTextField(Base):
    """A field with plain text in Python and text sealed for ``purpose`` in the database; empty text is stored as b"".

    It can't be searched, because each value is sealed with its own nonce.
    """

    descriptor_class = OpensWhenAsked

    def __init__(self, *arguments: Any, purpose: str, **options: Any) -> None:
        self.purpose = purpose
        super().__init__(*arguments, **options)

    def deconstruct(self) -> Any:
        """Return the field's definition for migrations."""
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "purpose": self.purpose}

    def get_internal_type(self) -> str:
        """Return the type of the column."""
        return "BinaryField"

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ARG002  (Django's signature)
        """Return the value to save; a value that was never opened stays sealed as it is."""
        return model_instance.__dict__[self.attname]

    def get_prep_value(self, value: Any) -> Any:
        """Return the octets for the database."""
        return self.sealed(value) if isinstance(value, str) else super().get_prep_value(value)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        """Return the octets in the database driver's own type."""
        value = value if prepared else self.get_prep_value(value)
        if value is None or hasattr(value, "as_sql"):
            return value
        return connection.Database.Binary(value)  # type: ignore[attr-defined]  # each database's own module

    def from_db_value(self, value: Any, _expression: object, _connection: BaseDatabaseWrapper) -> Sealed | None:
        """Return the value from the database, still sealed."""
        return None if value is None else Sealed(value)

    def sealed(self, text: str) -> bytes:
        """Return text in the sealed form that the column stores."""
        return key_ring().seal(self.purpose, text.encode()) if text else b""

    def opened(self, octets: bytes) -> str:
        """Return the plain text of a sealed value."""
        return key_ring().open(self.purpose, octets).decode() if octets else ""


def key_ring() -> KeyRing:
    """Return the key ring of this installation."""
    return settings.WATCHWORD_KEY_RING


def sealed_columns() -> list[SealedColumn]:
    """Return every column of this field class in all apps; voiding a value replaces it by empty text."""
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
