"""Whether a sign-in name or alias may be given to somebody: the alphabet, the domains, and the names of others."""

from __future__ import annotations

from watchword.core.usernames import (
    DELIMITER,
    LONGEST_NAME,
    NotASignInName,
    name_key,
    speaks_for_the_domain,
    without_detail,
)
from watchword.directory.confusables import looks_like_an_administrator
from watchword.directory.models import Organisation, SignInName, User
from watchword.directory.roles import Role


def why_not_a_name(
    organisation: Organisation, name: str, user: User | None, *, by: User | None, is_alias: bool = False
) -> str:
    """Return the reason, in one word, why a person can't have a name; empty if they can.

    ``user`` None is somebody new; ``by`` None is the system. A name that the person has already is free as a sign-in
    name (an alias becomes it) and not as an alias.
    """
    try:
        key = name_key(name)
    except NotASignInName as error:
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
    if _is_detail_of_somebody_else(key, user):
        return "detail"
    if speaks_for_the_domain(key) and by is not None and Role.GLOBAL_ADMINISTRATOR not in by.roles:
        return "reserved"
    return "looks_like" if looks_like_an_administrator(organisation, key, user) else ""


def _is_detail_of_somebody_else(key: str, user: User | None) -> bool:
    # Mail for alice+news is Alice's wherever a mail server knows the delimiter: it must be nobody else's, and who comes
    # later must not become the owner of what stands before the delimiter of a name that is in use.
    local, _, domain = key.rpartition("@")
    before = without_detail(key)
    theirs = SignInName.objects.all() if user is None else SignInName.objects.exclude(user=user)
    if before != key:
        return theirs.filter(key=before).exists()
    return theirs.filter(key__startswith=f"{local}{DELIMITER}", key__endswith=f"@{domain}").exists()
