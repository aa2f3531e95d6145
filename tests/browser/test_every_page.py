"""Every page, on a desktop, on a narrow phone, in dark mode: axe finds nothing serious, nothing is cut off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import Picture, check_accessibility, check_fits
from tests.browser.demo import Demo, running_demo

pytestmark = pytest.mark.browser

OWN = "seven quiet otters sail"
NO_CODE = "aaaa-bbbb-cccc-dddd-eeee-ffff"
"""The form of a code in a one-time link that nobody made."""
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 700}},
    "narrow-dark": {"viewport": {"width": 320, "height": 700}, "color_scheme": "dark"},
}
PAGES = {
    "portal": "/",
    "security-info": "/security/",
    "app-passwords": "/app-passwords/",
    "activity": "/activity/",
    "portal-apps": "/apps/",
    "warnings": "/warnings/",
    "language": "/language/",
    "settings-search": "/settings/?q=update+phone+numbers",
    "settings-search-empty": "/settings/?q=zzz",
    "add-phone": "/methods/add/phone/",
    "app-password-not-possible": "/methods/add/app_password/",
    "change-password": "/methods/add/password/",
    "webmail": "/demo/mail/",
    "webmail-write": "/demo/mail/write/",
    "telephone": "/demo/telephone/",
    "active-users": "/admin/users/",
    "nobody-found": "/admin/users/?q=zzzz",
    "create-person": "/admin/users/new/",
    "import": "/admin/users/import/",
    "multi-factor": "/admin/multi-factor/",
    "multi-factor-nobody-ticked": "/admin/multi-factor/?none=1",
    "service-settings": "/admin/service-settings/?address=203.0.113.7",
    "alerts": "/admin/alerts/",
    "health": "/admin/health/",
    "alerts-all": "/admin/alerts/?show=all",
    "sign-ins": "/admin/sign-ins/?since=nonsense",
    "phone-delivery": "/admin/phone-delivery/",
    "phone-messages": "/admin/phone-delivery/messages/?result=entered",
    "phone-blocked": "/admin/phone-delivery/blocked/",
    "phone-test": "/admin/phone-delivery/test/",
    "phone-rules": "/admin/phone-delivery/rules/",
    "phone-shared": "/admin/phone-delivery/shared/",
    "roles": "/admin/roles/",
    "domains": "/admin/domains/",
    "groups": "/admin/groups/",
    "apps": "/admin/apps/",
    "app-gallery": "/admin/apps/new/",
    "app-new": "/admin/apps/new/roundcube/",
    "group-create": "/admin/groups/new/",
    "bulk-update": "/admin/users/import/?bulk=1",
    "documentation": "/admin/docs/",
    "documentation-page": "/admin/docs/operating/keys.md",
    "not-found": "/nothing/here/",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Yield one demo for all looks."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


def sign_in_as_root(page: Page, demo: Demo) -> None:
    """Sign in with the initial password, or with the new one if an earlier test has chosen it."""
    for password in (OWN, demo.passwords["root"]):
        page.goto(f"{demo.web}/sign-in/")
        page.get_by_label("Sign-in name").fill("root@harbour.example")
        page.get_by_role("button", name="Next").click()
        page.get_by_label("Password", exact=True).fill(password)
        with page.expect_navigation():
            page.get_by_role("button", name="Sign in").click()
        if page.get_by_role("alert").count() == 0:
            break
    telephone = page.context.new_page()
    telephone.goto(f"{demo.web}/demo/telephone/")
    page.get_by_label("Security code").fill(re.findall(r"(\d{3} \d{3}) is your", telephone.inner_text("main"))[-1])
    with page.expect_navigation():
        page.get_by_role("button", name="Verify").click()
    telephone.close()
    if page.get_by_label("New password").count():
        page.get_by_label("New password").fill(OWN)
        with page.expect_navigation():
            page.get_by_role("button", name="Save the password").click()


def look(page: Page, picture: Picture, name: str) -> None:
    """Check one page and take a screenshot of it."""
    check_accessibility(page)
    check_fits(page)
    picture(page, name)


@pytest.mark.parametrize("kind", list(LOOKS))
def test_every_page_can_be_used_by_everybody(
    kind: str, open_browser: Callable[..., BrowserContext], demo: Demo, picture: Picture
) -> None:
    page = open_browser(**LOOKS[kind]).new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    for name, address in {
        "set-up": "/setup",
        "name": "/sign-in/",
        "link-code": "/invitation/",
    }.items():
        page.goto(demo.web + address)
        look(page, picture, f"{kind}-{name}")
    for name, address in {
        "invitation-over": "/invitation/",
        "not-me-over": "/not-me/",
        "register": "/register/",
    }.items():
        page.goto(f"{demo.web}/sign-in/")
        page.goto(f"{demo.web}{address}#{NO_CODE}")
        expect(page.get_by_role("link", name="type the code again")).to_be_visible()
        look(page, picture, f"{kind}-{name}")
    sign_in_as_root(page, demo)
    for name, address in PAGES.items():
        page.goto(demo.web + address)
        look(page, picture, f"{kind}-{name}")
    page.goto(f"{demo.web}/admin/users/")
    page.get_by_role("link", name="Alice Lindqvist").click()
    look(page, picture, f"{kind}-panel")
    panel = page.url
    page.get_by_role("link", name="Change what they write as").click()
    page.get_by_label("Address of another person").fill("bob@harbour.example")
    page.get_by_role("button", name="Allow").click()
    look(page, picture, f"{kind}-send-as")
    page.goto(panel)
    look(page, picture, f"{kind}-panel-send-as")
    page.get_by_role("link", name="Reset password").click()
    look(page, picture, f"{kind}-act")
    page.goto(panel)
    page.get_by_role("link", name="Require contact methods again").click()
    page.get_by_role("button", name="Require contact methods again").click()
    look(page, picture, f"{kind}-act-asks-how-sure")
    page.goto(f"{demo.web}/admin/groups/new/")
    page.get_by_label("Name", exact=True).fill(f"Sales {kind}")
    page.get_by_role("button", name="Save").click()
    page.get_by_label("People").fill("Alice, nobody@harbour.example")
    page.get_by_role("button", name="Add", exact=True).click()
    look(page, picture, f"{kind}-group-members-wrong")
    page.get_by_label("People").fill("Alice")
    page.get_by_role("button", name="Add", exact=True).click()
    look(page, picture, f"{kind}-group")
    page.get_by_role("link", name="Delete").click()
    look(page, picture, f"{kind}-group-delete")
    page.goto(f"{demo.web}/admin/apps/new/matrix/")
    page.get_by_label("Name", exact=True).fill(f"Chat {kind}")
    page.get_by_role("button", name="Add", exact=True).click()
    look(page, picture, f"{kind}-app-new-wrong")
    page.get_by_label("Address of the app").fill("https://chat.harbour.example")
    page.get_by_role("button", name="Add", exact=True).click()
    look(page, picture, f"{kind}-app-once")
    page.get_by_role("link", name="Done").click()
    look(page, picture, f"{kind}-app")
    app = page.url
    page.get_by_role("link", name="Change", exact=True).click()
    look(page, picture, f"{kind}-app-change")
    page.goto(f"{app}remove/")
    look(page, picture, f"{kind}-app-remove")
    page.goto(f"{demo.web}/admin/multi-factor/change/?do=enable&all=1")
    look(page, picture, f"{kind}-enable")
    page.goto(f"{demo.web}/")
    for menu in ("App launcher", "Settings"):
        page.locator(f"summary[aria-label='{menu}']").click()
        look(page, picture, f"{kind}-menu-{menu.split()[0].lower()}")
        page.keyboard.press("Escape")
    refused = [problem for problem in problems if not re.search(r"404|410", problem)]
    assert refused == [], "the browser complains"


def test_a_page_can_be_used_by_keyboard_alone(open_browser: Callable[..., BrowserContext], demo: Demo) -> None:
    page = open_browser().new_page()
    page.goto(f"{demo.web}/setup")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.goto(f"{demo.web}/sign-in/")
    page.keyboard.type("root@harbour.example")
    page.keyboard.press("Enter")
    password = page.get_by_label("Password", exact=True)
    expect(password).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Show password")).to_be_focused()
    page.keyboard.press("Enter")
    expect(password).to_have_attribute("type", "text")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
