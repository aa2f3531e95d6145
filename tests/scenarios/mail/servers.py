"""Dovecot and Postfix of two Debian releases: those installed on this machine, and those in a tree of Debian 13."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.debian_tree import NotHere, make_tree

DOVECOT = "/usr/sbin/dovecot"
POSTFIX = "/usr/sbin/postfix"
LDA = "/usr/lib/dovecot/dovecot-lda"
SERVICES = "/usr/lib/dovecot"
PROGRAMS = (DOVECOT, POSTFIX, LDA, f"{SERVICES}/pop3", f"{SERVICES}/submission", f"{SERVICES}/managesieve")

TREE = "trixie-dovecot"
PACKAGES = (
    *("dovecot-imapd", "dovecot-pop3d", "dovecot-lmtpd", "dovecot-submissiond", "dovecot-managesieved"),
    *("dovecot-sieve", "dovecot-auth-lua", "lua-socket", "postfix", "python3"),
)

# The folder is mounted at the same path in the tree, for this process and its children alone.
_ENTER = """\
set -e
folder=$0 root=$1; shift
mount --bind "$folder" "$root$folder"
mount --bind /proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """One Dovecot and Postfix; ``tree`` is the root folder of their Debian, or None for this machine's own."""

    dovecot: str
    tree: Path | None = None

    def command(self, folder: Path, *words: str) -> list[str]:
        """Return the command that runs a program of these servers, which sees ``folder`` at the same path."""
        if self.tree is None:
            return list(words)
        return ["unshare", "--mount", "sh", "-c", _ENTER, str(folder), str(self.tree), *words]

    def prepare(self, folder: Path) -> None:
        """Make the folder that ``command`` mounts on."""
        if self.tree is not None:
            (self.tree / folder.relative_to("/")).mkdir(parents=True)

    def clear(self, folder: Path) -> None:
        """Remove that folder again."""
        if self.tree is not None:
            (self.tree / folder.relative_to("/")).rmdir()

    def postfix_ids(self) -> tuple[int, int]:
        """Return the numbers of Postfix's user and group, which differ from one system to another."""
        if self.tree is None:
            return pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postfix").gr_gid
        lines = (self.tree / "etc/passwd").read_text().splitlines()
        fields = next(line.split(":") for line in lines if line.startswith("postfix:"))
        return int(fields[2]), int(fields[3])


class Missing(Exception):
    """This machine can't run these servers; the message is the reason of the skipped test."""


@functools.cache
def servers(dovecot: str) -> Servers | Missing:
    """Return the servers with this version of Dovecot, or why they can't run here."""
    if os.geteuid() != 0:
        return Missing("Dovecot and Postfix start as root alone")
    if dovecot == "2.3":
        missing = [path for path in PROGRAMS if not Path(path).exists()]
        if missing:
            return Missing(f"needs {', '.join(missing)}")
        installed = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, check=True).stdout
        return Servers(dovecot) if installed.startswith(dovecot) else Missing(f"Dovecot {installed.split()[0]} is here")
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        return Missing("mounts of one's own are not allowed here (unshare --mount)")
    try:
        return Servers(dovecot, make_tree(TREE, PACKAGES))
    except NotHere as reason:
        return Missing(f"{NO_PACKAGE_BRINGS_IT}Dovecot {dovecot} of Debian 13: {reason}")


VERSIONS = ("2.3", "2.4")
