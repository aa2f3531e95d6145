"""A stock Debian with Dovecot as its packages leave it: this machine's root, or that of a tree, under an overlay.

What is changed lands in a folder of the test. Each run has its own mounts, network and processes, so that Dovecot has
its own ports and nothing is left running.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from tests.scenarios.mail.servers import Servers

REPOSITORY = Path(__file__).resolve().parents[3]
PYTHON = (3, 13)
"""The Python of Debian 13, for which the installed packages of this run have to fit."""
SECONDS = 120

_ENTER = """\
set -e
root=$1 lower=$2 folder=$3 script=$4; shift 4
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$root"
for place in "$@"; do mkdir -p "$root$place"; mount --bind "$place" "$root$place"; done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
ip link set lo up
for address in 192.0.2.1 192.0.2.7; do ip address add "$address/32" dev lo; done
exec chroot "$root" /bin/bash -c "$script"
"""

_PREPARE = """\
mkdir -p /etc/dovecot/private
if [ ! -e /etc/dovecot/private/dovecot.pem ]; then
  # As Debian's package does when it is installed; images are made without this key.
  [ -e /etc/ssl/private/ssl-cert-snakeoil.key ] || make-ssl-cert generate-default-snakeoil
  ln -s /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/dovecot/private/dovecot.pem
  ln -s /etc/ssl/private/ssl-cert-snakeoil.key /etc/dovecot/private/dovecot.key
fi
"""


HERE, WEBMAIL = "192.0.2.1", "192.0.2.7"
"""The addresses of this system beside loopback: its own, and one that a webmail server's connections come from."""


class Stock:
    """One such system; what a script changes in it stays for the next one."""

    def __init__(self, servers: Servers, folder: Path, environment: Mapping[str, str], shared: list[Path]) -> None:
        self._servers = servers
        self._folder = folder
        self._environment = dict(environment)
        packages = Path(sysconfig.get_path("purelib"))
        self._shared = [*shared, Path(settings.DATABASES["default"]["NAME"]).parent]
        if servers.tree is not None:
            self._shared += [REPOSITORY, packages]
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()
        python = sys.executable if servers.tree is None else "/usr/bin/python3"
        self._environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._environment["PYTHONPATH"] = f"{REPOSITORY}:{packages}"
        program = folder / "upper/usr/local/bin/watchword"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {python} -m watchword.cli.main "$@"\n')
        program.chmod(0o755)
        self.run(_PREPARE)

    def run(self, script: str, *, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run a script as root in this system, which ends at its first failing command."""
        lower = str(self._servers.tree or Path("/"))
        words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh"]
        words += [str(self._folder / "root"), lower, str(self._folder), f"set -e\n{script}", *map(str, self._shared)]
        return subprocess.run(
            words,
            env=self._environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            cwd="/",
        )


def why_no_stock(servers: Servers) -> str | None:
    """Return the reason why this machine can't run such a system, or None."""
    if servers.tree is not None and sys.version_info[:2] != PYTHON:
        return "the packages of this run are not those of Debian 13's Python 3.13"
    return None
