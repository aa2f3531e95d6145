"""Imports the rows of a file one by one: a bad row is rolled back alone and never stops the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from watchword.admincenter.labels import FIELDS, PERSON, STATES
from watchword.admincenter.mfa.bulk_actions import CHANGES
from watchword.admincenter.mfa.impact import Consequence, consequences, summary
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import MfaState
from watchword.core.usernames import InvalidSignInName, name_key
from watchword.directory import actions
from watchword.directory.actions import EDITABLE, BadPerson
from watchword.directory.models import MfaCause, Organisation, SignInName, User
from watchword.directory.people_file import FileKind, PeopleFile, PersonRow, squashed
from watchword.directory.permissions import PermissionDenied, demand
from watchword.directory.roles import Act
from watchword.signin.actions import set_mfa_state
from watchword.signin.invitations import LIFETIME, invite

PEOPLE_AT_ONCE = 2_000
"""The maximum number of people in one query: SQLite takes 32,766 values in a statement."""


@dataclass(frozen=True, slots=True)
class RowResult:
    """The result of one row, real or in the preview. ``display_name`` is the file's, for comparison."""

    line: int
    name: str
    outcome: str
    said: str = ""
    token: str = field(default="", repr=False)
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of each row; for files of states, also one summary line for each effect with its number of people."""

    results: list[RowResult]
    summary: list[str]


class _RowRejected(Exception):
    """A row can't be imported; the message says why."""


def import_rows(
    file: PeopleFile,
    *,
    organisation: Organisation,
    by: User | None,
    origin: Origin,
    is_real: bool,
    links_last: timedelta = LIFETIME,
) -> Imported:
    """Import every row, or only try it, and return the result of each.

    ``links_last`` is the validity of the links with which newly created people choose a password.

    ``by`` None is the command line. Raise PermissionDenied if ``by`` may not import files of this kind.
    """
    demand(by, Act.IMPORT_PEOPLE if file.kind is FileKind.PEOPLE else Act.CHANGE_MFA_STATE)
    people = _people_named(file, organisation)
    follows = _consequences(file, people, by) if file.kind is FileKind.STATES else {}
    seen: dict[object, int] = {}
    results = []
    for row in file.rows:
        name = row.cells["sign_in_name"]
        key = _key(name)
        # Two rows with different names of one person are about one person.
        person: object = people[key].pk if key in people else key
        if person in seen:
            said = _("line %(line)d is about the same person") % {"line": seen[person]}
            results.append(RowResult(row.line, name, "refused", said, display_name=row.cells.get("display_name", "")))
            continue
        if key:
            seen[person] = row.line
        results.append(_one(file.kind, row, organisation, by, origin, follows.get(person), links_last, is_real=is_real))
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
    return Imported(results, summary([row for row in follows.values() if not row.skipped]))


def _people_named(file: PeopleFile, organisation: Organisation) -> dict[str, User]:
    """Return the people of the organisation whom the file names, by the key of the name in the file."""
    keys = sorted({key for row in file.rows if (key := _key(row.cells["sign_in_name"]))})
    people: dict[str, User] = {}
    for first in range(0, len(keys), PEOPLE_AT_ONCE):
        names = SignInName.objects.filter(key__in=keys[first : first + PEOPLE_AT_ONCE], user__organisation=organisation)
        people |= {name.key: name.user for name in names.select_related("user__organisation")}
    return people


def _consequences(file: PeopleFile, people: Mapping[str, User], by: User | None) -> dict[object, Consequence]:
    """Return the consequence for each person whose state the file changes, as the multi-factor page computes it."""
    requested: dict[MfaState, dict[UUID, User]] = {}
    for row in file.rows:
        user, state = people.get(_key(row.cells["sign_in_name"])), _STATES.get(squashed(row.cells["mfa_status"]))
        if user is not None and user.deleted_at is None and state is not None:
            requested.setdefault(_requested_state(user, state), {})[user.pk] = user
    found: dict[object, Consequence] = {}
    for state, users in requested.items():
        change = next(change for change in CHANGES.values() if change.state is state)
        everybody = list(users.values())
        for first in range(0, len(everybody), PEOPLE_AT_ONCE):
            some = everybody[first : first + PEOPLE_AT_ONCE]
            found |= {row.person.pk: row for row in consequences(change, some, by, now=timezone.now())}
    return found


