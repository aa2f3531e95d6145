"""The names of people, programs and browsers are escaped on every page that shows them."""

from __future__ import annotations

from html import escape

from django.test import Client

from tests.security.crawl import Site, names
from tests.world import World
from watchword.directory.models import Organisation, User
from watchword.factors.models import Credential
from watchword.signin.models import Session

MARK = "\"'><svg/onload=alert(1)>"
PEOPLE = ("a person", "help desk", "administrator")


def test_ses_14_nobody_s_name_is_markup_on_any_page(world: World) -> None:
    """HTML in the names of people, organisations, app passwords and browsers is escaped on every page."""
    User.objects.update(display_name=MARK)
    Organisation.objects.update(name=MARK)
    Credential.objects.exclude(label="").update(label=MARK)
    world.alice.refresh_from_db()
    world.passwords[MARK.lower()] = world.passwords["alice"]
    stranger = Client(headers={"user-agent": MARK})
    stranger.post("/sign-in/", {"name": "alice@harbour.example"})
    stranger.post("/sign-in/password/", {"answer": "a wrong one"})
    site = Site(world)
    Session.objects.update(agent=MARK)
    shown: dict[str, int] = {}
    for name in names():
        for who in PEOPLE:
            answer = site.browsers[who].get(site.address(name))
            if answer.headers.get("Content-Type", "").startswith("text/html") and not answer.streaming:
                page = answer.content.decode()
                assert "<svg/onload" not in page, f"{who} {name}"
                shown[name] = shown.get(name, 0) + page.count(escape(MARK))
    panel = site.browsers["administrator"].get(f"/admin/users/?person={world.alice.pk}").content.decode()
    assert "<svg/onload" not in panel
    assert panel.count(escape(MARK)) >= 3, "the person, the app password, the browser"
    seen = {name for name, times in shown.items() if times}
    assert {"portal:home", "portal:security", "portal:app_passwords", "admincenter:users"} <= seen
