"""Secrets that stand in files of their own, named by `X_FILE` variables."""

import stat
from pathlib import Path


class SecretFileError(Exception):
    """A file named by an `X_FILE` variable can't be used; the message says why."""


def read_secret_file(path: Path) -> str:
    """The text of a secret's file. Raises SecretFileError if it is missing, unreadable or open to others."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SecretFileError(f"names {path}, which is not a file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretFileError(f"names {path}, which others may read or change (mode {stat.S_IMODE(mode):04o})")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SecretFileError(f"names {path}, which doesn't exist") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"names {path}, which is not UTF-8 text") from None
    except OSError as error:
        raise SecretFileError(f"names {path}, which can't be read ({error.strerror})") from None
