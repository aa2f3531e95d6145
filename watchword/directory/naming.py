"""Checks whether a person may get a sign-in name or alias: alphabet, domain, and conflicts with other names."""

from __future__ import annotations

from watchword.core.confusables import looks
from watchword.core.usernames import (
    DELIMITER,
    LONGEST_NAME,
    InvalidSignInName,
    name_key,
    speaks_for_the_domain,
    without_detail,
)
from watchword.directory.models import Organisation, SignInName, User
from watchword.directory.roles import Role


def why_not_a_name(
    organisation: Organisation, name: str, user: User | None, *, by: User | None, is_alias: bool = False
) -> str:
    """Return the reason, in one word, why a person can't have a name; empty if the person can.

    ``user`` is None for a new person, ``by`` is None for the system. A name that the person has already is free as a
    sign-in name (an alias is promoted to it), but taken as an alias.
    """
    try:
        key = name_key(name)
    except InvalidSignInName as error:
        return error.reason
    if len(name) > LONGEST_NAME:
        return "too_long"
    if not organisation.domains.filter(name=key.rpartition("@")[2]).exists():
        return "other_domain"
    taken = SignInName.objects.filter(key=key)
    if user is not None and not is_alias:
        taken = taken.exclude(user=user)
    if taken.exists():
        return "taken"
    if _is_detail_of_another_person(key, user):
        return "detail"
    if speaks_for_the_domain(key) and by is not None and Role.GLOBAL_ADMINISTRATOR not in by.roles:
        return "reserved"
    return "looks_like" if _looks_like_an_administrator(organisation, key, user) else ""


def _is_detail_of_another_person(key: str, user: User | None) -> bool:
    # A mail server that knows the delimiter delivers mail for alice+news to Alice. So no other person may have that
    # name; and no person may get a name that is the part before the delimiter of another person's name.
    local, _, domain = key.rpartition("@")
    before = without_detail(key)
    theirs = SignInName.objects.all() if user is None else SignInName.objects.exclude(user=user)
    if before != key:
        return theirs.filter(key=before).exists()
    return theirs.filter(key__startswith=f"{local}{DELIMITER}", key__endswith=f"@{domain}").exists()


def _looks_like_an_administrator(organisation: Organisation, key: str, user: User | None) -> bool:
    """Return whether a normalised name looks the same as the name of an administrator other than this person."""
    theirs = SignInName.objects.filter(user__organisation=organisation, user__role_assignments__isnull=False)
    if user is not None:
        theirs = theirs.exclude(user=user)
    look = looks(key.rpartition("@")[0])
    return any(looks(other.rpartition("@")[0]) == look for other in set(theirs.values_list("key", flat=True)) - {key})
