"""Imports the rows of a file one by one: a bad row never stops the others, and never is half done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from watchword.admincenter.words import FIELDS, PERSON, STATES
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.names import NotASignInName, name_key
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


class _Refused(Exception):
    """A row can't be taken over; the message says why."""


def import_rows(
    file: PeopleFile, *, organisation: Organisation, by: User | None, origin: Origin, is_real: bool
) -> list[Result]:
    """Import every row, or only try it, and return what became of each.

    ``by`` None is the command line. Raises NotAllowed for somebody who may import no file of this kind.
    """
    demand(by, Act.IMPORT_PEOPLE if file.kind is FileKind.PEOPLE else Act.CHANGE_MFA_STATE)
    seen: dict[str, int] = {}
    results = []
    for row in file.rows:
        name = row.cells["sign_in_name"]
        key = _key(name)
        if key in seen:
            said = _("line %(line)d is about the same person") % {"line": seen[key]}
            results.append(Result(row.line, name, "refused", said))
            continue
        if key:
            seen[key] = row.line
        results.append(_one(file.kind, row, organisation, by, origin, is_real=is_real))
    if is_real:
        counts = Counter(result.outcome for result in results)
        record(
            EventKind.PEOPLE_IMPORTED,
            now=timezone.now(),
            by=by,
            origin=origin,
            organisation_id=organisation.pk,
            details={"kind": file.kind.value, **counts},
        )
    return results


def _one(
    kind: FileKind, row: Row, organisation: Organisation, by: User | None, origin: Origin, *, is_real: bool
) -> Result:
    do = _person if kind is FileKind.PEOPLE else _state
    name = row.cells["sign_in_name"]
    if row.too_many:
        said = _("This row has more cells than the first line. Put quotation marks around a name with a comma.")
        return Result(row.line, name, "refused", said)
    try:
        with transaction.atomic():
            result = do(row, organisation, by, origin)
            if not is_real:
                # Everything was really tried, and is taken back: what is shown is what would happen.
                transaction.set_rollback(True)
            return result if is_real else Result(result.line, result.name, result.outcome, result.said)
    except BadPerson as error:
        said = " ".join(f"{FIELDS[field]}: {PERSON[reason]}" for field, reason in error.reasons.items())
        return Result(row.line, name, "refused", said)
    except _Refused as error:
        return Result(row.line, name, "refused", str(error))
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
        invited = invite(user, by=by, origin=origin, now=now)
        return Result(row.line, name, "created", token=invited.token)
    if user.organisation_id != organisation.pk:
        # Said as for any other foreign name, so that nothing is told about other organisations.
        raise BadPerson({"sign_in_name": "other_domain"})
    if user.deleted_at is not None:
        raise _Refused(_("This person is deleted. Restore the person first."))
    # An empty cell says nothing; it does not erase.
    wished = {name: value for name, value in values.items() if value and name != "sign_in_name"}
    changed = actions.edit_person(user, wished, by=by, origin=origin, now=now)
    return Result(row.line, name, "changed" if changed else "unchanged", ", ".join(str(FIELDS[one]) for one in changed))


def _state(row: Row, organisation: Organisation, by: User | None, origin: Origin) -> Result:
    name, wished = row.cells["sign_in_name"], row.cells["mfa_status"].casefold()
    user = actions.find_by_name(name)
    if user is None or user.organisation_id != organisation.pk or user.deleted_at is not None:
        raise _Refused(_("There is nobody by this name."))
    if wished not in set(MfaState):
        raise _Refused(_("The state must be Enabled, Disabled or Enforced."))
    outcome = set_mfa_state(user, MfaState(wished), by=by, cause=MfaCause.BULK_FILE, origin=origin, now=timezone.now())
    said = str(STATES[outcome.after])
    if outcome.before is outcome.after:
        return Result(row.line, name, "unchanged", said)
    if outcome.because_registered:
        said += ", " + _("because a phone was registered already")
    return Result(row.line, name, "changed", said)


def _key(name: str) -> str:
    try:
        return name_key(name)
    except NotASignInName:
        return ""
