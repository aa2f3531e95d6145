"""The page to go to after a sign-in, which is always a local one (no open redirect)."""

from django.urls import reverse

from watchword.core.local_address import is_local_address


def safe_next(requested: str) -> str:
    """Return ``requested`` if it is a safe local path with its query, otherwise the portal's first page."""
    return requested if is_local_address(requested) else reverse("portal:home")
