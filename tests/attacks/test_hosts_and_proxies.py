"""Foreign Host headers in requests, and headers that only a proxy may set."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

import watchword
from tests.attacks.addresses import HOST, every_address, production_client, use_production
from tests.environment import KEYS
from tests.telephone import Telephone
from tests.world import World, sign_in
from watchword.audit.models import Event
from watchword.config.environment import Environment, read_environment
from watchword.core.policy import Channel
from watchword.messaging.config_file import ConfiguredGateway, Phones
from watchword.messaging.worker.route_selection import Route
from watchword.signin import client_addresses
from watchword.signin.client_addresses import Complaints, client_address
from watchword.signin.models import Session

FOREIGN_HOSTS = [
    "evil.example",
    f"{HOST}.evil.example",
    f"evil.example:{HOST}",
    f"{HOST}@evil.example",
    f"{HOST},evil.example",
    f"{HOST} evil.example",
    f"x.{HOST}",
    f"evil{HOST}",
    "127.0.0.1",
    "[::1]",
    "localhost",
    "evil.example#",
    "<script>alert(1)</script>",
    f"{HOST}:80:80",
    f"{HOST}:port",
    "\u202egro.elpmaxe",
    "",
]
MISLEADING = {
    "x-forwarded-host": "evil.example",
    "x-host": "evil.example",
    "x-forwarded-server": "evil.example",
    "x-original-host": "evil.example",
    "forwarded": "host=evil.example;proto=http;for=10.0.0.1",
    "x-forwarded-proto": "http",
    "x-original-url": "https://evil.example/",
    "x-rewrite-url": "/admin/users/",
}
TRUSTED = ("10.0.0.0/8", "2001:db8:aaaa::/48")


def address_of(peer: str, forwarded: str | None = None) -> str:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return client_address(RequestFactory(headers=headers).get("/", REMOTE_ADDR=peer))


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_hst_02_a_foreign_host_is_refused_everywhere_and_never_repeated(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Every address answers 400 to a foreign Host header before anything else happens, and doesn't repeat the host."""
    client = use_production(settings, monkeypatch)
    opened = sign_in(client, world.root)
    before = Event.objects.count()
    every = [row.path for row in every_address(world)] if host == "evil.example" else ["/sign-in/", "/security/"]
    for address in [*every, "/static/ui/watchword.css", "/nothing/"]:
        for ask in (client.get, client.post):
            answer = ask(address, headers={"host": host})
            assert answer.status_code == 400, address
            assert "evil" not in answer.content.decode() + str(answer.headers), address
    assert Event.objects.count() == before
    assert Session.objects.get(pk=opened.session.pk).ended_at is None


