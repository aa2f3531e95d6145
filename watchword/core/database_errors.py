"""Names a database error by its standard code, which contains no value from any statement."""

from __future__ import annotations

_SQLSTATES = {
    "08": "connection failed",
    "25006": "read-only",
    "28": "login refused",
    "3D000": "does not exist",
    "40001": "serialization failure",
    "40P01": "deadlock",
    "42501": "permission denied",
    "42P01": "table missing",
    "53100": "disk full",
    "53300": "too many connections",
    "55P03": "locked",
    "57014": "query cancelled or timed out",
    "57P": "server stopping or starting",
    "XX": "internal error",
}
"""PostgreSQL's documentation, appendix A; a whole code or its first characters."""

_SQLITE = {
    "SQLITE_BUSY": "locked",
    "SQLITE_LOCKED": "locked",
    "SQLITE_READONLY": "read-only",
    "SQLITE_FULL": "disk full",
    "SQLITE_IOERR": "I/O error",
    "SQLITE_CORRUPT": "file corrupt",
    "SQLITE_NOTADB": "file is not a database",
    "SQLITE_CANTOPEN": "file can't be opened",
    "SQLITE_PERM": "permission denied",
    "SQLITE_AUTH": "permission denied",
}
"""https://www.sqlite.org/rescode.html; an extended code begins with its primary one."""


def name_of_trouble(error: BaseException) -> str:
    """Return the kind of an error and its code, such as ``locked (SQLITE_BUSY)`` or ``disk full (SQLSTATE 53100)``.

    The text of the error is never included, because it can contain the written values. Without a driver's code, the
    name of the error's class is returned.
    """
    cause: BaseException | None = error
    while cause is not None:
        if state := getattr(cause, "sqlstate", None):
            return _told(_SQLSTATES, str(state), f"SQLSTATE {state}")
        if code := getattr(cause, "sqlite_errorname", None):
            return _told(_SQLITE, str(code), str(code))
        cause = cause.__cause__
    if type(error).__name__ in {"OperationalError", "InterfaceError"}:
        # libpq gives no SQLSTATE if it never reached a server.
        return f"unreachable ({type(error).__name__})"
    return type(error).__name__


def database_trouble(error: BaseException) -> str:
    """Return the same for a log line, such as ``database locked (SQLITE_BUSY)``."""
    return f"database {name_of_trouble(error)}"


def _told(words: dict[str, str], code: str, shown: str) -> str:
    known = next((words[code[:length]] for length in range(len(code), 1, -1) if code[:length] in words), "")
    return f"{known} ({shown})" if known else shown
