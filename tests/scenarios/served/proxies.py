"""nginx, Caddy, HAProxy and Apache, each started with the sample of deploy/proxy in front of one web process."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from tests.ports import free_ports
from tests.scenarios.mail.site import Program, listens_at
from tests.scenarios.served.processes import Served
from tests.scenarios.served.visitor import TOKEN, Page

HOST = "watchword.example.org"
SAMPLES = Path(__file__).parents[3] / "deploy/proxy"
TLS_PAGE = Path(__file__).parents[3] / "docs/operating/tls.md"
FEWEST_COMMANDS = 5
"""Fewer commands make no certificate."""
APACHE_MODULES = Path("/usr/lib/apache2/modules")
PROXIES: Mapping[str, str] = {
    "nginx.conf": "nginx",
    "Caddyfile": "caddy",
    "haproxy.cfg": "haproxy",
    "apache.conf": "apache2",
}
"""The samples, and the program of each."""

NGINX_AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{sample}
}}
"""
APACHE_MODULE_NAMES = (
    "mpm_event", "authz_core", "alias", "ssl", "proxy", "proxy_http", "headers", "setenvif", "reqtimeout",
)  # fmt: skip
APACHE_AROUND = """
{modules}
ServerName {host}
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
Listen 127.0.0.1:{http}
Listen 127.0.0.1:{https}
User nobody
ErrorLog {folder}/apache.start.log
{sample}
"""


def adapted(sample: str, changes: Mapping[str, str]) -> str:
    """Return a sample with other ports and folders; each text that is replaced must be there."""
    for told, ours in changes.items():
        assert told in sample, told
        sample = sample.replace(told, ours)
    return sample


def make_certificates(folder: Path) -> None:
    """Type the commands of docs/operating/tls.md, which make an authority and what all servers need."""
    commands = re.findall(r"^    ((?:openssl|cat|chmod) .*)$", TLS_PAGE.read_text(), re.MULTILINE)
    assert len(commands) > FEWEST_COMMANDS
    subprocess.run(["sh", "-e", "-c", "\n".join(commands)], cwd=folder, check=True, capture_output=True, timeout=60)


