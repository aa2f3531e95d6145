"""A real nginx in front of the web door, with the very configuration that docs/operating/proxy.md prints."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.scenarios.mail.site import Program, listens_at, wait_until
from tests.scenarios.served.processes import Served
from watchword.signin.models import SignInAttempt

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        shutil.which("nginx") is None or shutil.which("openssl") is None, reason="needs nginx and openssl"
    ),
]

HOST = "watchword.example.org"
GUIDE = Path(__file__).parents[3] / "docs/operating/proxy.md"
SECRET = "Zk3vN0aQ-8s_Jx72LmPqRt5w"
AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{printed}
}}
"""


class Site(Served):
    """One web process at https://watchword.example.org, and nginx in front of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.https,) = free_ports(1)
        self.environment |= {
            "WATCHWORD_DEMO": "no",
            "WATCHWORD_PUBLIC_URL": f"https://{HOST}",
            "WATCHWORD_TRUSTED_PROXIES": "127.0.0.1",
            "WATCHWORD_LOG_LEVEL": "INFO",
        }
        printed = re.findall(r"```nginx\n(.*?)```", GUIDE.read_text(), re.DOTALL)[0]
        for told, ours in (
            ("listen 443 ssl", f"listen 127.0.0.1:{self.https} ssl"),
            ("/etc/ssl/watchword/", f"{folder}/"),
            ("/var/log/nginx/", f"{folder}/"),
            ("127.0.0.1:8000", f"127.0.0.1:{self.ports['web1']}"),
        ):
            assert told in printed
            printed = printed.replace(told, ours)
        configuration = folder / "nginx.conf"
        configuration.write_text(AROUND.format(folder=folder, printed=printed))
        self.nginx = Program(["nginx", "-c", str(configuration)], folder / "nginx.out")
        names = ["-subj", f"/CN={HOST}", "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    def ask(self, path: str, *, source: str, **headers: str) -> tuple[int, str]:
        """Request a page from nginx with one of this machine's addresses as source; return status and text."""
        connection = HTTPSConnection(
            HOST, self.https, timeout=30, context=ssl._create_unverified_context(), source_address=(source, 0)
        )
        connection._create_connection = lambda _address, *more: socket.create_connection(  # type: ignore[attr-defined]  # the name leads nowhere
            ("127.0.0.1", self.https), *more
        )
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def site(tmp_path: Path, transactional_db: None) -> Iterator[Site]:
    site = Site(tmp_path)
    try:
        site.start("web1")
        site.wait_for_port("web1")
        site.nginx.start(lambda: listens_at(site.https))
        yield site
    finally:
        if site.nginx.is_running:
            site.nginx.stop()
        site.stop_all()


def test_browsers_behind_nginx_keep_their_own_addresses_and_links_stay_out_of_its_log(site: Site) -> None:
    status, page = site.ask("/sign-in/", source="127.0.0.5")
    assert (status, "Sign in" in page) == (200, True)
    # An X-Forwarded-For header of the browser is not trusted.
    site.ask("/setup", source="127.0.0.6", X_Forwarded_For="203.0.113.1")
    site.ask(f"/invitation/{SECRET}/", source="127.0.0.6", Referer=f"https://{HOST}/invitation/{SECRET}/")
    site.ask("/sign-in/", source="127.0.0.6", Referer=f"https://{HOST}/invitation/{SECRET}/")
    for path in (f"/gateways/twilio/{SECRET}/", f"/not-me/{SECRET}/"):
        site.ask(path, source="127.0.0.6")
    site.nginx.stop()
    nginx_log = (site.folder / "watchword.log").read_text()
    assert "127.0.0.5" in nginx_log
    ours = site.log_of("web1")
    assert re.search(r'INFO web.access watchword.access: 127\.0\.0\.5 "GET /sign-in/', ours)
    assert re.search(r'INFO web.access watchword.access: 127\.0\.0\.6 "GET /setup', ours)
    assert re.search(r'127\.0\.0\.6 "GET /invitation/\.\.\./', ours)
    assert "203.0.113.1" not in ours
    for log in (nginx_log, ours, (site.folder / "watchword.error.log").read_text()):
        assert SECRET not in log
    assert not SignInAttempt.objects.exists()


def test_without_its_name_a_proxy_is_refused_at_the_start(tmp_path: Path, transactional_db: None) -> None:
    site = Site(tmp_path)
    del site.environment["WATCHWORD_TRUSTED_PROXIES"]
    site.start("web1")
    wait_until(lambda: not site.is_running("web1"))
    assert "the proxy that speaks it is not named" in site.log_of("web1")
    assert "WATCHWORD_TRUSTED_PROXIES" in site.log_of("web1")
