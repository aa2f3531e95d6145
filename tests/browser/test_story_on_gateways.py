"""The story with real gateways: texts by Kannel, calls by SIP to a phone, switched by configuration alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.chromium import Picture
from tests.browser.demo import Demo, running_demo
from tests.browser.player import OWN, Player, open_mailbox
from tests.phones import baresip as telephones
from tests.phones import kannel as gateways
from tests.phones.handset import Handset, handset
from tests.phones.kannel import Kannel, kannel

WHY_NOT = gateways.why_not_here() or telephones.why_not_here()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
LANDLINE = "+4930901820"
MOBILE = "+4915123456789"
_PHONES = """
currency = "EUR"

[[gateway]]
name = "texts"
kind = "kannel"
url = "{url}"
user = "watchword"
password = "file:{password}"
sender = "Harbour"
private_networks_allowed = true
prices = {{ DE = "0.07" }}

[[gateway]]
name = "exchange"
kind = "sip"
host = "127.0.0.1"
port = {port}
first_rtp_port = 21000
last_rtp_port = 21199
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kannel]:
    """Yield a gateway for texts."""
    with kannel(tmp_path_factory.mktemp("kannel")) as running:
        yield running


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handset]:
    """Yield a desk phone."""
    with handset(tmp_path_factory.mktemp("phone"), LANDLINE) as running:
        yield running


@pytest.fixture(scope="module")
def demo(gateway: Kannel, phone: Handset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Yield the demo with a phones file."""
    folder = tmp_path_factory.mktemp("demo")
    secret, phones = folder / "secret", folder / "phones.toml"
    secret.touch(mode=0o600)
    secret.write_text(gateway.password)
    phones.write_text(_PHONES.format(url=gateway.sendsms_url, password=secret, port=phone.port))
    with running_demo(folder / "home", WATCHWORD_PHONES_FILE=str(phones)) as running:
        yield running


@pytest.fixture
def player(open_browser: Callable[..., BrowserContext], demo: Demo, picture: Picture) -> Callable[[], Player]:
    """Return a function that opens a browser of its own for a new person."""
    return lambda: Player(open_browser(), demo, picture, scripts=True)


def newest_code(gateway: Kannel, number_of_texts: int) -> str:
    """Return the code of the text that arrived last."""
    text = gateway.wait_for(number_of_texts)[number_of_texts - 1]
    assert text.number == MOBILE
    found = re.match(r"(\d{3} \d{3}) is your", text.words)
    assert found is not None, text.words
    assert text.words.endswith(f"@127.0.0.1 #{found[1].replace(' ', '')}")
    return found[1]


def test_the_demo_says_where_codes_go_and_made_up_telephones_are_forgotten(demo: Demo) -> None:
    assert "texts by texts; calls by exchange" in demo.card
    assert "/demo/telephone/" not in demo.card


def test_the_first_sign_in_and_every_later_one_by_text(
    player: Callable[[], Player], demo: Demo, gateway: Kannel
) -> None:
    bob = player()
    bob.begin("bob", demo.passwords["bob"])
    bob.choose_own_password()
    bob.page.get_by_role("link", name="Set it up now").click()
    bob.page.get_by_label("Phone number").fill("0151 23456789")
    bob.page.get_by_role("button", name="Contact me").click()
    bob.see("real-text")
    bob.verify(newest_code(gateway, 1))
    secret = bob.app_password_shown()
    open_mailbox(demo, "bob", secret).logout()

    again = player()
    again.begin("bob", OWN)
    expect(again.page.get_by_role("heading", level=1)).to_have_text("Check your phone")
    again.verify(newest_code(gateway, 2))
    expect(again.page.get_by_role("heading", level=1)).to_contain_text("Bob")


def test_sign_ins_by_call_and_fraud_reported_at_the_telephone_ends_the_code_in_the_browser(
    player: Callable[[], Player], demo: Demo, phone: Handset
) -> None:
    alice = player()
    alice.begin("alice", demo.passwords["alice"])
    alice.choose_own_password()
    alice.page.get_by_role("link", name="Set it up now").click()
    alice.page.get_by_label("Phone number").fill("030 901820")
    alice.page.get_by_label("Call me with a code").check()
    alice.page.get_by_role("button", name="Contact me").click()
    code = phone.hear_code()
    alice.see("real-call")
    alice.verify(code)
    alice.page.wait_for_url(re.compile(r"/(security|$|\?)"))

    again = player()
    again.begin("alice", OWN)
    expect(again.page.get_by_role("heading", level=1)).to_have_text("Check your phone")
    again.verify(phone.hear_code())
    expect(again.page.get_by_role("heading", level=1)).to_contain_text("Alice")

    stranger = player()
    stranger.begin("alice", OWN)
    expect(stranger.page.get_by_role("heading", level=1)).to_have_text("Check your phone")
    phone.press("0#")
    stranger.page.reload()
    expect(stranger.page.locator("main")).to_contain_text("not signing in")
