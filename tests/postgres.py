"""A PostgreSQL server for the tests alone: in a temporary folder, on a Unix socket, removed when they end."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

SUPERUSER = "postgres"
START_SECONDS = 60
# Nothing here outlives the run, so no write needs to wait for the disk.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=100")


class NoPostgres(Exception):
    """No PostgreSQL could be started here; the message names what is missing."""


def binaries() -> Path:
    """Return the folder with `initdb` and `postgres`, the newest version first. Raise NoPostgres if there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    on_path = [Path(found).parent for name in ("initdb",) if (found := shutil.which(name))]
    for folder in [*debian, *on_path]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres("PostgreSQL's server programs are not installed (Debian's package: postgresql)")


@dataclass(slots=True)
class Cluster:
    """One running server; `url(name)` is the address of a database on it."""

    folder: Path
    _server: subprocess.Popen[bytes] = field(repr=False)

    def url(self, name: str) -> str:
        """Return the libpq address of a database."""
        return f"postgresql://{SUPERUSER}@/{name}?host={self.folder}"

    def stop(self) -> None:
        """Stop the server at once (its "fast" shutdown) and remove its folder."""
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(30)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)
                self._server.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def start() -> Cluster:
    """Create a cluster and start it. Raise NoPostgres if that can't be done here."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="watchword-postgres-"))
    as_person = _not_as_root(folder)
    data, log = folder / "data", folder / "log"
    words = [*as_person, str(programs / "initdb"), "--pgdata", str(data), "--username", SUPERUSER, "--auth", "trust"]
    made = subprocess.run(
        [*words, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise NoPostgres(f"initdb failed: {made.stderr.strip()}")
    options = [part for option in FAST for part in ("-c", option)]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*as_person, str(programs / "postgres"), "-D", str(data), "-k", str(folder), *options],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    cluster = Cluster(folder, server)
    try:
        _wait(cluster, server, log)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _not_as_root(folder: Path) -> list[str]:
    """Return the prefix of a command, since PostgreSQL refuses root; a killed test run also ends the server by it."""
    if os.geteuid() != 0:
        return ["setpriv", "--pdeathsig", "QUIT"] if shutil.which("setpriv") else []
    try:
        shutil.chown(folder, SUPERUSER, SUPERUSER)
    except LookupError:
        raise NoPostgres(f"there is no user {SUPERUSER} to run the server as") from None
    return ["setpriv", "--reuid", SUPERUSER, "--regid", SUPERUSER, "--clear-groups", "--pdeathsig", "QUIT"]


@contextmanager
def running() -> Iterator[Cluster]:
    """Yield a running cluster and stop it afterwards; skip the test where there can be none."""
    try:
        cluster = start()
    except NoPostgres as reason:
        pytest.skip(str(reason))
    yield cluster
    cluster.stop()


def _wait(cluster: Cluster, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(cluster.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise NoPostgres(f"the server didn't start: {log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.05)
        else:
            return