class ProxiedSite(Served):
    """One web process at https://watchword.example.org, and a proxy in front of it."""

    def __init__(self, folder: Path, sample: str, *, web_port: int | None = None) -> None:
        super().__init__(folder)
        if web_port is not None:
            self.ports["web1"] = web_port
        self.http, self.https = free_ports(2)
        self.environment |= {
            "WATCHWORD_DEMO": "no",
            "WATCHWORD_PUBLIC_URL": f"https://{HOST}",
            "WATCHWORD_TRUSTED_PROXIES": "127.0.0.1",
            "WATCHWORD_LOG_LEVEL": "INFO",
        }
        make_certificates(folder)
        self._configuration = folder / sample
        self._configuration.write_text(getattr(self, f"_{PROXIES[sample]}")((SAMPLES / sample).read_text()))
        arguments = {
            "nginx": ["-c", str(self._configuration)],
            "caddy": ["run", "--adapter", "caddyfile", "--config", str(self._configuration)],
            "haproxy": ["-db", "-f", str(self._configuration)],
            "apache2": ["-DFOREGROUND", "-f", str(self._configuration)],
        }[PROXIES[sample]]
        program = shutil.which(PROXIES[sample])
        assert program is not None
        # Caddy stores certificates and the last configuration in the home.
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
        self.proxy = Program([program, *arguments], folder / "proxy.out", environment=environment)

    def start_all(self) -> None:
        self.start("web1")
        self.wait_for_port("web1")
        self.proxy.start(lambda: listens_at(self.https))

    def stop_all(self) -> None:
        if self.proxy.is_running:
            self.proxy.stop()
        super().stop_all()

    def proxys_logs(self) -> str:
        """Return all that the proxy wrote, wherever the sample sends it."""
        logs = [self.folder / "proxy.out", *self.folder.glob("watchword*.log"), *self.folder.glob("apache*.log")]
        return "\n".join(log.read_text() for log in logs if log.exists())

    def _nginx(self, sample: str) -> str:
        changes = {
            "listen 80": f"listen 127.0.0.1:{self.http}",
            "listen 443": f"listen 127.0.0.1:{self.https}",
            "/etc/ssl/watchword/": f"{self.folder}/",
            "/var/log/nginx/": f"{self.folder}/",
            "127.0.0.1:8000": f"127.0.0.1:{self.ports['web1']}",
        }
        return NGINX_AROUND.format(folder=self.folder, sample=adapted(sample, changes))

    def _caddy(self, sample: str) -> str:
        changes = {
            "\t# Caddy's own": f"\tadmin off\n\tdefault_bind 127.0.0.1\n\thttp_port {self.http}\n\t# Caddy's own",
            f"\n{HOST} {{": f"\n{HOST}:{self.https} {{",
            "# tls /etc/ssl/watchword/fullchain.pem /etc/ssl/watchword/privkey.pem": (
                f"tls {self.folder}/fullchain.pem {self.folder}/privkey.pem"
            ),
            "/var/log/caddy/": f"{self.folder}/",
            "127.0.0.1:8000": f"127.0.0.1:{self.ports['web1']}",
        }
        return adapted(sample, changes)

    def _haproxy(self, sample: str) -> str:
        changes = {
            "log /dev/log local0": "log stdout format raw local0",
            "bind :80": f"bind 127.0.0.1:{self.http}",
            "bind :443": f"bind 127.0.0.1:{self.https}",
            "/etc/ssl/watchword/": f"{self.folder}/",
            "127.0.0.1:8000": f"127.0.0.1:{self.ports['web1']}",
        }
        return adapted(sample, changes)

    def _apache2(self, sample: str) -> str:
        changes = {
            "<VirtualHost *:80>": f"<VirtualHost 127.0.0.1:{self.http}>",
            "<VirtualHost *:443>": f"<VirtualHost 127.0.0.1:{self.https}>",
            "/etc/ssl/watchword/": f"{self.folder}/",
            "/var/log/apache2/": f"{self.folder}/",
            "127.0.0.1:8000": f"127.0.0.1:{self.ports['web1']}",
        }
        modules = "\n".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in APACHE_MODULE_NAMES)
        return APACHE_AROUND.format(
            modules=modules,
            host=HOST,
            folder=self.folder,
            http=self.http,
            https=self.https,
            sample=adapted(sample, changes),
        )


class Stranger:
    """A browser at one of this machine's addresses, with whatever headers it likes, doubled ones too."""

    def __init__(self, site: ProxiedSite, source: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._site, self._source, self._headers = site, source, headers
        self.cookies: dict[str, str] = {}
        self.token = ""
        self.answer: HTTPResponse | None = None

    def get(self, path: str, *headers: tuple[str, str], host: str = HOST) -> Page:
        return self._ask("GET", path, "", headers, host)

    def post(self, path: str, **values: str) -> Page:
        return self._ask("POST", path, urlencode({"csrfmiddlewaretoken": self.token, **values}), (), HOST)

    def by_http(self, path: str) -> HTTPResponse:
        """Return the response at the port without TLS."""
        connection = HTTPConnection("127.0.0.1", self._site.http, timeout=30, source_address=(self._source, 0))
        try:
            connection.request("GET", path, headers={"Host": HOST})
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    def _ask(self, method: str, path: str, body: str, more: Sequence[tuple[str, str]], host: str) -> Page:
        connection = HTTPSConnection(
            HOST, self._site.https, timeout=30, context=ssl.create_default_context(cafile=self._site.folder / "ca.pem")
        )
        connection._create_connection = lambda _address, *rest: socket.create_connection(  # type: ignore[attr-defined]  # the name leads nowhere
            ("127.0.0.1", self._site.https), rest[0], (self._source, 0)
        )
        try:
            connection.putrequest(method, path, skip_host=True)
            own = [("Host", host), ("Origin", f"https://{HOST}"), ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")]
            if self.cookies:
                own.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
            if body:
                own += [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", str(len(body)))]
            for name, value in (*own, *self._headers, *more):
                connection.putheader(name, value)
            connection.endheaders(body.encode() or None)
            self.answer = connection.getresponse()
            text = self.answer.read().decode("utf-8", "replace")
            for line in self.answer.headers.get_all("Set-Cookie") or []:
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
            if found := TOKEN.search(text):
                self.token = found[1]
            return Page(self.answer.status, self.answer.headers.get("Location", ""), text)
        finally:
            connection.close()
