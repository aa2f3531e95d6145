"""Turns the URL of a database into Django's settings for it."""

import os
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode, urlsplit

from watchword.config.extras import how_to_install
from watchword.config.parsers import InvalidSetting, is_loopback

SQLITE = "watchword.config.sqlite"
"""Watchword's backend for SQLite, as Django imports it."""
_CONNECTION_SECONDS = 5
_CONN_MAX_AGE_SECONDS = 60
_GONE_MILLISECONDS = 10_000
"""How long a server may leave sent octets unacknowledged: one that lost its power or its network closes nothing."""
_NOTICING = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": _GONE_MILLISECONDS,
}
"""Parameters of libpq by which a connection to a server that is gone ends, while it waits for an answer or idles."""
_SHOWN = frozenset(("connect_timeout", "sslmode", "sslrootcert", "sslcert", "target_session_attrs", "application_name"))
"""The parameters whose values may be shown; the others may be secrets, such as sslpassword."""
_PRIMARY_AMONG_MANY = "read-write"
_LIBPQ_KNOWS_SYSTEM = 160_000
"""The first version of libpq that can use the system's certificate authorities (sslrootcert=system)."""


def database_settings(url: str) -> Mapping[str, object]:
    """Return Django's entry for one database: `sqlite:///absolute/path` or any URI that libpq understands.

    Raises InvalidSetting, which never repeats the URL: it may hold a password.
    """
    scheme = url.partition(":")[0]
    match scheme:
        case "sqlite":
            return _sqlite(url)
        case "postgresql" | "postgres":
            return _postgresql(url)
        case _:
            raise InvalidSetting("begins with neither sqlite:// nor postgresql://")


def url_without_password(database: Mapping[str, object]) -> str:
    """Return the URL of a database, made from Django's entry for it, without secrets."""
    name, host, port, user = (str(database.get(key, "")) for key in ("NAME", "HOST", "PORT", "USER"))
    if database["ENGINE"] == SQLITE:
        return f"sqlite://{name}"
    if "@" in f"{name}{host}{port}":
        # Part of a password that was not percent-encoded.
        return "postgresql://***"
    options = database["OPTIONS"]
    assert isinstance(options, Mapping)
    texts = {key: str(value) for key, value in sorted(options.items())}
    safe = {key: text if key in {*_SHOWN, *_NOTICING} and "@" not in text else "***" for key, text in texts.items()}
    account = quote(user, safe="") + (":***" if database.get("PASSWORD") else "")
    server = f"[{host}]" if ":" in host else quote(host, safe=",")
    place = f"{account + '@' if account else ''}{server}{':' + port if port else ''}/{quote(name)}"
    return f"postgresql://{place}?{urlencode(safe, safe='*/')}"


def connection_parameters(database: Mapping[str, object]) -> dict[str, str]:
    """Return libpq's parameters for Django's entry of a PostgreSQL database, the password among them."""
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    options = database["OPTIONS"]
    assert isinstance(options, Mapping)
    given = {theirs: str(database[ours]) for ours, theirs in names.items() if database.get(ours)}
    return {**given, **{str(name): str(value) for name, value in options.items()}}


def url_of(parameters: Mapping[str, str]) -> str:
    """Return the URL with these parameters of libpq. It holds the password: for a private file only."""
    rest = {name: value for name, value in parameters.items() if name != "dbname"}
    return f"postgresql:///{quote(parameters['dbname'], safe='')}?{urlencode(rest, quote_via=quote)}"


def _sqlite(url: str) -> Mapping[str, object]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidSetting("is not of the form sqlite:///absolute/path") from None
    # Three slashes and four (as SQLAlchemy writes it) both mean an absolute path.
    path = "/" + unquote(parts.path).lstrip("/")
    if parts.netloc or parts.query or parts.fragment or path == "/" or path.endswith("/"):
        raise InvalidSetting("is not of the form sqlite:///absolute/path")
    # A new connection for each request costs more than its queries, because SQLite then reads the whole schema.
    return {"ENGINE": SQLITE, "NAME": path, "CONN_MAX_AGE": _CONN_MAX_AGE_SECONDS}


def _postgresql(url: str) -> Mapping[str, object]:
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise InvalidSetting(
            f"names PostgreSQL, which needs the extra postgres (psycopg): {how_to_install('postgres')}"
        ) from None
    try:
        config = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    except (psycopg.ProgrammingError, UnicodeError):
        raise InvalidSetting("is not a PostgreSQL address that libpq understands") from None
    if not config.get("dbname"):
        raise InvalidSetting("names no database (postgresql://host/NAME)")
    if not all(port.isdigit() for port in config.get("port", "").split(",") if port):
        # A slash in a password ends the host, and libpq takes the part before it for a port.
        raise InvalidSetting("has a port that is no number (in a password, write %2F for / and %40 for @)")
    if _is_elsewhere(config) and "sslmode" not in config and "PGSSLMODE" not in os.environ:
        # All data of Watchword travels over this connection, so the server must prove its identity.
        config["sslmode"] = "verify-full"
        if psycopg.pq.version() >= _LIBPQ_KNOWS_SYSTEM and "PGSSLROOTCERT" not in os.environ:
            config.setdefault("sslrootcert", "system")
    if "," in config.get("host", config.get("hostaddr", "")):
        # One of several servers leads. A standby answers too, but can't write.
        config.setdefault("target_session_attrs", _PRIMARY_AMONG_MANY)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": config.pop("dbname"),
        "USER": config.pop("user", ""),
        "PASSWORD": config.pop("password", ""),
        "HOST": config.pop("host", ""),
        "PORT": config.pop("port", ""),
        "CONN_MAX_AGE": _CONN_MAX_AGE_SECONDS,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": _CONNECTION_SECONDS, **_NOTICING, **config},
    }


def _is_elsewhere(config: Mapping[str, str]) -> bool:
    """Return whether a connection leaves this machine. libpq takes a list of hosts; a path is a socket's folder."""
    hosts = (config.get("hostaddr") or config.get("host") or os.environ.get("PGHOST", "")).split(",")
    return any(host and not host.startswith(("/", "@")) and not is_loopback(host) for host in hosts)
