"""From the address of a database to the settings that Django wants."""

import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from watchword.config.addresses import is_loopback

SQLITE = "watchword.config.sqlite"
"""Our backend, as Django names it."""
_CONNECTION_SECONDS = 5
_STORED_SECONDS = 60
_LIBPQ_KNOWS_SYSTEM = 160_000
"""From this release on libpq can trust the certificates that the system trusts (sslrootcert=system)."""


class DatabaseUrlError(ValueError):
    """The address can't be used; the message never repeats it, for it may hold a password."""


def database_settings(url: str) -> Mapping[str, object]:
    """Django's entry for one database. `sqlite:///absolute/path` or any URI that libpq understands."""
    scheme = url.partition(":")[0]
    match scheme:
        case "sqlite":
            return _sqlite(url)
        case "postgresql" | "postgres":
            return _postgresql(url)
        case _:
            raise DatabaseUrlError("begins with neither sqlite:// nor postgresql://")


def _sqlite(url: str) -> Mapping[str, object]:
    parts = urlsplit(url)
    # Three slashes and four (as SQLAlchemy writes it) both mean an absolute path.
    path = "/" + unquote(parts.path).lstrip("/")
    if parts.netloc or parts.query or parts.fragment or path == "/" or path.endswith("/"):
        raise DatabaseUrlError("is not of the form sqlite:///absolute/path")
    # Opening one anew for each request costs more than the questions: SQLite reads the whole schema then.
    return {"ENGINE": SQLITE, "NAME": path, "CONN_MAX_AGE": _STORED_SECONDS}


def _postgresql(url: str) -> Mapping[str, object]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        config = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        raise DatabaseUrlError("is not a PostgreSQL address that libpq understands") from None
    if not config.get("dbname"):
        raise DatabaseUrlError("names no database (postgresql://host/NAME)")
    if _is_elsewhere(config) and "sslmode" not in config and "PGSSLMODE" not in os.environ:
        # Everything that Watchword knows travels there, and whoever answers must be who is meant.
        config["sslmode"] = "verify-full"
        if psycopg.pq.version() >= _LIBPQ_KNOWS_SYSTEM and "PGSSLROOTCERT" not in os.environ:
            config.setdefault("sslrootcert", "system")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": config.pop("dbname"),
        "USER": config.pop("user", ""),
        "PASSWORD": config.pop("password", ""),
        "HOST": config.pop("host", ""),
        "PORT": config.pop("port", ""),
        "CONN_MAX_AGE": _STORED_SECONDS,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": _CONNECTION_SECONDS, **config},
    }


def _is_elsewhere(config: Mapping[str, str]) -> bool:
    """Whether a connection leaves this machine; libpq takes a list of hosts, and a path is a socket's folder."""
    hosts = (config.get("hostaddr") or config.get("host") or os.environ.get("PGHOST", "")).split(",")
    return any(host and not host.startswith(("/", "@")) and not is_loopback(host) for host in hosts)
