"""`watchword keys create|list|rotate`: works before anything else does, so it needs no settings."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from watchword.config import keyfile
from watchword.config.environment import key_file_path


def keys(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Carries out the command; 0 if it was done, 1 if it couldn't be, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="watchword keys",
        description="The key ring seals what the database must not reveal. Keep a copy of its file, apart from the "
        "database's: without it nobody can sign in with what they registered.",
    )
    parser.add_argument("act", choices=["create", "list", "rotate"], help="make the file; show key ids; add a new key")
    parser.add_argument("--file", type=Path, help="the key file (WATCHWORD_KEYS_FILE, or `keys` in WATCHWORD_HOME)")
    wishes = parser.parse_args(arguments)
    if variables.get("WATCHWORD_KEYS") and wishes.file is None:
        parser.exit(
            1,
            "watchword keys: the ring is in WATCHWORD_KEYS, which this command can't change; name the file with "
            "--file, or move the ring into one and set WATCHWORD_KEYS_FILE.\n",
        )
    path: Path = wishes.file or key_file_path(variables)
    try:
        _carry_out(wishes.act, path)
    except keyfile.KeyFileError as error:
        print(f"watchword keys: {error}", file=sys.stderr)
        return 1
    return 0


def _carry_out(act: str, path: Path) -> None:
    match act:
        case "create":
            ring = keyfile.create(path)
            print(f"Made {path} with the key {ring.keys[0].id}. Keep a copy of it in a safe place.")
        case "rotate":
            ring = keyfile.rotate(path)
            print(
                f"Added the key {ring.keys[0].id} to {path}. Restart Watchword to use it; older keys stay for reading."
            )
        case "list":
            for position, key in enumerate(keyfile.read(path).keys):
                print(f"{key.id}  {'in use' if position == 0 else 'kept for reading'}")
        case _:
            raise AssertionError(act)
