"""Fixtures and settings for every test."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import environment

# The speed of a busy machine says nothing about the code, so no test here has a deadline.
settings.register_profile("watchword", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("watchword")

pytest_plugins = [
    "tests.world",
    "tests.doors.oidc.relying_party",
    "tests.commits",
    "tests.telephone",
    "tests.browser.chromium",
]


@pytest.fixture(scope="session", autouse=True)
def every_address() -> None:
    """Build the URL table now: if a test without the demo built it first, the demo's URLs would stay missing."""
    import_module("watchword.config.urls")


@pytest.fixture(autouse=True)
def _lines_as_operators_read_them(caplog: pytest.LogCaptureFixture) -> None:
    """Format ``caplog.text`` as the console does: with event code, exception and ids."""
    from watchword.config.logs import LineFormatter

    caplog.handler.setFormatter(LineFormatter())


@pytest.fixture(autouse=True)
def no_synthesiser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable the synthesiser for unit tests, so that they run the same on machines without one."""
    from watchword.messaging.voice import tts

    tts.speak.cache_clear()
    if not any(request.node.get_closest_marker(name) for name in ("scenario", "browser", "synthesiser")):
        monkeypatch.setattr(tts, "PROGRAM", "no-synthesiser-in-tests")


@pytest.fixture(scope="session")
def installed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with keys and an empty database, as made by `watchword migrate`: created once, to be copied."""
    home = tmp_path_factory.mktemp("installed")
    variables = {"WATCHWORD_DEMO": "yes", "WATCHWORD_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    words = [sys.executable, "-m", "watchword.cli.main", "migrate", "--verbosity", "0"]
    subprocess.run(words, env={"PATH": os.environ["PATH"], **variables}, check=True, timeout=120)
    return home


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Put the tests' SQLite database into a file, as in production, so that threads and processes can open it too."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"] == "watchword.config.sqlite":
        test = database.setdefault("TEST", {})
        test["NAME"] = str(environment.home / Path(test.get("NAME") or "test.sqlite3").name)
