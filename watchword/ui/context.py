"""The context processor of all pages for signed-in people."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the apps of the launcher from settings.WATCHWORD_APP_TILES.

    A tile has a ``name``, an ``icon``, a ``description``, and either a ``url`` (the name of a page of Watchword) or an
    ``address``.
    """
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {"app_tiles": []}
    tiles = getattr(settings, "WATCHWORD_APP_TILES", [])
    return {"app_tiles": [{**tile, "address": tile.get("address") or reverse(tile["url"])} for tile in tiles]}
