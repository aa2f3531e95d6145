"""`watchword keys create|list|rotate|use|retire|give-up`. To create a ring it needs no other setting."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from watchword.cli.key_retirement import give_up, retire
from watchword.config import keyfile
from watchword.config.environment import has_key_ring_in_variable, key_file_path, read_setting
from watchword.config.parsers import InvalidSetting
from watchword.config.setting_definitions import DATABASE_URL

ACTS = {
    "create": "make the file",
    "list": "show key ids",
    "rotate": "add a new key, for reading at first",
    "use": "seal with a key from now on",
    "retire": "seal anew what lies under a key, and take it off",
    "give-up": "void what no key of the ring can open",
}
_WITH_ID = frozenset({"use", "retire"})


def keys(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the command; return 0 if it succeeded, 1 if it failed, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="watchword keys",
        description="The key ring seals what the database must not reveal. Keep a copy of its file, apart from the "
        "database's: without it nobody can sign in with what they registered.",
    )
    parser.add_argument("act", choices=list(ACTS), help="; ".join(f"{act}: {what}" for act, what in ACTS.items()))
    parser.add_argument("id", nargs="?", default="", help="the key's id, as `keys list` shows it (use, retire)")
    parser.add_argument("--file", type=Path, help="the key file (WATCHWORD_KEYS_FILE, or `keys` in WATCHWORD_HOME)")
    parser.add_argument("--drop", action="store_true", help="retire: revoke the app passwords that still need it")
    parser.add_argument("--yes", action="store_true", help="give-up: do it; otherwise only say what would be lost")
    config = parser.parse_args(arguments)
    if (config.act in _WITH_ID) != bool(config.id):
        parser.error(f"{config.act} {'needs' if config.act in _WITH_ID else 'takes no'} key id")
    if has_key_ring_in_variable(variables) and config.file is None:
        parser.exit(
            1,
            "watchword keys: the ring is in WATCHWORD_KEYS, which this command can't change; name the file with "
            "--file, or move the ring into one and set WATCHWORD_KEYS_FILE.\n",
        )
    path: Path = config.file or key_file_path(variables)
    try:
        match config.act:
            case "create":
                return _create(path, variables)
            case "retire":
                return retire(path, config.id, drop=config.drop)
            case "give-up":
                return give_up(path, is_real=config.yes)
            case _:
                _carry_out(config.act, path, config.id)
    except keyfile.KeyFileError as error:
        print(f"watchword keys: {error}", file=sys.stderr)
        return 1
    return 0


def _create(path: Path, variables: Mapping[str, str]) -> int:
    holds, doubt = keyfile.what_database_holds(_database(variables))
    if holds and not path.exists():
        print(
            f"watchword keys: {holds} was sealed with a key ring, and a new one can't open it. "
            f"Restore its file to {path}. Where no copy is left, `watchword keys give-up` tells what can be done.",
            file=sys.stderr,
        )
        return 1
    ring = keyfile.create(path)
    print(f"Made {path} with the key {ring.keys[0].id}. Keep a copy of it in a safe place.")
    if doubt:
        print(f"Whether the database is a new one could not be seen: {doubt}.")
    return 0


def _database(variables: Mapping[str, str]) -> Mapping[str, object]:
    """Return Django's entry for the database, read without a key ring; empty if the setting is wrong."""
    try:
        return read_setting(variables, DATABASE_URL)
    except InvalidSetting:
        return {}


def _carry_out(act: str, path: Path, key_id: str) -> None:
    match act:
        case "rotate":
            new = keyfile.add(path)
            print(
                f"Added the key {new} to {path}, for reading. Copy the file to every server and restart each process "
                f"of Watchword; then run `watchword keys use {new}` and do so again. Until then the older key seals."
            )
        case "use":
            keyfile.use(path, key_id)
            print(f"{key_id} seals from now on. Copy {path} to every server and restart each process of Watchword.")
        case "list":
            for position, key in enumerate(keyfile.read(path).keys):
                print(f"{key.id}  {'in use' if position == 0 else 'kept for reading'}")
        case _:
            raise AssertionError(act)
