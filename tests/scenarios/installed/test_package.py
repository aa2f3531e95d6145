"""The Debian package in a Debian 13 tree, without systemd: installed, used, upgraded, removed, purged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.debian_tree import RELEASE, NotHere, make_tree
from tests.scenarios.installed import package
from tests.scenarios.installed.builds import ROOT, Release
from watchword import __version__


class Tree:
    """A copy of a Debian tree. Nothing is mounted in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *words: str, status: int = 0, user: str = "root", **variables: str) -> str:
        """Run a program within it and return its output, after a look at its exit status."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **variables}
        chroot = ["chroot", f"--userspec={user}", str(self.root)]
        done = subprocess.run(
            [*chroot, *words], env=environment, cwd="/", capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def install(self, file: Path) -> str:
        """Install a package from a file of this machine."""
        shutil.copy(file, self.root / "srv")
        return self.run("dpkg", "--install", f"/srv/{file.name}")


@pytest.fixture(scope="module")
def built(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package of the current tree."""
    return package.build(release, tmp_path_factory.mktemp("package"))


@pytest.fixture
def tree() -> Iterator[Tree]:
    """Yield a Debian 13 that nobody has used yet."""
    if os.geteuid() != 0:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}the package on Debian 13: only root can make and enter a tree")
    try:
        cached = make_tree(RELEASE, ["python3", "python3-venv"])
    except NotHere as reason:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}the package on Debian 13: {reason}")
    root = Path(tempfile.mkdtemp(prefix="watchword-package-"))
    try:
        # What other tests put into /srv of the tree meanwhile is theirs.
        words = ["tar", "-C", str(cached), "--exclude=./srv/*", "-cf", "-", "."]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as packed:
            subprocess.run(["tar", "-C", str(root), "-xf", "-"], stdin=packed.stdout, check=True, timeout=300)
        assert packed.returncode == 0
        yield Tree(root)
    finally:
        shutil.rmtree(root)


@pytest.mark.scenario
def test_an_upgrade_keeps_data_and_settings_and_only_a_person_deletes_the_keys(
    built: Path, tree: Tree, tmp_path: Path
) -> None:
    assert "README.Debian" in tree.install(built)
    assert tree.run("watchword", "--version", user="nobody") == f"watchword {__version__}\n"
    assert "Keep a copy of it" in tree.run("watchword", "keys", "create")
    tree.run("watchword", "migrate", "--verbosity", "0")
    assert "/invitation/" in tree.run("watchword", "createadmin", "root@example.org", "--region", "US")
    tree.run("watchword", "check")
    home, settings = tree.root / "var/lib/watchword", tree.root / "etc/watchword/watchword.env"
    keys = (home / "keys").read_bytes()
    owners = {path.stat().st_uid for path in (home, *home.iterdir())}
    assert len(owners) == 1, "all of it belongs to one user"
    assert 0 not in owners, "who is not root"
    with settings.open("a") as file:
        file.write("WATCHWORD_SENDER=watchword@example.org\n")

    newer = package.with_version(built, f"{__version__}-2", tmp_path)
    assert "watchword upgrade --plan" in tree.install(newer)
    assert (home / "keys").read_bytes() == keys
    assert "WATCHWORD_SENDER=watchword@example.org" in settings.read_text()
    tree.run("watchword", "upgrade", "--plan")
    tree.run("watchword", "verify")

    tree.run("dpkg", "--remove", "watchword")
    assert settings.exists()
    assert not (tree.root / "usr/lib/watchword").exists(), "what was compiled went too"
    assert "was kept" in tree.run("dpkg", "--purge", "watchword")
    assert not (tree.root / "etc/watchword").exists()
    assert (home / "keys").read_bytes() == keys
    tree.run("id", "watchword")


@pytest.mark.install
def test_a_package_that_nobody_used_leaves_nothing_behind(built: Path, tree: Tree) -> None:
    tree.install(built)
    tree.run("dpkg", "--purge", "watchword")
    assert not [
        path for path in ("etc/watchword", "var/lib/watchword", "usr/lib/watchword") if (tree.root / path).exists()
    ]
    assert "no such user" in tree.run("id", "watchword", status=1)


@pytest.mark.install
def test_the_command_takes_settings_as_text_and_is_for_root_and_its_user(built: Path, tree: Tree) -> None:
    tree.install(built)
    settings = tree.root / "etc/watchword/watchword.env"
    settings.write_text(
        'WATCHWORD_PUBLIC_URL="http://127.0.0.1:8000"\n'
        "WATCHWORD_SENDER=$(touch /srv/run)`touch /srv/run` <a@b.example>\n"
    )
    # As docs/operating/systemd.md types it: a key ring of root's, in a folder that root alone can read.
    (tree.root / "etc/watchword/credentials").mkdir(mode=0o700)
    file = "/etc/watchword/credentials/keys"
    assert "Keep a copy of it" in tree.run("watchword", "keys", "create", WATCHWORD_KEYS_FILE=file)
    assert (tree.root / file[1:]).stat().st_uid == 0
    tree.run("watchword", "keys", "create")
    assert "sudo watchword check" in tree.run("watchword", "check", user="nobody", status=1)
    assert "127.0.0.1:8000" in tree.run("watchword", "settings")
    assert not (tree.root / "srv/run").exists(), "the file is never executed"
    assert "http://localhost:1" in tree.run("watchword", "settings", WATCHWORD_PUBLIC_URL="http://localhost:1"), (
        "the environment wins"
    )


@pytest.mark.scenario
@pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason=f"{NO_PACKAGE_BRINGS_IT}the Debian package: built on Debian alone"
)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/nonexistent/python", "wheel-0.1.0-x.whl", "out"], "is for Debian 13's Python 3.13"),
        (["PYTHON", "wheel-0.1.0-x.whl", "out", "a version"], "is no version of a Debian package"),
    ],
)
def test_a_build_that_can_not_work_says_why(words: list[str], said: str, tmp_path: Path) -> None:
    arguments = [sys.executable if word == "PYTHON" else word for word in words]
    done = subprocess.run(
        [str(ROOT / "scripts/build-deb"), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
