"""Administrative acts on people, without credentials and sessions: one permission, transaction and event for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import phonenumbers
from django.db import IntegrityError, transaction
from django.db.models import Q

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.mail_addresses import is_mail_address
from watchword.core.phone_numbers import Unreadable, parse_typed
from watchword.core.policy import MfaState
from watchword.core.usernames import InvalidSignInName, domain_key, is_printable, name_key, shown_name
from watchword.directory.administrators import keep_an_administrator
from watchword.directory.contacts import sealed_contact
from watchword.directory.mailboxes import new_mailbox
from watchword.directory.mfa_history import write_state
from watchword.directory.models import (
    Domain,
    MfaCause,
    Organisation,
    RoleAssignment,
    SignInName,
    User,
)
from watchword.directory.naming import why_not_a_name
from watchword.directory.permissions import PermissionDenied, demand
from watchword.directory.roles import Act, Role, may
from watchword.directory.search import search_key

LONGEST_DISPLAY_NAME, LONGEST_MAIL = 100, 254
"""The longest values in characters; the columns hold as many."""
EDITABLE = ("sign_in_name", "display_name", "contact_mail", "directory_phone")
_REMEMBERED = ("sign_in_name", "display_name")
"""Fields whose values an event contains; for the others it says only that they were changed."""


class BadPerson(ValueError):
    """Entered fields that are not valid for a person; ``reasons`` maps each invalid field to one word."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(", ".join(f"{field}: {reason}" for field, reason in reasons.items()))
        self.reasons = dict(reasons)


def find_by_name(name: str) -> User | None:
    """Return the person with this sign-in name or alias, in any spelling, deleted people included; otherwise None."""
    try:
        key = name_key(name)
    except InvalidSignInName:
        return None
    found = SignInName.objects.filter(key=key).select_related("user__organisation").first()
    return found.user if found is not None else None


def create_organisation(
    name: str, *, domains: Iterable[str], region: str, by: None, now: datetime, origin: Origin = NOWHERE
) -> Organisation:
    """Create an organisation with its domains; the first one is the primary domain. Only the system may do this.

    Raises BadPerson with the field ``domains`` or ``region``.
    """
    demand(by, Act.CHANGE_SETTINGS)
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise BadPerson({"region": "unknown"})
    try:
        keys = [domain_key(domain) for domain in domains]
    except InvalidSignInName:
        raise BadPerson({"domains": "domain"}) from None
    with transaction.atomic():
        if Domain.objects.filter(name__in=keys).exists():
            raise BadPerson({"domains": "taken"})
        organisation = Organisation.objects.create(name=name, created_at=now, region=region)
        for number, key in enumerate(keys):
            Domain.objects.create(organisation=organisation, name=key, is_primary=number == 0)
        details = {"name": name, "domains": keys}
        record(EventKind.ORGANISATION_CREATED, now=now, origin=origin, organisation_id=organisation.pk, details=details)
    return organisation


def create_person(
    organisation: Organisation,
    *,
    sign_in_name: str,
    display_name: str,
    contact_mail: str = "",
    directory_phone: str = "",
    roles: Iterable[Role] = (),
    by: User | None,
    now: datetime,
    origin: Origin = NOWHERE,
) -> User:
    """Create a person, who can't sign in yet: a password or an invitation is a separate act.

    A person with a role is Enabled from the beginning. Raises PermissionDenied, or BadPerson with every invalid field.
    """
    demand(by, Act.CREATE_PERSON)
    requested = set(roles)
    _may_hand_out(by, requested)
    values = _checked(
        organisation,
        {
            "sign_in_name": sign_in_name,
            "display_name": display_name,
            "contact_mail": contact_mail,
            "directory_phone": directory_phone,
        },
        None,
        by,
    )
    try:
        with transaction.atomic():
            user = User.objects.create(
                organisation=organisation,
                created_at=now,
                search_key=_search_key(values),
                mailbox=new_mailbox(values["sign_in_name"]),
                **values,
            )
            name = values["sign_in_name"]
            SignInName.objects.create(user=user, name=name, key=name_key(name))
            RoleAssignment.objects.bulk_create([RoleAssignment(user=user, role=role) for role in sorted(requested)])
            if requested:
                write_state(user, MfaState.ENABLED, MfaCause.ROLE_GIVEN, by=by, now=now)
            record(
                EventKind.PERSON_CREATED,
                now=now,
                subject=user,
                by=by,
                origin=origin,
                details={"roles": sorted(role.value for role in requested)},
                # A new person with a role is notified like a given role, unless the system itself created the person.
                notify=bool(requested) and by is not None,
            )
    except IntegrityError:
        # Another transaction took the name between the check and the insert.
        raise BadPerson({"sign_in_name": "taken"}) from None
    return user


