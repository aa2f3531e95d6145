"""How other products verify an app password, as functions reimplemented from their published schemes.

Mailu      all tokens of the person are read, each is PBKDF2-SHA-256 with one round, tried in turn
mailcow    all rows of the mailbox are read, each is bcrypt at PHP's default cost, tried in turn
Nextcloud  SHA-512 over the token and a server's secret, one row by a unique index
Watchword  one HMAC-SHA-256 and one row by a unique index, with decision, log row and commit (measured elsewhere)
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import pysqlite3

SECONDS = 1.0
PERSON = "p7@bench.example"


def measure() -> list[dict[str, Any]]:
    """Return the checks per second of each scheme with 1, 10 and 40 passwords, of which the middle one is shown."""
    rows = []
    for each in (1, 10, 40):
        secrets = [hashlib.sha256(str(device).encode()).hexdigest()[:24] for device in range(each)]
        for name, make in (("Mailu", mailu), ("mailcow", mailcow), ("Nextcloud", nextcloud)):
            check = make(secrets)
            if check is None:
                continue
            shown = secrets[each // 2]
            assert check(shown)
            rates = []
            for _ in range(3):
                began, number = time.perf_counter(), 0
                while time.perf_counter() - began < SECONDS / 3:
                    check(shown)
                    number += 1
                rates.append(number / (time.perf_counter() - began))
            rows.append({"name": name, "each": each, "rate": statistics.median(rates)})
            print(f"{name:<10} {each:>2} each: {rows[-1]['rate']:>10,.0f} a second")
    return rows


def _table(values: list[bytes]) -> pysqlite3.Connection:
    base = pysqlite3.connect(":memory:")
    base.execute("CREATE TABLE held (person TEXT, value BLOB UNIQUE)")
    base.execute("CREATE INDEX by_person ON held (person)")
    base.executemany("INSERT INTO held VALUES (?, ?)", [(PERSON, value) for value in values])
    return base


def mailu(secrets: list[str]) -> Callable[[str], bool]:
    """Return a check by PBKDF2 with one round for each token."""
    base = _table(
        [b"salt%02d" % n + hashlib.pbkdf2_hmac("sha256", s.encode(), b"salt%02d" % n, 1) for n, s in enumerate(secrets)]
    )

    def check(shown: str) -> bool:
        rows = base.execute("SELECT value FROM held WHERE person = ?", (PERSON,)).fetchall()
        return any(hashlib.pbkdf2_hmac("sha256", shown.encode(), row[0][:6], 1) == row[0][6:] for row in rows)

    return check


def mailcow(secrets: list[str]) -> Callable[[str], bool] | None:
    """Return a check by bcrypt at cost 10 for each password, with the system's libcrypt; None without it."""
    found = ctypes.util.find_library("crypt")
    if found is None:
        return None
    crypt = ctypes.CDLL(found).crypt
    crypt.restype = ctypes.c_char_p
    salts = [b"$2y$10$abcdefghijklmnopqrst%02d" % number for number in range(len(secrets))]
    if not (crypt(b"x", salts[0]) or b"").startswith(b"$2y$"):
        return None
    base = _table([bytes(crypt(secret.encode(), salt)) for secret, salt in zip(secrets, salts, strict=True)])

    def check(shown: str) -> bool:
        rows = base.execute("SELECT value FROM held WHERE person = ?", (PERSON,)).fetchall()
        return any(crypt(shown.encode(), row[0]) == row[0] for row in rows)

    return check


def nextcloud(secrets: list[str]) -> Callable[[str], bool]:
    """Return a check by SHA-512 and one indexed row."""
    base = _table([hashlib.sha512(secret.encode() + b"server").digest() for secret in secrets])

    def check(shown: str) -> bool:
        digest = hashlib.sha512(shown.encode() + b"server").digest()
        return base.execute("SELECT person FROM held WHERE value = ?", (digest,)).fetchone() is not None

    return check
