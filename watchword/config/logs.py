"""What logs leave out: the secret part of a one-time link, wherever a path is written."""

import logging
import re

# One-time links carry their secret as a part of the path.
_SECRET_PART = re.compile(r"[A-Za-z0-9_:=-]{20,}")


def path_for_log(path: str) -> str:
    """The path, with each part that could be a secret replaced by three dots."""
    return "/".join("..." if _SECRET_PART.fullmatch(part) else part for part in path.split("/"))


class PathFilter(logging.Filter):
    """Cleans the paths in Django's own lines, such as "Not Found: /invitation/..."; drops nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record's arguments in place, and lets it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(_clean(argument) for argument in record.args)
        return True


def _clean(argument: object) -> object:
    return path_for_log(argument) if isinstance(argument, str) and argument.startswith("/") else argument
