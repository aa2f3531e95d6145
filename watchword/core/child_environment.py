"""What programs that Watchword runs inherit from its environment: how to work, and no secret."""

from collections.abc import Mapping

_INHERITED = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "ESPEAK_DATA_PATH"})


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that say where programs are, who runs them and which language they speak; no others.

    Keys, the database's password and the mail server's stand in the same environment.
    """
    return {name: value for name, value in environment.items() if name in _INHERITED or name.startswith("LC_")}
