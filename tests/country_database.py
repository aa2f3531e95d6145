"""A small made-up country database in MaxMind's format, for the demo and the tests.

``python -m tests.country_database`` writes the demo's file anew; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netaddr
from mmdb_writer import MMDBWriter

DEMO_FILE = Path(__file__).parents[1] / "watchword/demo/data/countries.mmdb"
DEMO_NETWORKS = {
    "192.0.2.0/24": "DE",
    "198.51.100.0/24": "DE",
    "203.0.113.0/24": "FR",
    "2001:db8::/33": "DE",
    "2001:db8:8000::/33": "FR",
}
"""Networks reserved for documentation (RFC 5737, RFC 3849), so that no real address has a made-up country."""
BUILT_AT = 1_767_225_600
"""2026-01-01T00:00:00Z in every file, so that the same networks produce the same octets."""


class _Writer(MMDBWriter):
    def _build_meta(self) -> dict[str, Any]:
        return {**super()._build_meta(), "build_epoch": BUILT_AT}


def write(file: Path, networks: Mapping[str, str], *, record: Mapping[str, Any] | None = None) -> Path:
    """Write a database with GeoLite2's layout and return its path; ``record`` replaces the record of each country."""
    writer = _Writer(
        ip_version=6,
        ipv4_compatible=True,
        database_type="Watchword-Sample-Country",
        languages=["en"],
        description="Made-up countries of the networks for documentation",
    )
    for network, country in networks.items():
        content = dict(record) if record is not None else {"country": {"iso_code": country}}
        writer.insert_network(netaddr.IPSet([network]), content)
    writer.to_db_file(str(file))
    return file


if __name__ == "__main__":
    DEMO_FILE.parent.mkdir(exist_ok=True)
    write(DEMO_FILE, DEMO_NETWORKS)
