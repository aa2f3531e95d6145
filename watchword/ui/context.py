"""What every page of the signed-in look needs."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the apps of the launcher, as settings.WATCHWORD_APP_TILES lists them.

    A tile has a ``name``, an ``icon``, a ``description`` and either the ``url`` name of a page of ours or an
    ``address``.
    """
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {"app_tiles": []}
    tiles = getattr(settings, "WATCHWORD_APP_TILES", [])
    return {"app_tiles": [{**tile, "address": tile.get("address") or reverse(tile["url"])} for tile in tiles]}