def edit_person(
    user: User, changes: Mapping[str, str], *, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> list[str]:
    """Change fields of EDITABLE and return the names of those that changed; raises PermissionDenied or BadPerson."""
    demand(by, Act.EDIT_PERSON, user)
    unknown = set(changes) - set(EDITABLE)
    if unknown:
        raise KeyError(*sorted(unknown))
    before = {field: getattr(user, field) for field in EDITABLE}
    values = _checked(user.organisation, {**before, **changes}, user, by)
    changed = [field for field in EDITABLE if values[field] != before[field]]
    if not changed:
        return []
    try:
        with transaction.atomic():
            for field in changed:
                setattr(user, field, values[field])
            user.search_key = _search_key(values)
            if "sign_in_name" in changed and user.mailbox is None:
                # The mailbox retains its name, so that the stored mail stays reachable.
                user.mailbox = before["sign_in_name"]
            user.save(update_fields=[*changed, "search_key", "mailbox"])
            if "sign_in_name" in changed:
                _rename(user, values["sign_in_name"])
            # The warning is sent to the previous address as well.
            contact = {"earlier_contact": sealed_contact(before["contact_mail"])} if "contact_mail" in changed else {}
            harmless = {
                name: {"before": before[name], "after": values[name]} for name in _REMEMBERED if name in changed
            }
            record(
                EventKind.PERSON_EDITED,
                now=now,
                subject=user,
                by=by,
                origin=origin,
                details={"fields": sorted(changed), **contact, **harmless},
            )
    except IntegrityError:
        user.refresh_from_db()
        raise BadPerson({"sign_in_name": "taken"}) from None
    return changed


def _rename(user: User, name: str) -> None:
    """Set a person's sign-in name; the previous one becomes an alias, unless only its spelling differs."""
    key = name_key(name)
    SignInName.objects.filter(user=user, is_alias=False).exclude(key=key).update(is_alias=True)
    SignInName.objects.update_or_create(user=user, key=key, defaults={"name": name, "is_alias": False})


def add_alias(user: User, name: str, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> None:
    """Add an alias to a person's sign-in names; raises PermissionDenied, or BadPerson with the field ``alias``."""
    demand(by, Act.EDIT_PERSON, user)
    name = shown_name(name)
    reason = why_not_a_name(user.organisation, name, user, by=by, is_alias=True)
    if reason:
        raise BadPerson({"alias": reason})
    try:
        with transaction.atomic():
            SignInName.objects.create(user=user, name=name, key=name_key(name), is_alias=True)
            details = {"fields": ["aliases"], "added": name}
            record(EventKind.PERSON_EDITED, now=now, subject=user, by=by, origin=origin, details=details)
    except IntegrityError:
        raise BadPerson({"alias": "taken"}) from None


def remove_alias(user: User, name: str, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Remove an alias; return False if the person has no such alias. Raises PermissionDenied."""
    demand(by, Act.EDIT_PERSON, user)
    with transaction.atomic():
        # Also by the stored spelling: names older than the closed alphabet have no valid key, and must be removable.
        same = Q(name=name) | Q(key=_key(name))
        number, _each = SignInName.objects.filter(same, user=user, is_alias=True).delete()
        if number:
            details = {"fields": ["aliases"], "removed": name}
            record(EventKind.PERSON_EDITED, now=now, subject=user, by=by, origin=origin, details=details)
    return bool(number)


def give_role(user: User, role: Role, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Give a role; return False if the person has it already.

    Raises PermissionDenied, also for a role that the administrator may not give, and BadPerson if the person is
    Disabled: ``signin.actions.give_role`` enables the person in the same act.
    """
    demand(by, Act.GIVE_ROLES, user)
    _may_hand_out(by, {role})
    if user.state is MfaState.DISABLED:
        raise BadPerson({"roles": "disabled"})
    with transaction.atomic():
        _row, is_new = RoleAssignment.objects.get_or_create(user=user, role=role)
        if is_new:
            record(EventKind.ROLE_GIVEN, now=now, subject=user, by=by, origin=origin, details={"role": role.value})
    user.__dict__.pop("roles", None)
    return is_new


def take_role(user: User, role: Role, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Remove a role; return False if the person did not have it. Raises PermissionDenied or LastGlobalAdministrator."""
    demand(by, Act.GIVE_ROLES, user)
    _may_hand_out(by, {role})
    with transaction.atomic():
        if role is Role.GLOBAL_ADMINISTRATOR:
            keep_an_administrator(user)
        number, _each = RoleAssignment.objects.filter(user=user, role=role).delete()
        if number and role is Role.GLOBAL_ADMINISTRATOR and user.is_emergency_access:
            user.emergency_since = None
            user.save(update_fields=["emergency_since"])
            record(EventKind.EMERGENCY_ACCESS_ENDED, now=now, subject=user, by=by, origin=origin)
        if number:
            record(EventKind.ROLE_TAKEN, now=now, subject=user, by=by, origin=origin, details={"role": role.value})
    user.__dict__.pop("roles", None)
    return bool(number)


def _may_hand_out(by: User | None, roles: set[Role]) -> None:
    if by is None or not roles:
        return
    if not may(by.roles, Act.GIVE_ROLES, roles):
        raise PermissionDenied(Act.GIVE_ROLES)


def _checked(
    organisation: Organisation, requested: Mapping[str, str], user: User | None, by: User | None
) -> dict[str, str]:
    values = {field: " ".join(text.split()) for field, text in requested.items()}
    values["sign_in_name"] = shown_name(values["sign_in_name"])
    reasons: dict[str, str] = {}
    name_reason = why_not_a_name(organisation, values["sign_in_name"], user, by=by)
    # A name older than the closed alphabet is accepted while unchanged, so that other fields can be edited; ``verify``
    # reports it.
    if name_reason and (user is None or values["sign_in_name"] != user.sign_in_name):
        reasons["sign_in_name"] = name_reason
    elif not (values["contact_mail"] or is_mail_address(values["sign_in_name"])):
        # Without a contact address, warnings are sent to the sign-in name, which then must be a mail address.
        reasons["contact_mail"] = "needed"
    if not values["display_name"]:
        reasons["display_name"] = "missing"
    elif len(values["display_name"]) > LONGEST_DISPLAY_NAME:
        reasons["display_name"] = "too_long"
    elif not is_printable(values["display_name"]):
        reasons["display_name"] = "not_printable"
    reasons |= _checked_contacts(organisation, values, user)
    if reasons:
        raise BadPerson(reasons)
    return values


def _checked_contacts(organisation: Organisation, values: dict[str, str], user: User | None) -> dict[str, str]:
    """Return what is wrong with mail and phone; replace the phone in ``values`` by its international form."""
    reasons: dict[str, str] = {}
    mail = values["contact_mail"]
    if len(mail) > LONGEST_MAIL:
        reasons["contact_mail"] = "too_long"
    elif mail and not (is_mail_address(mail) and "." in mail.rpartition("@")[2]):
        reasons["contact_mail"] = "not_an_address"
    if values["directory_phone"] and (user is None or values["directory_phone"] != user.directory_phone):
        number = parse_typed(values["directory_phone"], organisation.region)
        if isinstance(number, Unreadable):
            reasons["directory_phone"] = number.problem.value
        else:
            # The international form stays the same number when the organisation's country changes.
            values["directory_phone"] = number.international
    return reasons


def _key(name: str) -> str:
    try:
        return name_key(name)
    except InvalidSignInName:
        return ""


def _search_key(values: Mapping[str, str]) -> str:
    return search_key(values["display_name"], values["sign_in_name"])