def test_hst_01_links_and_texts_name_the_configured_origin_whatever_a_request_says(
    world: World, telephone: Telephone, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links and texts for invitations, set-up and codes take their origin from the settings, not from the request."""
    client = use_production(settings, monkeypatch)
    settings.WATCHWORD_PHONES = Phones((ConfiguredGateway(Route("texts", frozenset({Channel.SMS})), "smpp", None),))
    client.defaults.update({f"HTTP_{name.upper().replace('-', '_')}": value for name, value in MISLEADING.items()})
    sign_in(client, world.root)
    page = client.get("/admin/multi-factor/change/", {"do": "enable", "person": [str(world.carol.pk)]})
    assert f"https://{HOST}/setup" in page.content.decode()
    file = SimpleUploadedFile("people.csv", b"Sign-in name,Display name\nnew@harbour.example,New\n")
    draft = client.post("/admin/users/import/", {"file": file})["Location"]
    found = re.search(r"draft=([^&]+)", draft)
    assert found is not None
    done = client.post("/admin/users/import/", {"draft": found[1]})
    assert f"https://{HOST}/invitation/" in done.content.decode()
    anonymous = production_client(headers=MISLEADING)
    anonymous.post("/sign-in/", {"name": "alice@harbour.example"})
    anonymous.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    assert telephone.received[-1].host == HOST
    for said in (page, done, anonymous.get("/sign-in/prove/")):
        assert "evil" not in said.content.decode()
        assert "evil" not in str(said.headers)


def test_hst_01_no_line_of_the_product_builds_an_address_from_a_request() -> None:
    """Pages, mails and texts take their origin from the settings: no code asks a request for its host."""
    package = Path(watchword.__file__).parent
    asking = [
        path.name
        for path in sorted(package.rglob("*"))
        if path.suffix in {".py", ".html", ".txt"}
        and re.search(r"build_absolute_uri|get_host\(|HTTP_HOST|X-Forwarded-Host", path.read_text(encoding="utf-8"))
    ]
    assert asking == []


@pytest.mark.parametrize("claimed", ["10.0.0.1", "198.51.100.9", "10.0.0.1, 10.0.0.2", "127.0.0.1"])
def test_xff_01_what_a_stranger_says_about_the_own_address_is_not_read(settings: Any, claimed: str) -> None:
    """A client's forged X-Forwarded-For is ignored: the header counts only if the peer is a listed proxy."""
    settings.WATCHWORD_TRUSTED_PROXIES = TRUSTED
    assert address_of("203.0.113.5", claimed) == "203.0.113.5"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("1.2.3.4, 198.51.100.9", "198.51.100.9"),
        ("10.9.9.9, 198.51.100.9", "198.51.100.9"),
        ("198.51.100.9, 10.0.0.2", "198.51.100.9"),
        ("1.2.3.4, 198.51.100.9, 10.0.0.2, 2001:db8:aaaa::7", "198.51.100.9"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("", "10.0.0.1"),
    ],
)
def test_xff_01_behind_listed_proxies_the_rightmost_other_hop_counts(
    settings: Any, forwarded: str, expected: str
) -> None:
    """The rightmost hop that isn't a listed proxy is the client; hops left of it could be forged and are ignored."""
    settings.WATCHWORD_TRUSTED_PROXIES = TRUSTED
    assert address_of("10.0.0.1", forwarded) == expected


def test_xff_01_a_forged_address_brings_nobody_past_the_second_proof(
    world: World, telephone: Telephone, settings: Any
) -> None:
    """A client that forges an address of the trusted network is asked for a code, and the log has its real address."""
    world.organisation.trusted_networks = ["192.0.2.0/24"]
    world.organisation.save()
    settings.WATCHWORD_TRUSTED_PROXIES = ()
    for name in ("x-forwarded-for", "x-real-ip", "forwarded", "client-ip", "true-client-ip", "cf-connecting-ip"):
        client = Client(REMOTE_ADDR="203.0.113.5", headers={name: "192.0.2.7"})
        client.post("/sign-in/", {"name": "alice@harbour.example"})
        arrived = client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
        assert arrived["Location"] == "/sign-in/prove/", name
    assert set(Event.objects.exclude(address="").values_list("address", flat=True)) == {"203.0.113.5"}
    honest = Client(REMOTE_ADDR="192.0.2.7")
    honest.post("/sign-in/", {"name": "alice@harbour.example"})
    assert honest.post("/sign-in/password/", {"answer": world.passwords["alice"]})["Location"] == "/"


@given(peer=st.ip_addresses().map(str), claimed=st.ip_addresses().map(str))
def test_xff_02_without_a_list_no_client_is_a_proxy(peer: str, claimed: str) -> None:
    """With an empty list of proxies no proxy is trusted, instead of all of them."""
    with override_settings(WATCHWORD_TRUSTED_PROXIES=()):
        seen = address_of(peer, claimed)
        assert seen == address_of(peer)
        assert (
            ipaddress.ip_address(seen)
            in {
                ipaddress.ip_address(peer),
                getattr(ipaddress.ip_address(peer), "ipv4_mapped", None),
            }
            or "%" in peer
        )


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "::ffff:198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "::ffff:10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        ("10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9"),
        ("10.0.0.1", "[2001:db8::9]", "2001:db8::9"),
        ("10.0.0.1", "2001:DB8:0:0:0:0:0:9", "2001:db8::9"),
        ("2001:db8:aaaa::1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "fe80::1%eth0", "10.0.0.1"),
        ("10.0.0.1", "fe80::1%\u2028evil", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "_hidden", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9, junk", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9 OR 1=1", "10.0.0.1"),
        ("10.0.0.1", "198.051.100.009", "10.0.0.1"),
        ("10.0.0.1", "0x7f000001", "10.0.0.1"),
        ("10.0.0.1", "2130706433", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, ", "10.0.0.1"),
        ("10.0.0.1", ",,,,", "10.0.0.1"),
        ("10.0.0.1", "x" * 10_240, "10.0.0.1"),
        ("10.0.0.1", "9.9.9.9," + "10.0.0.2," * 5_000 + "10.0.0.3", "10.0.0.2"),
    ],
)
def test_xff_03_every_spelling_of_a_hop_is_read_or_ends_the_reading(
    settings: Any, peer: str, forwarded: str, expected: str
) -> None:
    """Mapped addresses, ports and brackets are parsed; anything else ends the parsing at the last valid hop."""
    settings.WATCHWORD_TRUSTED_PROXIES = TRUSTED
    assert address_of(peer, forwarded) == expected


