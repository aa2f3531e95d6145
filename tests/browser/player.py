"""A person at a browser, with a telephone and mail programs beside it."""

from __future__ import annotations

import imaplib
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import Picture, check_accessibility, check_fits
from tests.browser.demo import Demo

OWN = "seven quiet otters sail"


class Player:
    """A person at a browser, and the telephone beside it."""

    def __init__(self, context: BrowserContext, demo: Demo, picture: Picture, *, scripts: bool) -> None:
        self.page = context.new_page()
        self.telephone = context.new_page()
        self.demo = demo
        self._picture, self._scripts = picture, scripts

    def see(self, name: str, page: Page | None = None) -> None:
        """Check, where scripts run, that a page is accessible and fits its window, and take a screenshot."""
        shown = page or self.page
        shown.wait_for_load_state()
        if self._scripts:
            check_accessibility(shown)
            check_fits(shown)
            self._picture(shown, f"story-{name}")

    def begin(self, name: str, password: str, at: str = "/") -> None:
        """Type name and password."""
        self.page.goto(self.demo.web + at)
        if at == "/setup":
            self.see("set-up-link")
            self.page.get_by_role("link", name="Start").click()
        self.page.get_by_label("Sign-in name").fill(f"{name}@harbour.example")
        self.see("name")
        self.page.get_by_role("button", name="Next").click()
        self.page.get_by_label("Password", exact=True).fill(password)
        self.see("password")
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Sign in").click()

    def begin_as_root(self) -> None:
        """Sign in as the administrator, who has a phone, and replace the initial password."""
        self.begin("root", self.demo.passwords["root"])
        self.verify(self.texted_code())
        self.choose_own_password()

    def choose_own_password(self) -> None:
        """Replace the initial password."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
        self.see("new-password")
        self.page.get_by_label("New password").fill(OWN)
        self.page.get_by_role("button", name="Save the password").click()

    def texted_code(self) -> str:
        """Return the code of the newest text on the phone."""
        self.telephone.goto(f"{self.demo.web}/demo/telephone/")
        self.see("telephone", self.telephone)
        codes: list[str] = re.findall(r"(\d{3} \d{3}) is your", self.telephone.inner_text("main"))
        return codes[-1]

    def spoken_code(self) -> str:
        """Answer the call, press 1, and return the spoken digits."""
        self.telephone.goto(f"{self.demo.web}/demo/telephone/")
        self.see("telephone-rings", self.telephone)
        self.telephone.get_by_role("button", name="Answer").click()
        assert not re.search(r"\d\. \d", self.telephone.inner_text("main")), "the code is spoken only after a key"
        self.telephone.get_by_role("button", name="Key 1").click()
        self.see("telephone-speaks", self.telephone)
        sound = self.telephone.locator("audio").get_attribute("src")
        notify = self.telephone.request.get(self.demo.web + str(sound)).body()
        assert notify[:4] == b"RIFF"
        assert len(notify) > 50_000, "real speech takes its time"
        found = re.search(r"(?:\d\. ){5}\d", self.telephone.inner_text("main"))
        assert found is not None
        self.telephone.get_by_role("button", name="Hang up").click()
        return found[0].replace(". ", "")

    def verify(self, code: str) -> None:
        """Type a code."""
        self.page.get_by_label("Security code").fill(code)
        self.see("code")
        self.page.get_by_role("button", name="Verify").click()

    def app_password_shown(self) -> str:
        """Return the app password of the page that shows it once, and check that it is gone afterwards."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Your app password")
        self.see("app-password-once")
        secret = self.page.locator("#secret").inner_text().strip()
        assert re.fullmatch(r"(?:[a-z]{4} ){5}[a-z]{4}", secret)
        self.page.get_by_role("link", name="Done").click()
        assert secret not in self.page.content()
        return secret


def open_mailbox(demo: Demo, name: str, password: str) -> imaplib.IMAP4:
    """Sign in to the mailbox as a mail program does."""
    program = imaplib.IMAP4("127.0.0.1", demo.imap_port)
    program.login(f"{name}@harbour.example", password)
    return program


def assert_mail_refuses(demo: Demo, name: str, password: str) -> None:
    """Check that a mail program is refused."""
    program = imaplib.IMAP4("127.0.0.1", demo.imap_port)
    with pytest.raises(imaplib.IMAP4.error, match=r"(?i)authenticat|credential|login"):
        program.login(f"{name}@harbour.example", password)
    program.shutdown()
