"""nginx's mail proxy in front of Dovecot, with the sample of deploy/forward-auth: it asks over HTTP first."""

from __future__ import annotations

import imaplib
import shutil
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.scenarios.mail.site import Program, Site, listens_at
from tests.scenarios.served.proxies import adapted, make_certificates
from tests.world import World
from watchword.applications import clients
from watchword.applications.clients import ClientSettings
from watchword.audit.models import Event
from watchword.directory import applications
from watchword.directory.applications import AppSettings

MODULE = Path("/usr/lib/nginx/modules/ngx_mail_module.so")
SAMPLE = Path(__file__).parents[3] / "deploy/forward-auth/nginx-mail.conf"
AROUND = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
events {{}}
{sample}
"""

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(not MODULE.exists(), reason="needs libnginx-mod-mail"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]


@pytest.fixture
def imaps(site: Site, tmp_path: Path, world: World) -> Iterator[int]:
    """Yield the port of nginx in front of the site's Dovecot."""
    app = applications.add_app(world.organisation, AppSettings("Mail proxy"), by=None, now=world.now)
    client = clients.add_client(app, ClientSettings(introspects=True), by=None)
    secret = clients.add_secret(client, by=None, now=world.now)
    imaps, web = free_ports(2)
    make_certificates(tmp_path)
    changes = {
        "993 ssl": f"127.0.0.1:{imaps} ssl",
        "127.0.0.1:8000": f"127.0.0.1:{web}",
        "127.0.0.1:1143": f"127.0.0.1:{site.imap}",
        "/etc/ssl/mail/": f"{tmp_path}/",
        "Secret  SECRET": f"Secret  {secret}",
    }
    sample = adapted(SAMPLE.read_text(), changes)
    (tmp_path / "nginx.conf").write_text(AROUND.format(module=MODULE, folder=tmp_path, sample=sample))
    words = [sys.executable, "-m", "watchword.cli.main", "serve", "web", "--listen", f"127.0.0.1:{web}"]
    door = Program(words, tmp_path / "web.log", environment=site.environment)
    nginx = Program([str(shutil.which("nginx")), "-c", str(tmp_path / "nginx.conf")], tmp_path / "nginx.out")
    try:
        door.start(lambda: listens_at(web))
        nginx.start(lambda: listens_at(imaps))
        yield imaps
    finally:
        for program in (nginx, door):
            if program.is_running:
                program.stop()


def log_in(port: int, name: str, password: str) -> str:
    """Return the result of a login through nginx, and of opening the mailbox."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context, timeout=30) as connection:
        try:
            connection.login(name, password)
        except imaplib.IMAP4.error as error:
            return str(error)
        return connection.select("INBOX")[0]


def test_an_app_password_passes_the_mail_proxy_and_nothing_else_does(imaps: int, world: World) -> None:
    assert log_in(imaps, "alice@harbour.example", world.alices_app_password) == "OK"
    assert log_in(imaps, "carol@harbour.example", world.passwords["carol"]) == "OK"
    assert "Invalid login or password" in log_in(imaps, "alice@harbour.example", world.passwords["alice"])
    assert "Invalid login or password" in log_in(imaps, "bob@harbour.example", world.alices_app_password)
    asked = Event.objects.filter(door="mail", service="imap", subject_id=world.alice.pk)
    assert set(asked.values_list("address", flat=True)) == {"127.0.0.1"}
