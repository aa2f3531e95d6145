"""App passwords through the daemon's real socket, beside the bare limit and beside Dovecot's own passdb."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks import asking, people

ROUNDS = 3
SIZES = ((1_000, 0), (1_000, 1), (1_000, 10), (1_000, 40), (100_000, 1))
DOVECOT = "/usr/sbin/dovecot"


@contextmanager
def running(words: list[str], socket: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Run a program until the block ends; it is ready once its socket accepts connections."""
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603  (our own)
    try:
        deadline = time.monotonic() + 60
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{words[0]} did not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def measure(home: Path) -> list[dict[str, Any]]:
    """Return a row for each size: rates, their ratio, and whether the answers were right."""
    from django.db import connection
    from django.utils import timezone

    rows = []
    database = str(home / "watchword.sqlite3")
    for number, each in SIZES:
        names = people.make(number, each, timezone.now())
        connection.close()
        lines = [
            asking.line_of(name, people.secret_of(index, (each or 1) // 2))
            for index, name in list(enumerate(names))[:: max(1, number // 2000)]
        ]
        socket, bare = home / "mail" / "auth", home / "bare.socket"
        with suppress(FileNotFoundError):
            bare.unlink()
        program = [sys.executable, "-m"]
        with (
            running([*program, "watchword.cli.main", "serve", "mail"], socket, dict(os.environ)),
            running([*program, "benchmarks.bare_daemon", str(bare), database], bare),
        ):
            ours, limits, yes = [], [], 1.0
            for _ in range(ROUNDS):
                limits.append(asking.rate(str(bare), lines)[0])
                reached, yes = asking.rate(str(socket), lines)
                ours.append(reached)
        rows.append(
            {
                "people": number,
                "each": each,
                "rate": statistics.median(ours),
                "limit": statistics.median(limits),
                "ratio": statistics.median(a / b for a, b in zip(ours, limits, strict=True)),
                "yes": yes,
            }
        )
        print(
            f"{number:>8,} people, {each:>2} each: {rows[-1]['rate']:>8,.0f} a second, {rows[-1]['ratio']:.2f} of the limit"
        )
    return rows


def dovecot(home: Path) -> list[dict[str, Any]]:
    """Return the rates of Dovecot's own passwd-file and SQL passdbs with their default hash; [] without Dovecot or root."""
    if not Path(DOVECOT).exists() or os.geteuid() != 0:
        return []
    folder = home / "dovecot"
    folder.mkdir()
    hashed = subprocess.run(
        ["/usr/bin/doveadm", "pw", "-p", "wonderful"], capture_output=True, text=True, check=True
    ).stdout.strip()
    names = [f"p{number}@bench.example" for number in range(1000)]
    (folder / "passwd").write_text("".join(f"{name}:{hashed}::::::\n" for name in names))
    rows = []
    kinds = {"passwd-file": f"driver = passwd-file\n  args = {folder}/passwd"}
    if Path("/usr/lib/dovecot/modules/auth/libdriver_sqlite.so").exists():
        import pysqlite3

        base = pysqlite3.connect(str(folder / "users.sqlite"))
        base.execute("CREATE TABLE users (name TEXT PRIMARY KEY, password TEXT)")
        base.executemany("INSERT INTO users VALUES (?, ?)", [(name, hashed) for name in names])
        base.commit()
        base.close()
        (folder / "sql.conf").write_text(
            f"driver = sqlite\nconnect = {folder}/users.sqlite\npassword_query = SELECT password FROM users WHERE name = '%u'\n"
        )
        kinds["sql (sqlite)"] = f"driver = sql\n  args = {folder}/sql.conf"
    for kind, passdb in kinds.items():
        run = folder / kind.split()[0]
        run.mkdir()
        (run / "dovecot.conf").write_text(
            f"base_dir = {run}/run\nstate_dir = {run}/state\nlog_path = {run}/log\nprotocols =\nssl = no\n"
            "default_internal_user = nobody\ndefault_login_user = nobody\ndisable_plaintext_auth = no\n"
            f"auth_mechanisms = plain\npassdb {{\n  {passdb}\n}}\nuserdb {{\n  driver = static\n  args = uid=1 gid=1 home=/tmp\n}}\n"
            f"service auth {{\n  unix_listener bench {{\n    path = {run}/auth\n    mode = 0600\n  }}\n}}\nauth_cache_size = 0\n"
        )
        for path in (home, folder, run, *folder.iterdir()):
            path.chmod(0o755)  # Dovecot's auth process is an ordinary user
        lines = [asking.line_of(name, "wonderful") for name in names]
        socket = run / "auth"
        with running([DOVECOT, "-F", "-c", str(run / "dovecot.conf")], socket):
            reached, yes = asking.rate(str(socket), lines, seconds=4, in_flight=4)
        if yes < 1:
            raise RuntimeError(
                f"Dovecot's {kind} passdb refused {1 - yes:.0%} of right passwords, which says nothing of its rate"
            )
        rows.append({"name": f"Dovecot {kind}", "rate": reached, "yes": yes, "hash": hashed[:12]})
        print(f"{rows[-1]['name']}: {reached:,.0f} a second ({hashed[:12]}…)")
        shutil.rmtree(run, ignore_errors=True)
    return rows
