"""Static files under names with a hash of their content, so that browsers cache them for good; no collectstatic."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from whitenoise.middleware import WhiteNoiseMiddleware

DIGITS = 16


class HashedStorage(StaticFilesStorage):
    """Storage that returns the URLs with hashes: ``ui/watchword.css`` is ``ui/watchword.0f1e2d3c4b5a6978.css``."""

    def url(self, name: str | None) -> str:
        """Return the immutable URL of a file; the plain one with DEBUG."""
        return super().url(name if settings.DEBUG or not name else _hashed_name(name))


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # whitenoise has no types
    """Serves each file under its plain name, cached for a minute, and under the name with the hash, cached for good."""

    def add_file_to_dictionary(self, url: str, path: str, stat_cache: Any = None) -> None:
        """Register a file under both names."""
        super().add_file_to_dictionary(url, path, stat_cache)
        super().add_file_to_dictionary(hashed(url, path), path, stat_cache)

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Return whether the content at a URL never changes."""
        return url.endswith(PurePosixPath(hashed(PurePosixPath(path).name, path)).name)


def hashed(name: str, path: str) -> str:
    """Return a name or URL with the hash of the file in it."""
    plain = PurePosixPath(name)
    return str(plain.with_name(f"{plain.stem}.{_digest(path)}{plain.suffix}"))


@cache
def _hashed_name(name: str) -> str:
    path = finders.find(name)
    return hashed(name, path) if isinstance(path, str) else name


@cache
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:DIGITS]