def _requested_state(user: User, state: MfaState) -> MfaState:
    """Return Enabled in place of Enforced, unless the person is Enforced already: a registered person becomes Enforced
    by it, and the report of another system does not stop the mail programs of unregistered people."""
    return MfaState.ENABLED if state is MfaState.ENFORCED and user.state is not state else state


def _one(
    kind: FileKind,
    row: PersonRow,
    organisation: Organisation,
    by: User | None,
    origin: Origin,
    follows: Consequence | None,
    links_last: timedelta,
    *,
    is_real: bool,
) -> RowResult:
    name = row.cells["sign_in_name"]
    shown = row.cells.get("display_name", "")
    if row.too_many:
        said = _("This row has more cells than the first line. Put quotation marks around a name with a comma.")
        return RowResult(row.line, name, "refused", said, display_name=shown)
    try:
        with transaction.atomic():
            if kind is FileKind.PEOPLE:
                result = _person(row, organisation, by, origin, links_last)
            else:
                result = _state(row, organisation, by, origin, follows)
            if not is_real:
                # The row was really imported, and is rolled back: the preview shows exactly what would happen.
                transaction.set_rollback(True)
            return replace(result, display_name=shown, token=result.token if is_real else "")
    except BadPerson as error:
        said = " ".join(f"{FIELDS[field]}: {PERSON[reason]}" for field, reason in error.reasons.items())
    except _RowRejected as error:
        said = str(error)
    except PermissionDenied:
        said = _("Your role does not allow this for this person.")
    return RowResult(row.line, name, "refused", said, display_name=shown)


def _person(
    row: PersonRow, organisation: Organisation, by: User | None, origin: Origin, links_last: timedelta
) -> RowResult:
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
        invited = invite(user, by=by, origin=origin, now=now, lifetime=links_last)
        return RowResult(row.line, name, "created", token=invited.token)
    if user.organisation_id != organisation.pk:
        # The same message as for any foreign name, so that it discloses nothing about other organisations.
        raise BadPerson({"sign_in_name": "other_domain"})
    if user.deleted_at is not None:
        raise _RowRejected(_("This person is deleted. Restore the person first."))
    # An empty cell means no change; it does not erase the value.
    requested = {name: value for name, value in values.items() if value and name != "sign_in_name"}
    changed = actions.edit_person(user, requested, by=by, origin=origin, now=now)
    return RowResult(
        row.line, name, "changed" if changed else "unchanged", ", ".join(str(FIELDS[one]) for one in changed)
    )


_STATES = {
    squashed(name): state
    for state, names in {
        MfaState.DISABLED: ("disabled", "deaktiviert", "désactivé", "deshabilitado"),
        MfaState.ENABLED: ("enabled", "aktiviert", "activé", "habilitado"),
        MfaState.ENFORCED: ("enforced", "erzwungen", "appliqué", "aplicado"),
    }.items()
    for name in names
}
"""The names of the states on the pages of Microsoft 365 in four languages."""


def _state(
    row: PersonRow, organisation: Organisation, by: User | None, origin: Origin, follows: Consequence | None
) -> RowResult:
    name, asked = row.cells["sign_in_name"], _STATES.get(squashed(row.cells["mfa_status"]))
    user = actions.find_by_name(name)
    if user is None or user.organisation_id != organisation.pk or user.deleted_at is not None:
        raise _RowRejected(_("There is nobody by this name."))
    if asked is None:
        raise _RowRejected(_("The state must be Enabled, Disabled or Enforced."))
    requested = _requested_state(user, asked)
    outcome = set_mfa_state(user, requested, by=by, cause=MfaCause.BULK_FILE, origin=origin, now=timezone.now())
    said = [str(STATES[outcome.after])]
    if outcome.before is outcome.after:
        if asked is not outcome.after:
            said.append(_("not %(state)s") % {"state": STATES[asked]})
        return RowResult(row.line, name, "unchanged", ": ".join(said))
    if asked is not requested and outcome.after is requested:
        said.append(_("not Enforced before a phone is registered here"))
    if follows is not None:
        said += follows.notes
    return RowResult(row.line, name, "changed", "; ".join(said))


def _key(name: str) -> str:
    try:
        return name_key(name)
    except InvalidSignInName:
        return ""
