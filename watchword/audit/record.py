"""record(): the one way by which something is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from watchword.audit.events import EventKind
from watchword.audit.models import Event


class Named(Protocol):
    """A person, as far as remembering goes."""

    id: UUID
    sign_in_name: str
    organisation_id: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a question came from: the address, the program, the door and, for mail, the service."""

    address: str = ""
    agent: str = ""
    door: str = ""
    service: str = ""


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Happening:
    """An event before it is written. ``name`` is what was typed where no account belongs to it."""

    kind: EventKind
    at: datetime
    subject: Named | None = None
    by: Named | None = None
    origin: Origin = NOWHERE
    reason: str = ""
    name: str = ""
    organisation_id: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)


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
) -> None:
    """Write one event within the caller's transaction. ``details`` must hold no secret."""
    record_all(
        [
            Happening(
                kind, now, subject, by, origin, reason, name, organisation_id, details if details is not None else {}
            )
        ]
    )


def record_all(happenings: Iterable[Happening]) -> None:
    """Write many events with one statement."""
    Event.objects.bulk_create([_row(happening) for happening in happenings])


def _row(happening: Happening) -> Event:
    subject, by, origin = happening.subject, happening.by, happening.origin
    organisation_id = happening.organisation_id
    for person in (subject, by):
        if organisation_id is None and person is not None:
            organisation_id = person.organisation_id
    return Event(
        organisation_id=organisation_id,
        at=happening.at,
        kind=happening.kind,
        actor_id=by.id if by is not None else None,
        actor_name=by.sign_in_name if by is not None else "",
        subject_id=subject.id if subject is not None else None,
        subject_name=_storable(subject.sign_in_name if subject is not None else happening.name, 254),
        door=origin.door,
        service=_storable(origin.service, 32),
        address=_storable(origin.address, 45),
        agent=_storable(origin.agent, 300),
        reason=happening.reason,
        details=dict(happening.details),
    )


def _storable(text: str, length: int) -> str:
    # What strangers type must neither break a column (NUL, lone surrogates) nor a line of a log (control characters).
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return printable[:length]
