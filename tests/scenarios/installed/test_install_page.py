"""docs/install/debian.md, typed on a Debian 13 that its own systemd has booted."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.debian_tree import NotHere
from tests.scenarios.installed import package
from tests.scenarios.installed.boot import Machine, booted
from tests.scenarios.installed.builds import ROOT, Release
from watchword import __version__

pytestmark = pytest.mark.install

PAGE = ROOT / "docs" / "install" / "debian.md"
README = ROOT / "README.md"
_ASK = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/sign-in/', timeout=30).read().decode())"


def commands(part: str) -> list[str]:
    """Return the commands of one part of the page, which stand between two marks."""
    text = PAGE.read_text().partition(f"<!-- {part} -->")[2].partition("<!-- end -->")[0]
    found = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    assert found, part
    return [line.removeprefix("sudo ") for line in found]


@pytest.fixture(scope="module")
def packages(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the package, and one with a higher version."""
    folder = tmp_path_factory.mktemp("packages")
    package.with_version(package.build(release, folder), f"{__version__}-2", tmp_path_factory.mktemp("work"))
    return folder


@pytest.fixture(scope="module")
def machine(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Yield a machine that has the files of the package and nothing else of Watchword."""
    try:
        with booted(tmp_path_factory.mktemp("machine"), shared=packages) as one:
            yield one
    except NotHere as reason:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}a machine with systemd: {reason}")


def test_the_page_leads_from_an_empty_debian_to_a_sign_in_page_and_back(machine: Machine) -> None:
    def type_part(part: str) -> str:
        return "".join(machine.run("sh", "-ec", f"cd /srv/shared && {command}") for command in commands(part))

    def process() -> str:
        return machine.show("watchword.service", "MainPID")

    def serves() -> bool:
        return "Sign in" in machine.run("python3", "-c", _ASK, check=False)

    type_part("install")
    assert machine.show("watchword.service", "ActiveState") == "inactive", "nothing starts before there are keys"
    assert "/invitation/" in type_part("start")
    machine.wait(serves)
    first = process()
    assert machine.run("stat", "-c", "%U", f"/proc/{first}").strip() == "watchword"

    type_part("upgrade")
    machine.wait(serves)
    assert process() not in {first, "0"}
    assert "installed" in machine.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "watchword")

    type_part("units")
    machine.wait_for("watchword-web@1.service")
    machine.wait_for("watchword-mail@1.service")
    assert machine.show("watchword.service", "ActiveState") == "inactive"
    machine.wait(serves)

    assert "was kept" in type_part("remove")
    assert machine.show("watchword-web@1.service", "ActiveState") == "inactive"
    machine.run("test", "-s", "/var/lib/watchword/keys")
    type_part("delete")
    assert "no such user" in machine.run("id", "watchword", check=False)


def test_the_five_lines_of_the_readme_serve_the_sign_in_page(
    packages: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Type *Run it*: all but `make deb`, whose package lies where that puts it."""
    text = README.read_text().partition("## Run it")[2].partition("\n## ")[0]
    typed = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    assert len(typed) == 5, typed
    assert typed[0].startswith("make deb && sudo apt install")
    try:
        # `dist` is the folder that the Makefile's rule gives to scripts/build-deb.
        with booted(tmp_path_factory.mktemp("readme"), shared=packages, at="srv/tree/dist") as machine:
            said = "".join(
                machine.run("sh", "-ec", f"cd /srv/tree && {line.replace('make deb && ', '').replace('sudo ', '')}")
                for line in typed
            )
            machine.wait(lambda: "Sign in" in machine.run("python3", "-c", _ASK, check=False))
    except NotHere as reason:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}a machine with systemd: {reason}")
    assert "/invitation/" in said


MAIL_PACKAGES = [
    "dovecot-imapd", "dovecot-pop3d", "dovecot-auth-lua", "lua-socket", "nginx", "openssl", "adduser",
]  # fmt: skip
PROVIDER = """
import http.server, json

class Provider(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open("/srv/office/texts", "a") as texts:
            print(sent["text"].replace("\\n", " "), file=texts)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", 9009), Provider).serve_forever()
"""
PHONES = """
[[gateway]]
name = "provider"
kind = "http"
url = "http://127.0.0.1:9009/"
json = { to = "{digits}", text = "{text}" }
private_networks_allowed = true
"""


def test_the_page_leads_on_to_an_inbox_by_an_app_password(
    packages: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From the package to the first mailbox: nginx with TLS, stock Dovecot 2.4, and a phone registered by a text."""
    try:
        with booted(tmp_path_factory.mktemp("mail"), shared=packages, with_packages=MAIL_PACKAGES) as machine:
            _first_mailbox(machine)
    except NotHere as reason:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}a machine with systemd: {reason}")


def _first_mailbox(machine: Machine) -> None:
    def type_part(part: str, folder: str) -> str:
        return "".join(
            machine.run("sh", "-ec", f"cd {folder} && {command.replace('| sudo ', '| ')}") for command in commands(part)
        )

    machine.write("/etc/hosts", "127.0.0.1 localhost watchword.example.org imap.example.org\n")
    machine.run("mkdir", "/srv/office")
    type_part("install", "/srv/shared")
    # What takes texts, as the administrator's provider would.
    machine.write("/srv/office/provider.py", PROVIDER)
    machine.run("sh", "-ec", ": > /srv/office/texts")
    machine.run("systemd-run", "--quiet", "--unit=provider", "python3", "/srv/office/provider.py")
    machine.write("/etc/watchword/phones.toml", PHONES)
    machine.run("sh", "-ec", "echo WATCHWORD_PHONES_FILE=/etc/watchword/phones.toml >> /etc/watchword/watchword.env")
    link = re.search(r"http\S+/invitation/\S*", type_part("start", "/srv/office"))
    assert link is not None
    tls = (ROOT / "docs/operating/tls.md").read_text()
    machine.run(
        "sh", "-ec", "\n".join(["cd /srv/office", *re.findall(r"^    ((?:openssl|cat|chmod) .*)$", tls, re.MULTILINE)])
    )
    type_part("tls", "/srv/office")
    machine.wait_for("nginx.service")
    said = type_part("mail", "/srv/office")
    assert "a wrong password was refused" in said, said
    machine.write("/srv/office/first_mailbox.py", (Path(__file__).parent / "first_mailbox.py").read_text())
    played = machine.run("python3", "/srv/office/first_mailbox.py", link[0], "/srv/office/texts", check=False)
    assert "('OK', [b'0'])" in played, played + machine.journal()


def test_lintian_finds_no_error(packages: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    (first,) = packages.glob(f"watchword_{__version__}_*.deb")
    words = ["lintian", "--fail-on", "error", "--allow-root", "--tag-display-limit", "0", str(first)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
