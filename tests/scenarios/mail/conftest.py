"""One mail site for all scenarios; each scenario has a world of its own in the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.mail.site import Site, started


@pytest.fixture(scope="session")
def running_site(django_db_setup: None) -> Iterator[Site]:
    """Yield a site that runs Dovecot, Postfix and the mail door."""
    with started(Site) as site:
        yield site


@pytest.fixture
def site(running_site: Site, transactional_db: None) -> Iterator[Site]:
    """Yield the site with its door open; open the door again afterwards."""
    running_site.open_door()
    yield running_site
    running_site.open_door()
