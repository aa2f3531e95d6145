"""A Debian 13 machine without hardware: its own systemd as process 1 in namespaces, on an overlay of a cached tree.

The tree is made once by debootstrap. What a run writes lies in memory and is gone with the machine, which has a network
of its own with the loopback interface alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.scenarios.debian_tree import RELEASE, NotHere, make_tree

NAME = f"{RELEASE}-systemd"
PACKAGES = ["python3", "python3-venv", "systemd", "systemd-sysv", "dbus"]
BOOT_SECONDS = 60

_START = """
set -eu
tree=$1 root=$2
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir "$root/upper" "$root/work" "$root/machine"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$root/upper,workdir=$root/work" "$root/machine"
cd "$root/machine"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for one in null zero full random urandom tty; do : > dev/$one; mount --bind /dev/$one dev/$one; done
mkdir dev/pts dev/shm .outside
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
: > etc/machine-id
if [ -n "$3" ]; then mkdir -p "$4"; mount --bind "$3" "./$4"; fi
pivot_root . .outside
cd /
mount --make-rshared /
umount -l .outside
# Nothing to load and nothing to name here.
ln -sf /dev/null /etc/systemd/system/systemd-modules-load.service
exec env -i container=other PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --log-target=journal --show-status=0
"""


class Machine:
    """A booted machine."""

    def __init__(self, outer: subprocess.Popen[bytes], log: Path) -> None:
        self._outer = outer
        self.log = log

    @property
    def init(self) -> int:
        """The process id of its process 1, as this machine counts."""
        text = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text()
        return int(text.split()[0])

    def words(self, *words: str) -> list[str]:
        """Return the arguments that run a program within it."""
        return ["nsenter", "--target", str(self.init), "--all", *words]

    def run(self, *words: str, check: bool = True, input_: str | None = None) -> str:
        """Run a program within it and return its output."""
        done = subprocess.run(
            self.words(*words),
            env={"PATH": "/usr/sbin:/usr/bin", "HOME": "/root", "LANG": "C.UTF-8"},
            cwd="/",
            input=input_,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file within it."""
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, input_=text)

    def show(self, unit: str, what: str) -> str:
        """Return one property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", what, unit).strip()

    def wait(self, is_so: Callable[[], bool], *, seconds: float = BOOT_SECONDS) -> None:
        """Wait until something holds within it."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"it did not happen:\n{self.journal()}"
            time.sleep(0.1)

    def wait_for(self, unit: str, state: str = "active") -> None:
        """Wait until a unit is active, or in another state."""
        self.wait(lambda: self.show(unit, "ActiveState") == state)

    def journal(self) -> str:
        """Return the end of its journal."""
        return self.run("journalctl", "--no-pager", "-n", "200", "-o", "short-monotonic", check=False)


@contextmanager
def booted(
    folder: Path, *, shared: Path | None = None, at: str = "srv/shared", with_packages: Sequence[str] = ()
) -> Iterator[Machine]:
    """Boot a machine and yield it when its systemd answers. Raise NotHere where that is impossible.

    ``shared`` is a folder of this machine that is seen there at ``at``; ``with_packages`` are installed before, because
    it has no network, and put into a tree of their own.
    """
    if os.geteuid() != 0:
        raise NotHere("only root can boot a tree")
    name = "-".join((NAME, *with_packages[:1]))
    tree = make_tree(name, [*PACKAGES, *with_packages])
    root = Path(tempfile.mkdtemp(prefix="watchword-machine-"))
    log = folder / "console"
    namespaces = ["--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net"]
    arguments = [str(tree), str(root), str(shared or ""), at]
    try:
        with log.open("wb") as console:
            outer = subprocess.Popen(
                ["unshare", *namespaces, "sh", "-c", _START, "sh", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        machine = Machine(outer, log)
        try:
            _wait_for_systemd(machine, outer)
            yield machine
        finally:
            if outer.poll() is None:
                os.kill(outer.pid, signal.SIGKILL)
            outer.wait(30)
    finally:
        root.rmdir()


def _wait_for_systemd(machine: Machine, outer: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        if outer.poll() is not None:
            break
        try:
            state = machine.run("systemctl", "is-system-running", check=False).strip()
        except (IndexError, OSError):
            state = ""
        if state in {"running", "degraded"}:
            return
        time.sleep(0.2)
    said = machine.log.read_text(errors="replace").strip().splitlines()
    raise NotHere(f"systemd did not boot: {said[-1] if said else outer.poll()}")