@given(forwarded=st.text(max_size=200))
def test_xff_03_whatever_is_written_there_an_address_comes_out(forwarded: str) -> None:
    """No X-Forwarded-For text makes parsing fail or puts anything but an IP address into the log."""
    with override_settings(WATCHWORD_TRUSTED_PROXIES=TRUSTED):
        request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1")
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
        assert str(ipaddress.ip_address(client_address(request))) == client_address(request)


def test_an_unlisted_proxy_is_an_error_in_the_log_that_no_client_can_flood(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log the error once in ten minutes, however many requests come, and never for proxies that are listed."""
    settings.WATCHWORD_TRUSTED_PROXIES = TRUSTED
    clock = iter([1000.0, *[1001.0] * 50, 1599.0, 1601.0, 1602.0])
    monkeypatch.setattr(client_addresses, "_COMPLAINTS", Complaints(lambda: next(clock)))
    address_of("10.0.0.1", "198.51.100.1")
    assert caplog.text == ""
    for _ in range(54):
        address_of("203.0.113.9", "198.51.100.1")
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "X-Forwarded-For ignored: 203.0.113.9 is not in WATCHWORD_TRUSTED_PROXIES" in caplog.text
    assert "198.51.100.1" not in caplog.text


@pytest.mark.parametrize("listed", ["0.0.0.0/0", "::/0", "10.0.0.0/8, 0.0.0.0/0", "10.0.0.1/8", "everybody", "10.0.0"])
def test_xff_04_proxies_that_would_be_everybody_are_refused_with_the_reason(tmp_path: Path, listed: str) -> None:
    """A list of trusted proxies with the whole internet, or with an ambiguous network, is refused with the reason."""
    config = {
        "WATCHWORD_HOME": str(tmp_path),
        "WATCHWORD_KEYS": KEYS,
        "WATCHWORD_PUBLIC_URL": f"https://{HOST}",
        "WATCHWORD_TRUSTED_PROXIES": listed,
    }
    found = read_environment(config)
    assert isinstance(found, list)
    assert [problem.variable for problem in found] == ["WATCHWORD_TRUSTED_PROXIES"]
    assert isinstance(read_environment({**config, "WATCHWORD_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}), Environment)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("0.0.0.0/0", "the whole internet"),
        ("::/0", "the whole internet"),
        ("0.0.0.0/1\n128.0.0.0/1", "a great part of the internet"),
        ("2000::/3", "a great part of the internet"),
        ("198.51.100.0/24\n198.51.100.128/25", "overlap"),
        ("198.51.100.7/24", "Do you mean 198.51.100.0/24?"),
        ("::ffff:0:0/96", "as a network of IPv4"),
        ("198.51.100", "is no network"),
        ("\n".join(f"198.51.{number}.0/24" for number in range(51)), "50 is the most"),
    ],
)
def test_xff_04_trusted_networks_that_would_be_everybody_are_refused_with_the_reason(
    world: World, typed: str, says: str
) -> None:
    """Trusted networks, from which no code is asked, may not be huge, ambiguous or overlapping."""
    client = Client()
    sign_in(client, world.root)
    page = client.post("/admin/service-settings/", {"trusted_networks": typed, "text_allowed": "on"})
    assert page.status_code == 200
    assert says in page.content.decode()
    world.organisation.refresh_from_db()
    assert world.organisation.trusted_networks == []
