"""Database errors are reported by their standard code (SQLSTATE), and none of the written data is revealed."""

from __future__ import annotations

import pytest

from watchword.core.database_errors import name_of_trouble


class DriverError(Exception):
    """An error with its code, as a driver raises it."""

    def __init__(self, **codes: str) -> None:
        super().__init__("INSERT INTO secrets VALUES ('hunter2')")
        for name, code in codes.items():
            setattr(self, name, code)


class OperationalError(Exception):
    """The error as Django wraps it."""


@pytest.mark.parametrize(
    ("codes", "name"),
    [
        ({"sqlstate": "53100"}, "disk full (SQLSTATE 53100)"),
        ({"sqlstate": "28P01"}, "login refused (SQLSTATE 28P01)"),
        ({"sqlstate": "57P01"}, "server stopping or starting (SQLSTATE 57P01)"),
        ({"sqlstate": "22001"}, "SQLSTATE 22001"),
        ({"sqlite_errorname": "SQLITE_BUSY_SNAPSHOT"}, "locked (SQLITE_BUSY_SNAPSHOT)"),
        ({"sqlite_errorname": "SQLITE_READONLY"}, "read-only (SQLITE_READONLY)"),
        ({"sqlite_errorname": "SQLITE_MISUSE"}, "SQLITE_MISUSE"),
    ],
)
def test_trouble_is_named_by_its_code_and_tells_no_value(codes: dict[str, str], name: str) -> None:
    wrapped = OperationalError("INSERT INTO secrets VALUES ('hunter2')")
    wrapped.__cause__ = DriverError(**codes)
    assert name_of_trouble(wrapped) == name


def test_trouble_without_a_code_is_named_by_its_class() -> None:
    assert name_of_trouble(OperationalError("host=db password=hunter2")) == "unreachable (OperationalError)"
    assert name_of_trouble(ValueError("hunter2")) == "ValueError"
