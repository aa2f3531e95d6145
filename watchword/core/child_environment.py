"""The environment of child processes: what they need to work, and no secret."""

from collections.abc import Mapping

_INHERITED = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "ESPEAK_DATA_PATH"})


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for programs' locations, the user and the language, and no others.

    The environment also holds keys and the passwords of the database and the mail server.
    """
    return {name: value for name, value in environment.items() if name in _INHERITED or name.startswith("LC_")}
