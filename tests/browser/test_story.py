"""Steps 1 to 5 of the story, played by a real Chromium and real mail programs, with JavaScript on and off."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.chromium import Picture
from tests.browser.demo import Demo, running_demo
from tests.browser.player import OWN, Player, assert_mail_refuses, open_mailbox

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=[True, False], ids=["with JavaScript", "without JavaScript"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """Return whether the browsers run JavaScript."""
    value: bool = request.param
    return value


@pytest.fixture(scope="module")
def demo(scripts: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Yield a fresh demo for the run with scripts and the run without."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def player(
    open_browser: Callable[..., BrowserContext], demo: Demo, picture: Picture, scripts: bool
) -> Callable[[], Player]:
    """Return a function that opens a browser of its own for a new person."""
    return lambda: Player(open_browser(java_script_enabled=scripts), demo, picture, scripts=scripts)


def enable_carol(root: Player) -> None:
    """Play step 1: the administrator enables Carol."""
    root.begin_as_root()
    root.see("portal")
    root.page.locator("summary[aria-label='App launcher']").click()
    root.page.locator(".menu-list").get_by_role("link", name="Admin").click()
    expect(root.page.get_by_role("heading", level=1)).to_have_text("Active users")
    root.see("active-users")
    root.page.get_by_label("Search people").fill("carol")
    root.page.get_by_role("button", name="Filter").click()
    root.page.get_by_role("link", name="Carol Nakamura").click()
    root.see("panel")
    with root.page.context.expect_page() as opened:
        root.page.get_by_role("link", name="Manage multi-factor authentication").click()
    page = opened.value
    root.see("multi-factor", page)
    box = page.get_by_label("Carol Nakamura")
    expect(box).to_be_checked()
    page.get_by_role("button", name="Enable", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 person")
    expect(page.locator("main")).to_contain_text("/setup")
    root.see("multi-factor-confirmation", page)
    page.get_by_role("button", name="Enable multi-factor authentication").click()
    expect(page.locator("main")).to_contain_text("is Enabled now")
    root.see("multi-factor-done", page)


def test_the_story(player: Callable[[], Player], demo: Demo) -> None:
    open_mailbox(demo, "alice", demo.alices_app_password).logout()
    root = player()
    enable_carol(root)

    # Step 2, by text: the first sign-in after the administrator's link.
    carol = player()
    carol.begin("carol", demo.passwords["carol"], at="/setup")
    carol.choose_own_password()
    expect(carol.page.get_by_role("heading", level=1)).to_have_text("Your organisation needs more information")
    carol.see("more-information")
    open_mailbox(demo, "carol", OWN).logout()
    carol.page.get_by_role("link", name="Set it up now").click()
    carol.page.get_by_label("Phone number").fill("0151 23456789")
    carol.see("phone")
    carol.page.get_by_role("button", name="Contact me").click()
    carol.verify("not six digits")
    expect(carol.page.get_by_role("alert")).to_contain_text("six digits")
    carol.verify(carol.texted_code())
    first = carol.app_password_shown()
    expect(carol.page.get_by_role("heading", level=1)).to_have_text("Security info")
    expect(carol.page.locator("main")).to_contain_text("Enforced")
    carol.see("security-info")

    # Step 3: mail programs accept the app password, and refuse the account's own password.
    program = open_mailbox(demo, "carol", first)
    assert program.select("INBOX")[0] == "OK"
    program.logout()
    assert_mail_refuses(demo, "carol", OWN)
    with smtplib.SMTP("127.0.0.1", demo.submission_port) as sender:
        sender.login("carol@harbour.example", first)
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "carol@harbour.example", "alice@harbour.example", "Sent by program"
        mail.set_content("Written with an app password.")
        sender.send_message(mail)
    program = open_mailbox(demo, "alice", demo.alices_app_password)
    program.select("INBOX")
    assert program.search(None, "SUBJECT", '"Sent by program"')[1] != [b""]
    program.logout()

    # Step 4: one click from any page leads to the app passwords.
    carol.page.goto(f"{demo.web}/")
    carol.page.locator("summary[aria-label='Settings']").click()
    carol.page.locator(".menu-list").get_by_role("link", name="App passwords").click()
    carol.see("app-passwords")
    carol.page.get_by_role("link", name="Create app password").click()
    carol.page.get_by_label("Name").fill("Tablet")
    carol.see("create-app-password")
    carol.page.get_by_role("button", name="Create").click()
    second = carol.app_password_shown()
    open_mailbox(demo, "carol", second).logout()
    carol.page.reload()
    row = carol.page.get_by_role("row", name=re.compile("Tablet"))
    expect(row).to_contain_text("IMAP · 127.0.0.1")
    row.get_by_role("link", name="Delete").click()
    carol.see("delete-app-password")
    carol.page.get_by_role("button", name="Delete").click()
    assert_mail_refuses(demo, "carol", second)
    open_mailbox(demo, "carol", first).logout()
    carol.page.goto(f"{demo.web}/settings/?q=additional+security+verification")
    expect(carol.page.locator("main")).to_contain_text("App passwords")

    # Step 5: every later sign-in requires a code before the webmail opens.
    again = player()
    again.page.goto(f"{demo.web}/demo/mail/")
    again.page.get_by_label("Sign-in name").fill("CAROL@harbour.example")
    again.page.get_by_role("button", name="Next").click()
    again.page.get_by_label("Password", exact=True).fill(OWN)
    again.page.get_by_role("button", name="Sign in").click()
    expect(again.page.get_by_role("heading", level=1)).to_have_text("Check your phone")
    again.page.goto(f"{demo.web}/demo/mail/")
    expect(again.page.get_by_label("Sign-in name")).to_be_visible()
    again.page.goto(f"{demo.web}/sign-in/prove/")
    again.verify(again.texted_code())
    expect(again.page.get_by_role("heading", level=1)).to_have_text("Inbox")
    again.see("webmail")

    # The administrator sees that her codes arrived.
    root.page.goto(f"{demo.web}/admin/phone-delivery/messages/")
    for what in ("text · new phone", "text · sign-in"):
        row = root.page.get_by_role("row", name=re.compile(f"Carol Nakamura.*{what}"))
        expect(row).to_contain_text("entered")
    root.page.get_by_role("link", name="Overview").click()
    root.see("phone-delivery")


def test_the_first_sign_in_by_call(player: Callable[[], Player], demo: Demo) -> None:
    bob = player()
    bob.begin("bob", demo.passwords["bob"])
    bob.choose_own_password()
    bob.page.get_by_role("link", name="Set it up now").click()
    bob.page.get_by_label("Phone number").fill("+49 30 901820")
    bob.page.get_by_role("button", name="Contact me").click()
    expect(bob.page.get_by_role("alert")).to_contain_text("Choose “Call me”")
    expect(bob.page.get_by_label("Phone number")).to_have_value("+49 30 901820")
    bob.page.get_by_label("Call me with a code").check()
    bob.page.get_by_role("button", name="Contact me").click()
    bob.verify(bob.spoken_code())
    secret = bob.app_password_shown()
    open_mailbox(demo, "bob", secret).logout()


def test_a_wrong_password_and_an_unknown_name_look_alike(player: Callable[[], Player]) -> None:
    said = []
    for name in ("alice", "nobody"):
        stranger = player()
        stranger.begin(name, "not the password")
        said.append(stranger.page.inner_text("main").replace(name, "…"))
    assert said[0] == said[1]
    assert "That name or password is not right." in said[0]
