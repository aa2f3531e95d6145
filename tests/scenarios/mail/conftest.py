"""A mail site with each version of Dovecot for all scenarios; each scenario has a world of its own in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.scenarios.mail.servers import VERSIONS
from tests.scenarios.mail.site import Site, started


@pytest.fixture(scope="session")
def sites(django_db_setup: None) -> Iterator[Callable[[str], Site]]:
    """Yield a function that returns the site with a version of Dovecot, started at its first use."""
    running: dict[str, Site] = {}
    with ExitStack() as stack:

        def site_with(dovecot: str) -> Site:
            if dovecot not in running:
                running[dovecot] = stack.enter_context(started(Site, dovecot))
            return running[dovecot]

        yield site_with


@pytest.fixture(scope="session", params=VERSIONS, ids="dovecot {}".format)
def running_site(request: pytest.FixtureRequest, sites: Callable[[str], Site]) -> Site:
    """Return a site that runs Dovecot, Postfix and the mail door."""
    return sites(request.param)


@pytest.fixture
def site(running_site: Site, transactional_db: None) -> Iterator[Site]:
    """Yield the site with its door open; open the door again afterwards."""
    running_site.open_door()
    yield running_site
    running_site.open_door()
