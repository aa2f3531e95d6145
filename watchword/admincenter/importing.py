"""Imports the rows of a file one by one: a bad row never stops the others, and never is half done."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from watchword.admincenter.words import PERSON, STATES
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import MfaState
from watchword.directory import actions
from watchword.directory.actions import EDITABLE, BadPerson
from watchword.directory.models import MfaCause, Organisation, User
from watchword.directory.people_file import FileKind, PeopleFile, Row
from watchword.directory.permission import NotAllowed, demand
from watchword.directory.roles import Act
from watchword.signin.actions import set_mfa_state
from watchword.signin.invitations import invite


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one row, or would."""

    line: int
    name: str
    outcome: str
    said: str = ""
    token: str = field(default="", repr=False)


def import_rows(
    file: PeopleFile, *, by: User | None, origin: Origin, is_real: bool, organisation: Organisation | None = None
) -> list[Result]:
    """Import every row, or only try it, and return what became of each. ``by`` None is the command line."""
    where = organisation if organisation is not None else by.organisation if by is not None else None
    assert where is not None
    demand(by, Act.IMPORT_PEOPLE)
    seen: dict[str, int] = {}
    results = []
    for row in file.rows:
        name = row.cells["sign_in_name"]
        if name.casefold() in seen and name:
            said = _("line %(line)d is about the same person") % {"line": seen[name.casefold()]}
            results.append(Result(row.line, name, "refused", said))
            continue
        seen[name.casefold()] = row.line
        results.append(_one(file.kind, row, where, by, origin, is_real=is_real))
    if is_real:
        counts = {
            word: sum(1 for result in results if result.outcome == word) for word in ("created", "changed", "refused")
        }
        record(
            EventKind.PEOPLE_IMPORTED,
            now=timezone.now(),
            by=by,
            origin=origin,
            organisation_id=where.pk,
            details={"kind": file.kind.value, **counts},
        )
    return results


def _one(
    kind: FileKind, row: Row, organisation: Organisation, by: User | None, origin: Origin, *, is_real: bool
) -> Result:
    do = _person if kind is FileKind.PEOPLE else _state
    name = row.cells["sign_in_name"]
    try:
        with transaction.atomic():
            result = do(row, organisation, by, origin)
            if not is_real:
                # Everything was really tried, and is taken back: what is shown is what would happen.
                transaction.set_rollback(True)
            return result if is_real else Result(result.line, result.name, result.outcome, result.said)
    except BadPerson as error:
        said = " ".join(str(PERSON[reason]) for reason in error.reasons.values())
        return Result(row.line, name, "refused", said)
    except NotAllowed:
        return Result(row.line, name, "refused", _("Your role does not allow this for this person."))


def _person(row: Row, organisation: Organisation, by: User | None, origin: Origin) -> Result:
    now = timezone.now()
    values = {name: row.cells[name] for name in EDITABLE if name in row.cells}
    name = values["sign_in_name"]
    user = actions.find_by_name(name)
    if user is None:
        user = actions.create_person(
            organisation,
            sign_in_name=name,
            display_name=values.get("display_name", ""),
            contact_mail=values.get("contact_mail", ""),
            directory_phone=values.get("directory_phone", ""),
            by=by,
            origin=origin,
            now=now,
        )
        invited = invite(user, by=None, origin=origin, now=now)
        return Result(row.line, name, "created", token=invited.token)
    if user.organisation_id != organisation.pk or user.deleted_at is not None:
        return Result(row.line, name, "refused", _("This name belongs to somebody who can't be changed here."))
    # An empty cell says nothing; it does not erase.
    wished = {field: value for field, value in values.items() if value and field != "sign_in_name"}
    changed = actions.edit_person(user, wished, by=by, origin=origin, now=now)
    return Result(row.line, name, "changed" if changed else "unchanged", ", ".join(changed).replace("_", " "))


def _state(row: Row, organisation: Organisation, by: User | None, origin: Origin) -> Result:
    name, wished = row.cells["sign_in_name"], row.cells["mfa_status"].casefold()
    user = actions.find_by_name(name)
    if user is None or user.organisation_id != organisation.pk or user.deleted_at is not None:
        return Result(row.line, name, "refused", _("There is nobody by this name."))
    if wished not in set(MfaState):
        return Result(row.line, name, "refused", _("The state must be Enabled, Disabled or Enforced."))
    outcome = set_mfa_state(user, MfaState(wished), by=by, cause=MfaCause.BULK_FILE, origin=origin, now=timezone.now())
    if outcome.before is outcome.after:
        return Result(row.line, name, "unchanged", str(STATES[outcome.after]))
    return Result(row.line, name, "changed", str(STATES[outcome.after]))
