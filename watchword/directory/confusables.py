"""Detects sign-in names that look like an administrator's."""

from __future__ import annotations

from watchword.core.confusables import looks
from watchword.directory.models import Organisation, SignInName, User


def looks_like_an_administrator(organisation: Organisation, key: str, user: User | None) -> bool:
    """Return whether a normalised name looks the same as the name of an administrator other than this person."""
    theirs = SignInName.objects.filter(user__organisation=organisation, user__role_assignments__isnull=False)
    if user is not None:
        theirs = theirs.exclude(user=user)
    look = looks(key.rpartition("@")[0])
    return any(looks(other.rpartition("@")[0]) == look for other in set(theirs.values_list("key", flat=True)) - {key})
