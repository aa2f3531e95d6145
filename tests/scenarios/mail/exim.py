"""A real Exim beside the site's Postfix.

Debian's Exim and Postfix can't both be installed, so `scripts/install-test-packages` unpacks Exim into a folder of its
own. Its user is missing then: Exim runs in a mount namespace whose /etc/passwd and /etc/group have one more line.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_ports
from tests.scenarios.mail.site import Program, Site, listens

USER = "Debian-exim"
UNPACKED = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "watchword-tests/exim"
INSTALLED = Path("/")

_MAIN = """\
exim_path = {binary}
keep_environment = LD_LIBRARY_PATH
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
primary_hostname = mail.harbour.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
queue_only = true
acl_smtp_mail = watchword_sender
acl_smtp_predata = watchword_message
acl_smtp_rcpt = accept_people

begin acl
.include {folder}/watchword-acl.conf
accept_people:
  accept authenticated = *
  deny

begin routers
nowhere:
  driver = redirect
  data = :fail: nothing leaves this machine

begin authenticators
.include {folder}/watchword-auth.conf
"""


class Exim:
    """Exim on a port of its own, with the lines that `watchword mail-config exim` wrote."""

    def __init__(self, site: Site) -> None:
        self.folder = site.folder / "exim"
        [self.port] = free_ports(1)
        root = _root()
        assert root is not None
        self._binary = root / "usr/sbin/exim4"
        folders = [root / "usr/lib", *(root / "usr/lib").glob("*-linux-gnu*")] if root != INSTALLED else []
        self._libraries = ":".join(str(path) for path in folders)
        self._site = site
        environment = {"PATH": os.environ["PATH"]} | ({"LD_LIBRARY_PATH": self._libraries} if self._libraries else {})
        words = [str(self._binary), "-C", str(self.folder / "exim.conf"), "-bdf", "-q1h"]
        if not _has_its_user():
            script = 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"'
            words = ["unshare", "--mount", "sh", "-c", script, str(self.folder), *words]
        self._program = Program(words, self.folder / "exim.out", environment=environment)

    def start(self) -> None:
        (self.folder / "spool").mkdir(parents=True)
        group = grp.getgrnam("postfix").gr_gid
        unprivileged = pwd.getpwnam("nobody").pw_uid
        user = pwd.getpwnam(USER).pw_uid if _has_its_user() else unprivileged
        for path in (self.folder, self.folder / "spool"):
            os.chown(path, user, group)
        more = {
            "passwd": f"{USER}:x:{unprivileged}:{group}::/nonexistent:/usr/sbin/nologin\n",
            "group": f"{USER}:x:{group}:\n",
        }
        for name, line in more.items():
            (self.folder / name).write_text((Path("/etc") / name).read_text() + line)
        self._site.write_mail_config("exim", self.folder)
        values = {"binary": self._binary, "folder": self.folder, "port": self.port}
        (self.folder / "exim.conf").write_text(_MAIN.format(**values))
        self._program.start(lambda: listens(self.port))

    def stop(self) -> None:
        self._program.stop()
        shutil.rmtree(self.folder)

    @property
    def log(self) -> str:
        return (self.folder / "mainlog").read_text()


def why_no_exim() -> str | None:
    """Return the reason why this machine can't run Exim, or None."""
    if _root() is None:
        return f"needs Exim, installed or in {UNPACKED} (scripts/install-test-packages)"
    if (
        not _has_its_user()
        and subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode
    ):
        return f"needs the user {USER}, or mounts of its own (unshare --mount)"
    return None


def running_exim(site: Site) -> Iterator[Exim]:
    """Start Exim, yield it, and stop it."""
    exim = Exim(site)
    exim.start()
    try:
        yield exim
    finally:
        exim.stop()


def _root() -> Path | None:
    return next((root for root in (INSTALLED, UNPACKED) if (root / "usr/sbin/exim4").exists()), None)


def _has_its_user() -> bool:
    return any(entry.pw_name == USER for entry in pwd.getpwall())
