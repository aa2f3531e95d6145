"""Real proxies in front of the web door, each with its sample of deploy/proxy, and a stranger who forges headers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.mail.site import wait_until
from tests.scenarios.served.proxies import HOST, PROXIES, SAMPLES, ProxiedSite, Stranger
from tests.world import World
from watchword.audit.models import Event

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]

SECRET = "Zk3vN0aQ-8s_Jx72LmPqRt5w"
FORGED = "203.0.113.1"
EVIL = "evil.example"
FORGERIES: dict[str, list[tuple[str, str]]] = {
    "one of each": [
        ("X-Forwarded-For", FORGED),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", EVIL),
        ("X-Real-IP", FORGED),
        ("Forwarded", f"for={FORGED};host={EVIL};proto=http"),
    ],
    "doubled": [
        ("X-Forwarded-For", FORGED),
        ("X-Forwarded-For", f"{FORGED}, 127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Proto", "https, http"),
        ("Forwarded", f"for={FORGED}"),
        ("Forwarded", f"for={FORGED}"),
    ],
    "in other spellings": [
        ("x-forwarded-for", FORGED),
        ("X_Forwarded_For", FORGED),
        ("X_Forwarded_Proto", "http"),
        ("X-FORWARDED-HOST", EVIL),
    ],
    # A proxy that adds first and obeys afterwards would take away its own header (CVE-2022-31813).
    "named as hop by hop": [("Connection", "close, X-Forwarded-For, X-Forwarded-Proto"), ("X-Forwarded-For", FORGED)],
}


def sample_or_skip(sample: str) -> None:
    if shutil.which(PROXIES[sample]) is None:
        pytest.skip(f"needs {PROXIES[sample]}")


@pytest.fixture(params=list(PROXIES))
def site(request: pytest.FixtureRequest, tmp_path: Path, world: World) -> Iterator[ProxiedSite]:
    sample_or_skip(request.param)
    site = ProxiedSite(tmp_path, request.param)
    try:
        site.start_all()
        yield site
    finally:
        site.stop_all()


def sign_in(browser: Stranger, name: str, password: str) -> str:
    """Type name and password; return where the last form led."""
    browser.get("/sign-in/")
    browser.post("/sign-in/", name=f"{name}@harbour.example")
    browser.get("/sign-in/password/")
    return browser.post("/sign-in/password/", answer=password).location


def test_browsers_keep_their_addresses_whatever_a_stranger_forges(site: ProxiedSite, world: World) -> None:
    carol = Stranger(site, "127.0.0.5")
    assert sign_in(carol, "carol", world.passwords["carol"]) == "/"
    assert "Carol" in carol.get("/security/").text
    assert carol.answer is not None
    assert carol.answer.headers.get_all("Strict-Transport-Security") == ["max-age=63072000; includeSubDomains"]
    for number, headers in enumerate(FORGERIES.values()):
        mallory = Stranger(site, f"127.0.0.{10 + number}", headers)
        assert sign_in(mallory, "carol", "not her password") == ""
        assert mallory.answer is not None
        assert mallory.answer.status == 200
    seen = set(Event.objects.exclude(address=None).values_list("address", flat=True))
    assert seen == {"127.0.0.5", *(f"127.0.0.{10 + number}" for number in range(len(FORGERIES)))}
    log = site.folder / "web1.log"
    # A line of an access log is written when the response has left already.
    for address in seen:
        line = f'watchword.access: {address} "POST /sign-in/password/'
        wait_until(lambda line=line: line in log.read_text())  # type: ignore[misc]  # mypy infers no type for the default
    ours = log.read_text()
    assert FORGED not in ours
    assert not re.search(r"watchword.access: 127\.0\.0\.1 ", ours), "a request has the proxy's own address"
    for host in (EVIL, f"{HOST}.{EVIL}"):
        page = Stranger(site, "127.0.0.6").get("/sign-in/", host=host)
        assert "Sign in" not in page.text
        assert EVIL not in page.location + page.text
    plain = Stranger(site, "127.0.0.6").by_http("/sign-in/")
    assert plain.status in {301, 308}
    assert (plain.headers["Location"] or "").startswith(f"https://{HOST}")


def test_the_log_of_a_proxy_has_no_secret(site: ProxiedSite) -> None:
    mallory = Stranger(site, "127.0.0.6")
    path = f"/gateways/twilio/{SECRET}/?code={SECRET}"
    referer = ("Referer", f"https://{HOST}{path}")
    mallory.get("/sign-in/", referer)
    mallory.get(f"/sign-in/?code={SECRET}")
    mallory.get(path, referer)
    site.kill("web1")
    # The proxy now has errors to write about.
    assert mallory.get(path, referer).status in {502, 503, 504}
    assert mallory.get("/setup", referer).status in {502, 503, 504}
    is_logged = re.compile(r"127\.0\.0\.6.*(?:GET /setup|\"uri\":\"/setup)")
    wait_until(lambda: is_logged.search(site.proxys_logs()) is not None)
    site.proxy.stop()
    log = site.proxys_logs()
    assert SECRET not in log
    assert SECRET not in (site.folder / "web1.log").read_text()


def test_without_its_name_a_proxy_is_refused_at_the_start(tmp_path: Path, transactional_db: None) -> None:
    sample_or_skip("nginx.conf")
    site = ProxiedSite(tmp_path, "nginx.conf")
    del site.environment["WATCHWORD_TRUSTED_PROXIES"]
    site.start("web1")
    wait_until(lambda: not site.is_running("web1"))
    assert "the proxy that speaks it is not named" in site.log_of("web1")
    assert "WATCHWORD_TRUSTED_PROXIES" in site.log_of("web1")


def test_every_sample_is_started_here() -> None:
    assert {sample.name for sample in SAMPLES.iterdir()} == set(PROXIES)
