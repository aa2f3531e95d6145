"""The container: its image built by buildah on a Debian 13 tree, run as its user on a read-only root; compose.yaml."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.ports import free_ports
from tests.scenarios.debian_tree import NotHere, make_tree
from tests.scenarios.installed import package
from tests.scenarios.installed.boot import NAME, PACKAGES
from tests.scenarios.installed.builds import ROOT, Release
from tests.scenarios.mail.site import listens_at, wait_until
from watchword.cli.main import WORDS
from watchword.config.setting_definitions import SETTINGS

CONTAINER = ROOT / "deploy/container"
OURS = {"web", "mail", "worker", "phones"}
ENTER = """
set -e
mount --bind -o ro "$1" "$1"
mount -o remount,ro,bind "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount --bind "$2" "$1/var/lib/watchword"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1; shift 2
exec chroot --userspec=watchword:watchword "$root" /usr/bin/watchword "$@"
"""


class Image:
    """A built image, mounted as a container's root would be."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.home = home

    def words(self, *words: str) -> list[str]:
        """Return the arguments that run `watchword` in a container."""
        return ["unshare", "--mount", "sh", "-c", ENTER, "sh", str(self.root), str(self.home), *words]

    def run(self, *words: str, **more: str) -> str:
        """Run a command in a container and return its output."""
        done = subprocess.run(
            self.words(*words),
            env=self.environment(**more),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of a container."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "WATCHWORD_HOME": "/var/lib/watchword", "WATCHWORD_MAIL_KICK": "none", **more}


def buildah(store: Path, *words: str) -> str:
    """Run buildah on images of the test's own, without a registry."""
    own = ["--root", str(store / "root"), "--runroot", str(store / "run"), "--storage-driver", "vfs"]
    done = subprocess.run(["buildah", *own, *words], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}a container: buildah and root are needed")
    try:
        tree = make_tree(NAME, PACKAGES)
    except NotHere as reason:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}a container: {reason}")
    context = tmp_path_factory.mktemp("context")
    package.build(release, context)
    store, home = Path(tempfile.mkdtemp(prefix="watchword-images-")), Path(tempfile.mkdtemp(prefix="watchword-home-"))
    try:
        base = buildah(store, "from", "scratch")
        buildah(store, "copy", "--quiet", base, str(tree), "/")
        buildah(store, "commit", "--quiet", "--rm", base, "localhost/debian-tree")
        file = str(CONTAINER / "Containerfile")
        words = ["build", "--isolation", "chroot", "--pull-never", "--build-arg", "BASE=localhost/debian-tree"]
        buildah(store, *words, "--file", file, "--tag", "localhost/watchword", str(context))
        container = buildah(store, "from", "--pull-never", "localhost/watchword")
        root = Path(buildah(store, "mount", container))
        owner = (root / "var/lib/watchword").stat()
        os.chown(home, owner.st_uid, owner.st_gid)
        home.chmod(0o755)
        made = Image(root, home)
        assert "Keep a copy of it" in made.run("keys", "create")
        yield made
        buildah(store, "umount", container)
    finally:
        shutil.rmtree(store, ignore_errors=True)
        shutil.rmtree(home)


@pytest.mark.install
def test_the_image_serves_as_its_user_on_a_read_only_root(image: Image) -> None:
    image.run("migrate", "--verbosity", "0")
    assert "/invitation/" in image.run("createadmin", "root@example.org", "--region", "US")
    image.run("check")
    (port,) = free_ports(1)
    environment = image.environment(WATCHWORD_LISTEN=f"127.0.0.1:{port}")
    with (image.home / "log").open("wb") as log:
        serving = subprocess.Popen(
            image.words("serve", "web"), env=environment, cwd="/", stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: listens_at(port) or serving.poll() is not None)
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"status": "ready"}'), (image.home / "log").read_text()
        connection.close()
    finally:
        os.killpg(serving.pid, signal.SIGTERM)
        serving.wait(30)
    assert not [path for path in image.home.rglob("*") if path.stat().st_uid == 0 and path.name != "log"]


@pytest.mark.install
def test_the_user_of_the_image_may_write_to_each_volume_of_the_compose_file(image: Image) -> None:
    user = (image.root / "var/lib/watchword").stat().st_uid
    assert user != 0
    for name in OURS:
        for volume in composed()["services"][name]["volumes"]:
            folder = image.root / volume.partition(":")[2].lstrip("/")
            # A new volume takes its owner from the folder of the image.
            assert folder.stat().st_uid == user, folder


@pytest.mark.install
def test_a_secret_of_another_owner_is_read_from_the_folder_of_secrets(image: Image) -> None:
    """Compose mounts a file with its owner and mode, and the user of the container is not its owner."""
    (secret,) = composed()["services"]["web"]["secrets"]
    folder = image.home / "secrets"
    folder.mkdir()
    try:
        (folder / secret).write_text("sqlite:///var/lib/watchword/by-a-secret.sqlite3\n")
        (folder / secret).chmod(0o644)
        said = image.run("settings", CREDENTIALS_DIRECTORY="/var/lib/watchword/secrets")
        assert "/var/lib/watchword/secrets/watchword_database_url" in said
    finally:
        shutil.rmtree(folder)


def composed() -> dict[str, Any]:
    return dict(yaml.safe_load((CONTAINER / "compose.yaml").read_text()))


def test_each_service_of_the_compose_file_runs_a_known_command_with_known_settings() -> None:
    services = {name: one for name, one in composed()["services"].items() if "watchword" in one["image"]}
    assert set(services) == OURS
    known = {setting.variable for setting in SETTINGS} | {setting.file_variable for setting in SETTINGS}
    known.add("CREDENTIALS_DIRECTORY")
    for name, service in services.items():
        assert service["command"] == ["serve", name]
        assert service["command"][0] in WORDS
        assert set(service["environment"]) <= known, name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_the_compose_file_names_no_volume_and_no_secret_that_it_lacks() -> None:
    file = composed()
    for service in file["services"].values():
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(file["volumes"])
        assert set(service["secrets"]) <= set(file["secrets"])
    variables = {setting.variable.lower() for setting in SETTINGS}
    assert {secret for name in OURS for secret in file["services"][name]["secrets"]} <= variables, "none is ignored"
    for service in file["services"].values():
        assert not [name for name in service["environment"] if "PASSWORD" in name and not name.endswith("_FILE")]
