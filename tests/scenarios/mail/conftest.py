"""One mail site for all scenarios; each finds it running, with a world of its own in the database."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.mail.site import Site, database_url, why_not_here


@pytest.fixture(scope="session")
def running_site(django_db_setup: None) -> Iterator[Site]:
    """Dovecot, Postfix and the mail door."""
    if reason := why_not_here():
        pytest.skip(reason)
    # Not pytest's own folder: the mail servers' users must be able to pass through.
    folder = Path(tempfile.mkdtemp(prefix="watchword-site-"))
    folder.chmod(0o755)
    site = Site(folder, database_url())
    try:
        site.start()
        yield site
    finally:
        site.stop()
        shutil.rmtree(folder)


@pytest.fixture
def site(running_site: Site, transactional_db: None) -> Iterator[Site]:
    """The site, with its door open before and after."""
    running_site.open_door()
    yield running_site
    running_site.open_door()
