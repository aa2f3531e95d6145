"""The extras of the installation, and the sentence that names a missing one."""

from collections.abc import Mapping
from importlib.util import find_spec

MODULES: Mapping[str, tuple[str, ...]] = {
    "demo": ("aiosmtpd", "pymap"),
    "phones": ("aiortp", "aiosipua", "audioop", "re2"),
    "postgres": ("psycopg",),
    "telemetry": ("opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk.trace"),
}
"""The modules that each extra of pyproject.toml installs."""


def why_not_installed(extra: str) -> str:
    """Return which modules of an extra are missing and how to install them; empty if none is."""
    missing = [module for module in MODULES[extra] if _is_missing(module)]
    return f"needs the extra {extra} ({', '.join(missing)}): {how_to_install(extra)}" if missing else ""


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'watchword[{extra}]'"


def _is_missing(module: str) -> bool:
    try:
        return find_spec(module) is None
    except ModuleNotFoundError:
        # Its parent package is missing.
        return True
