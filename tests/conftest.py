"""What every test can ask for."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import environment

# How quick a busy machine is says nothing about the code: nothing here is a timed test.
settings.register_profile("watchword", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("watchword")

pytest_plugins = ["tests.world", "tests.commits", "tests.telephone", "tests.browser.chromium"]


@pytest.fixture(scope="session", autouse=True)
def every_address() -> None:
    """Work the addresses out now: within a test that plays a site without the demo they would stay without it."""
    import_module("watchword.config.urls")


@pytest.fixture(autouse=True)
def _lines_as_operators_read_them(caplog: pytest.LogCaptureFixture) -> None:
    """``caplog.text`` is what the console would show: with event code, trouble and ids."""
    from watchword.config.logs import LineFormatter

    caplog.handler.setFormatter(LineFormatter())


@pytest.fixture(autouse=True)
def no_synthesiser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs nothing but Python hears no real voice: it is the same where no synthesiser is installed."""
    from watchword.messaging.voice import tts

    tts.speak.cache_clear()
    if not any(request.node.get_closest_marker(name) for name in ("scenario", "browser", "synthesiser")):
        monkeypatch.setattr(tts, "PROGRAM", "no-synthesiser-in-tests")


@pytest.fixture(scope="session")
def installed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with keys and an empty database, as `watchword migrate` makes it: made once, to be copied."""
    home = tmp_path_factory.mktemp("installed")
    variables = {"WATCHWORD_DEMO": "yes", "WATCHWORD_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    words = [sys.executable, "-m", "watchword.cli.main", "migrate", "--verbosity", "0"]
    subprocess.run(words, env={"PATH": os.environ["PATH"], **variables}, check=True, timeout=120)
    return home


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """The tests' SQLite database is a file, as in real life: threads and processes can open it too."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"] == "watchword.config.sqlite":
        test = database.setdefault("TEST", {})
        test["NAME"] = str(environment.home / Path(test.get("NAME") or "test.sqlite3").name)
