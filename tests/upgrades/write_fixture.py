"""Write the state of a release, with rows in every table: `python -m tests.upgrades.write_fixture 0.2.0`.

For SQLite and PostgreSQL one dump each, as SQL, compressed; and what opens them. The state is that of all migrations,
or with ``--initial`` that of each app's first one.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from tests import postgres
from tests.commands import run_program, succeed
from tests.environment import KEYS

HERE = Path(__file__).parent
FILL = """
import json
from tests.upgrades.filling import empty_tables, fill
made = fill()
assert not empty_tables(), empty_tables()
print(json.dumps(made))
"""
TO_INITIAL = """
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
for app in sorted(MigrationLoader(connection).migrated_apps):
    call_command("migrate", app, "0001", verbosity=0)
"""
VARIABLES = {"WATCHWORD_DEMO": "yes", "WATCHWORD_KEYS": KEYS}


def write(name: str, *, is_initial: bool) -> None:
    """Write the fixture of a release into its folder."""
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    cluster = postgres.start()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            home = Path(scratch)
            succeed("migrate", "--verbosity", "0", home=home, **VARIABLES)
            made = run_program(FILL, home=home, **VARIABLES).splitlines()[-1]
            succeed("db", "move", "--to", cluster.url("postgres"), home=home, **VARIABLES)
            variables = {**VARIABLES, "WATCHWORD_DATABASE_URL": cluster.url("postgres")}
            if is_initial:
                run_program(TO_INITIAL, home=home, **VARIABLES)
                run_program(TO_INITIAL, home=home, **variables)
            with closing(sqlite3.connect(home / "watchword.sqlite3")) as database:
                text = "\n".join(database.iterdump())
        words = ["pg_dump", "--no-owner", "--no-privileges", cluster.url("postgres")]
        dumped = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    finally:
        cluster.stop()
    # psql's own commands keep a dump from newer programs out of older ones, for no reason here.
    plain = "\n".join(
        line for line in dumped.splitlines() if not line.startswith("\\restrict") and "unrestrict" not in line
    )
    for kind, content in (("sqlite", text), ("postgresql", plain)):
        (folder / f"{kind}.sql.xz").write_bytes(lzma.compress(content.encode(), preset=9 | lzma.PRESET_EXTREME))
    (folder / "known.json").write_text(json.dumps(json.loads(made), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--initial", action="store_true")
    given = parser.parse_args()
    write(given.name, is_initial=given.initial)
