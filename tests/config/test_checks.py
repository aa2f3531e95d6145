"""System checks that refuse to start."""

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.core import checks

from watchword.config.checks import DEMO_PARTS
from watchword.messaging.config_file import Phones, simulated

PRODUCTION = {
    "WATCHWORD_DEMO": False,
    "DEBUG": False,
    "WATCHWORD_PHONES": Phones(),
    "WATCHWORD_PUBLIC_URL": "https://watchword.example.org",
    "WATCHWORD_TRUSTED_PROXIES": (ip_network("127.0.0.1"),),
}


pytestmark = pytest.mark.django_db


def found_ids() -> list[str | None]:
    return [found.id for found in checks.run_checks(databases=["default"]) if (found.id or "").startswith("watchword.")]


type Change = Callable[..., None]


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Return a function that changes settings, starting from production's, without sending ``setting_changed``."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setattr(settings, name, value)

    without_demo = [app for app in settings.INSTALLED_APPS if app not in DEMO_PARTS]
    change(**PRODUCTION, INSTALLED_APPS=without_demo)
    return change


def test_the_tests_own_settings_are_sound() -> None:
    assert found_ids() == []


def test_production_as_it_should_be_is_sound(production: Change) -> None:
    assert found_ids() == []


@pytest.mark.parametrize("part", ["watchword.demo", "watchword.messaging.gateways.simulator"])
def test_demo_parts_are_refused_in_production(production: Change, part: str) -> None:
    production(INSTALLED_APPS=[*settings.INSTALLED_APPS, part])
    assert found_ids() == ["watchword.E001"]


def test_the_simulator_is_refused_in_production(production: Change) -> None:
    production(WATCHWORD_PHONES=simulated())
    assert found_ids() == ["watchword.E002"]


def test_debug_is_refused_in_production_and_allowed_in_the_demo(production: Change) -> None:
    production(DEBUG=True)
    assert found_ids() == ["watchword.E003"]
    production(WATCHWORD_DEMO=True)
    assert found_ids() == []


def test_a_missing_key_ring_is_refused(production: Change) -> None:
    production(WATCHWORD_KEY_RING=None)
    assert found_ids() == ["watchword.E004"]


def test_djangos_own_sqlite_backend_is_refused(production: Change) -> None:
    from watchword.config.checks import the_sqlite_library_is_sound

    production(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    assert [error.id for error in the_sqlite_library_is_sound(None)] == ["watchword.E005"]


def test_an_old_sqlite_library_is_refused(production: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    from watchword.config import sqlite
    from watchword.config.checks import the_sqlite_library_is_sound

    monkeypatch.setattr(sqlite, "library_version", lambda: (3, 40, 1))
    production(DATABASES={"default": {"ENGINE": "watchword.config.sqlite", "NAME": ":memory:"}})
    (error,) = the_sqlite_library_is_sound(None)
    assert error.id == "watchword.E005"
    assert "3.40.1" in error.msg


@pytest.mark.parametrize("url", ["http://watchword.example.org", "http://192.0.2.1:8000", "ftp://localhost"])
def test_a_public_address_in_clear_is_refused(production: Change, url: str) -> None:
    production(WATCHWORD_PUBLIC_URL=url)
    assert found_ids() == ["watchword.E006"]


def test_plain_http_on_this_machine_is_allowed(production: Change) -> None:
    production(WATCHWORD_PUBLIC_URL="http://localhost:8000")
    assert found_ids() == []


def test_a_proxy_that_is_not_configured_is_refused(production: Change) -> None:
    """Otherwise every browser would have the proxy's address, and one stranger could throttle all of them."""
    production(WATCHWORD_TRUSTED_PROXIES=())
    assert found_ids() == ["watchword.E020"]


def test_no_proxy_is_fine_where_the_operator_says_so(production: Change) -> None:
    production(WATCHWORD_TRUSTED_PROXIES=(), WATCHWORD_NO_PROXY=True)
    assert found_ids() == []


def test_plain_http_on_this_machine_needs_no_proxy(production: Change) -> None:
    production(WATCHWORD_TRUSTED_PROXIES=(), WATCHWORD_PUBLIC_URL="http://localhost:8000")
    assert found_ids() == []
