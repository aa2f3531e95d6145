"""record(): the only function that writes events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations

from watchword.audit.events import NOTIFIED_KINDS, SIGN_IN_KINDS, EventKind
from watchword.audit.models import Event, OutboxEvent
from watchword.core.usernames import JOINERS


class Named(Protocol):
    """The part of a person that events need."""

    @property
    def id(self) -> UUID:
        """The person's id."""

    @property
    def sign_in_name(self) -> str:
        """The name stored in the event."""

    @property
    def organisation_id(self) -> int:
        """The organisation that the event belongs to."""

    @property
    def is_emergency_access(self) -> bool:
        """Whether every sign-in to the account alerts the administrators."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a request: the IP address, the program, the door and, for mail, the service."""

    address: str = ""
    agent: str = ""
    door: str = ""
    service: str = ""


NOWHERE = Origin()
EMERGENCY_ACCESS = "emergency_access"
"""The detail that marks a sign-in to an emergency access account."""


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event before it is written. ``name`` is the typed name if no account belongs to it.

    ``notify`` puts the event into the outbox of the warnings; events of the kinds in NOTIFIED_KINDS always go there.
    """

    kind: EventKind
    at: datetime
    subject: Named | None = None
    by: Named | None = None
    origin: Origin = NOWHERE
    reason: str = ""
    name: str = ""
    organisation_id: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    notify: bool = False


def record(
    kind: EventKind,
    *,
    now: datetime,
    subject: Named | None = None,
    by: Named | None = None,
    origin: Origin = NOWHERE,
    reason: str = "",
    name: str = "",
    organisation_id: int | None = None,
    details: Mapping[str, object] | None = None,
    notify: bool = False,
) -> None:
    """Write one event within the caller's transaction. ``details`` must contain no secret."""
    about = details if details is not None else {}
    record_all([EventDraft(kind, now, subject, by, origin, reason, name, organisation_id, about, notify)])


def record_all(event_drafts: Iterable[EventDraft]) -> None:
    """Write many events; with plain SQL, because every login of every mail program is recorded here.

    Events that need no outbox row are written with one ``executemany``.
    """
    outbox_event: list[tuple[Any, ...]] = []
    others: list[tuple[Any, ...]] = []
    # Read from the connection once: access through Django's proxy for every value costs more than the values.
    ops, native = connection.ops, connection.features.has_native_uuid_field
    moment = adapted_moment(ops.adapt_datetimefield_value)
    for event_draft in map(_marked, event_drafts):
        row = _row(event_draft, ops, moment, native_uuid=native)
        (outbox_event if event_draft.notify or event_draft.kind in NOTIFIED_KINDS else others).append(row)
    if not outbox_event and not others:
        return
    with connection.cursor() as cursor:
        if others:
            cursor.executemany(_insert(), others)
        for row in outbox_event:
            cursor.execute(_insert() + " RETURNING id", row)
            cursor.execute(_INTO_OUTBOX, cursor.fetchone())


def _marked(event_draft: EventDraft) -> EventDraft:
    """Return an event about a sign-in to an emergency access account with a mark, to be notified; others as they are.

    Here, so that no door has to remember it; and stored, so that it holds if the account is none any more a moment
    later.
    """
    subject = event_draft.subject
    if subject is None or not subject.is_emergency_access or event_draft.kind not in SIGN_IN_KINDS:
        return event_draft
    return replace(event_draft, details={**event_draft.details, EMERGENCY_ACCESS: True}, notify=True)


_COLUMNS = (
    "organisation_id",
    "at",
    "kind",
    "actor_id",
    "actor_name",
    "subject_id",
    "subject_name",
    "door",
    "service",
    "address",
    "agent",
    "reason",
    "details",
)


_INTO_OUTBOX = f"INSERT INTO {OutboxEvent._meta.db_table} (event_id) VALUES (%s)"  # noqa: S608  (a table's name)


def _insert() -> str:
    columns = ", ".join(connection.ops.quote_name(column) for column in _COLUMNS)
    values = ", ".join("%s" for _column in _COLUMNS)
    return f"INSERT INTO {Event._meta.db_table} ({columns}) VALUES ({values})"  # noqa: S608  (values are parameters)


def adapted_moment(adapt: Callable[[datetime], Any]) -> Callable[[datetime], Any]:
    """Return a caching adapter for times, because most rows of one batch have the same time."""
    known: dict[datetime, Any] = {}

    def moment(at: datetime) -> Any:
        if at not in known:
            known[at] = adapt(at)
        return known[at]

    return moment


def _row(
    event_draft: EventDraft, ops: BaseDatabaseOperations, moment: Callable[[datetime], Any], *, native_uuid: bool
) -> tuple[Any, ...]:
    subject, by, origin = event_draft.subject, event_draft.by, event_draft.origin
    organisation_id = event_draft.organisation_id
    for person in (subject, by):
        if organisation_id is None and person is not None:
            organisation_id = person.organisation_id
    return (
        organisation_id,
        moment(event_draft.at),
        event_draft.kind.value,
        _id_of(by, native_uuid),
        by.sign_in_name if by is not None else "",
        _id_of(subject, native_uuid),
        _storable(subject.sign_in_name if subject is not None else event_draft.name, 254),
        origin.door,
        _storable(origin.service, 32),
        _storable(origin.address, 45),
        _storable(origin.agent, 300),
        str(event_draft.reason),
        ops.adapt_json_value(dict(event_draft.details), None),
    )


def _id_of(person: Named | None, native_uuid: bool) -> UUID | str | None:
    if person is None:
        return None
    return person.id if native_uuid else person.id.hex


def _storable(text: str, length: int) -> str:
    # Text typed by an attacker must break neither a column (NUL, lone surrogates) nor a log line (control characters).
    if text.isprintable():
        return text[:length]
    printable = "".join(
        character if character.isprintable() or character in JOINERS else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
    return printable[:length]
