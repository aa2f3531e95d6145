"""System checks: configurations with which Watchword must not start, whatever settings module is used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from watchword.audit import geoip
from watchword.config.databases import SQLITE
from watchword.config.parsers import is_loopback
from watchword.core.keyring import KeyRing
from watchword.factors.password.breach_file import why_not_usable

DEMO_PARTS = ("watchword.demo", "watchword.messaging.gateways.simulator")


@checks.register(checks.Tags.security)
def demo_parts_stay_in_the_demo(app_configs: Sequence[AppConfig] | None, **_options: Any) -> list[checks.Error]:
    """Return an error for each part of the demo outside it: its telephone page shows all codes to every visitor."""
    if settings.WATCHWORD_DEMO:
        return []
    found = []
    for part in DEMO_PARTS:
        if any(app == part or app.startswith(f"{part}.") for app in settings.INSTALLED_APPS):
            hint = "Remove it from INSTALLED_APPS, or set WATCHWORD_DEMO=yes to play with sample people."
            found.append(
                checks.Error(f"{part} is part of the demo, and this is no demo.", hint=hint, id="watchword.E001")
            )
    if settings.WATCHWORD_PHONES.is_simulated:
        hint = "Name real gateways in WATCHWORD_PHONES_FILE."
        words = "The gateway that shows codes on a page is for the demo alone."
        found.append(checks.Error(words, hint=hint, id="watchword.E002"))
    return found


@checks.register(checks.Tags.security)
def debug_stays_in_the_demo(app_configs: Sequence[AppConfig] | None, **_options: Any) -> list[checks.Error]:
    """Return an error if DEBUG is on outside the demo: Django's error pages show requests with codes and passwords."""
    if settings.DEBUG and not settings.WATCHWORD_DEMO:
        hint = "Unset WATCHWORD_DEBUG, or set WATCHWORD_DEMO=yes while you develop."
        return [checks.Error("DEBUG is on, and this is no demo.", hint=hint, id="watchword.E003")]
    return []


@checks.register(checks.Tags.security)
def there_is_a_key_ring(app_configs: Sequence[AppConfig] | None, **_options: Any) -> list[checks.Error]:
    """Return an error if there is no key ring: without it nothing can be sealed or looked up."""
    if isinstance(getattr(settings, "WATCHWORD_KEY_RING", None), KeyRing):
        return []
    hint = "Run `watchword keys create`, and name its file in WATCHWORD_KEYS_FILE."
    return [checks.Error("There is no key ring.", hint=hint, id="watchword.E004")]


@checks.register(checks.Tags.database)
def the_sqlite_library_is_sound(app_configs: Sequence[AppConfig] | None, **_options: Any) -> list[checks.Error]:
    """Return an error for an unsound SQLite library, or for Django's own backend: it lacks our durability settings."""
    found = []
    for alias, database in settings.DATABASES.items():
        if database["ENGINE"] == "django.db.backends.sqlite3":
            hint = f'Use ENGINE = "{SQLITE}", or PostgreSQL.'
            words = f"The database {alias!r} uses Django's own SQLite backend."
            found.append(checks.Error(words, hint=hint, id="watchword.E005"))
        elif database["ENGINE"] == SQLITE:
            from watchword.config import sqlite

            if reason := sqlite.unsound_library(sqlite.library_version()):
                found.append(checks.Error(reason, id="watchword.E005"))
    return found


@checks.register(checks.Tags.security)
def the_public_address_is_safe(app_configs: Sequence[AppConfig] | None, **_options: Any) -> list[checks.Error]:
    """Return an error if passwords and codes would travel to the public URL in clear."""
    url = urlsplit(settings.WATCHWORD_PUBLIC_URL)
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or "")):
        return []
    hint = "Set WATCHWORD_PUBLIC_URL to an https:// address; plain http is for this machine alone."
    words = "The public address is not https, so passwords and codes would travel in clear."
    return [checks.Error(words, hint=hint, id="watchword.E006")]


@checks.register(checks.Tags.security)
def the_proxy_in_front_is_named(app_configs: Sequence[AppConfig] | None, **_options: Any) -> list[checks.Error]:
    """Return an error if the public URL is https and no proxy is configured. The web door itself has no TLS.

    Without it every browser has the proxy's address, and one person's wrong passwords throttle everybody.
    """
    is_https = urlsplit(settings.WATCHWORD_PUBLIC_URL).scheme == "https"
    if not is_https or settings.WATCHWORD_TRUSTED_PROXIES or settings.WATCHWORD_NO_PROXY:
        return []
    hint = (
        "Set WATCHWORD_TRUSTED_PROXIES to its address (127.0.0.1,::1 if it runs on this machine), or to none if what "
        "stands in front keeps the browser's address itself. See docs/operating/proxy.md."
    )
    words = "The public address is https, and the proxy that speaks it is not named: all browsers would look like one."
    return [checks.Error(words, hint=hint, id="watchword.E020")]


@checks.register(checks.Tags.security)
def the_file_of_breached_passwords_is_sorted(
    app_configs: Sequence[AppConfig] | None, **_options: Any
) -> list[checks.Error]:
    """Return an error if the file can't be used: bisection in an unsorted file would find no breached password."""
    file = settings.WATCHWORD_BREACHED_PASSWORDS_FILE
    reason = why_not_usable(Path(file)) if file else ""
    if not reason:
        return []
    hint = "WATCHWORD_BREACHED_PASSWORDS_FILE wants sorted lines of SHA-1; see docs/admin/service-settings.md."
    return [checks.Error(f"The file of breached passwords can't be used: {reason}.", hint=hint, id="watchword.E029")]


@checks.register(checks.Tags.compatibility)
def the_countries_file_is_a_country_database(
    app_configs: Sequence[AppConfig] | None, **_options: Any
) -> list[checks.Error]:
    """Return an error if the file can't be used, which would be noticed only by the first notice otherwise."""
    file = settings.WATCHWORD_COUNTRIES_FILE
    reason = geoip.why_not_usable(Path(file)) if file else ""
    if not reason:
        return []
    hint = "Set WATCHWORD_COUNTRIES_FILE to a country database, or unset it; see docs/operating/warnings.md."
    return [checks.Error(f"The countries file can't be used: {reason}.", hint=hint, id="watchword.E030")]
