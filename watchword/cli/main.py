"""The `watchword` command: its own subcommands, and Django's management commands below them."""

import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from watchword import __version__

SETTINGS = "watchword.config.settings"
_ONLY_LOOKS = frozenset({"--plan", "--check"})
_VERIFY = "--verify"
_ONLY_READ = frozenset({"verify"})
_NEED_NO_DATABASE = frozenset({"demo", "demo_mailbox", "mail_config", "role_table", "limit_table"})
USAGE_ERROR = 2


@dataclass(frozen=True, slots=True)
class Word:
    """One subcommand: its summary, and the function or the management command that runs it."""

    summary: str
    run: Callable[[Sequence[str]], int] | None = None
    management_command: str = ""
    arguments: tuple[str, ...] = ()


def _serve(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["kick"]:
        from watchword.cli.serve_kick import serve_kick

        return serve_kick(arguments[1:])
    from watchword.cli.serve import serve

    return serve(arguments)


def _keys(arguments: Sequence[str]) -> int:
    from watchword.cli.keys import keys

    return keys(arguments, os.environ)


def _migrate(arguments: Sequence[str]) -> int:
    if (status := set_up_django()) != 0:
        return status
    from watchword.cli import readiness

    if {"-h", "--help"} & set(arguments):
        print(f"Besides Django's options: {_VERIFY} runs `watchword verify` afterwards.\n")
    elif reason := readiness.why_not_migratable():
        print(f"watchword migrate: {reason}", file=sys.stderr)
        return 1
    others = [word for word in arguments if word != _VERIFY]
    if (status := run_management_command("migrate", others)) != 0 or _ONLY_LOOKS & set(arguments):
        return status
    if readiness.why_not_ready():
        # Only some migrations were asked for.
        return 0
    readiness.note_migrated()
    if _VERIFY in arguments:
        return run_management_command("verify", [])
    return _check_newest_seals()


def _check_newest_seals() -> int:
    """Check the end of the log: a migration could lose data, and checking all of it can take minutes."""
    from watchword.cli.upgrade import check_newest_seals

    problems = check_newest_seals()
    for problem in problems:
        print(f"watchword migrate: {problem}", file=sys.stderr)
    if problems:
        print("watchword migrate: `watchword verify` says more; there may be a backup to restore.", file=sys.stderr)
    return 1 if problems else 0


def _check(arguments: Sequence[str]) -> int:
    from watchword.cli.operator_checks import check

    return check(arguments)


def _settings(arguments: Sequence[str]) -> int:
    from watchword.cli.settings_reference import settings

    return settings(arguments, os.environ)


def _health(arguments: Sequence[str]) -> int:
    from watchword.cli.health import health

    return health(arguments, os.environ)


def _backup(arguments: Sequence[str]) -> int:
    from watchword.cli.backup import backup

    return backup(arguments)


def _access_list(arguments: Sequence[str]) -> int:
    from watchword.cli.backup import write_access_list

    return write_access_list(arguments)


def _restore(arguments: Sequence[str]) -> int:
    from watchword.cli.restore import restore

    return restore(arguments)


def _upgrade(arguments: Sequence[str]) -> int:
    from watchword.cli.upgrade import upgrade

    return upgrade(arguments)


def _db(arguments: Sequence[str]) -> int:
    from watchword.cli.database_move import move

    return move(arguments)


def _phones(arguments: Sequence[str]) -> int:
    from watchword.cli.phones import phones

    return phones(arguments, os.environ)


def _demo(arguments: Sequence[str]) -> int:
    from watchword.config.extras import why_not_installed

    if reason := why_not_installed("demo"):
        print(f"watchword demo: {reason}", file=sys.stderr)
        return 1
    os.environ.setdefault("WATCHWORD_DEMO", "yes")
    return run_management_command("demo", arguments)


WORDS: Mapping[str, Word] = {
    "demo": Word("try everything: sample people, a telephone on a page, an embedded mailbox", run=_demo),
    "serve": Word("answer people and programs: serve [web|mail|worker|phones|kick|all]", run=_serve),
    "migrate": Word("bring the database up to date; --verify verifies all of it afterwards", run=_migrate),
    "createadmin": Word("make an administrator and print a one-time link", management_command="createadmin"),
    "code": Word("print a code for an administrator whom no text or call can reach", management_command="code"),
    "emergency-access": Word(
        "accounts for when no administrator can sign in: emergency-access create|list|renew|end",
        management_command="emergency_access",
    ),
    "domain": Word("mail domains, and a further organisation: domain list|add|remove", management_command="domain"),
    "keys": Word("the key ring: keys create|list|rotate|use|retire|give-up", run=_keys),
    "check": Word("look for mistakes in the environment, the settings, the database and what is round it", run=_check),
    "health": Word("ask the running processes: health [web|mail|worker|phones|all]", run=_health),
    "settings": Word("print what holds of every setting, and where it comes from", run=_settings),
    "mail-config": Word("print configuration for Dovecot or Postfix", management_command="mail_config"),
    "phones": Word("the phones file: phones check|seal", run=_phones),
    "verify": Word("look whether everything in the database is as it must be", management_command="verify"),
    "backup": Word("copy the database into an archive while it is served, and try its restore", run=_backup),
    "access-list": Word("write what is valid now, so that a restore revokes the rest again", run=_access_list),
    "restore": Word("load a backup into an empty home, and make it safe to serve", run=_restore),
    "upgrade": Word("say what an upgrade does to the database, back it up, and migrate", run=_upgrade),
    "db": Word("move the database from SQLite to PostgreSQL: db move --to URL", run=_db),
    "import-people": Word("read people from a CSV file", management_command="import_people"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (without the program's own name) and return the exit status, 2 for wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Files that this process creates (database, sockets, key file) are private to its user.
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    match words:
        case []:
            print(usage(), file=sys.stderr)
            return USAGE_ERROR
        case ["-h" | "--help" | "help"]:
            print(usage())
            return 0
        case ["--version" | "version"]:
            print(f"watchword {__version__}")
            return 0
        case ["help", name]:
            return run(name, ["--help"])
        case [name, *rest]:
            return run(name, rest)
        case _:
            raise AssertionError(words)


def run(name: str, arguments: Sequence[str]) -> int:
    """Run one subcommand with its arguments, and return the exit status."""
    word = WORDS.get(name)
    if word is None:
        return run_management_command(name, arguments)
    if word.run is not None:
        return word.run(arguments)
    return run_management_command(word.management_command, [*word.arguments, *arguments])


def usage() -> str:
    """Return the text that `watchword --help` prints."""
    width = max(map(len, WORDS))
    lines = "\n".join(f"  {name:<{width}}  {word.summary}" for name, word in WORDS.items())
    return (
        f"usage: watchword COMMAND [ARGUMENTS]\n\n{lines}\n\n"
        "`watchword help COMMAND` says more. Any other management command of Django works too.\n"
        "Settings come from environment variables; `watchword settings` shows them, and names every mistake in them."
    )


def run_management_command(name: str, arguments: Sequence[str]) -> int:
    """Run a management command of Django. Print errors of the environment and unknown commands without a traceback."""
    if (status := set_up_django()) != 0:
        return status
    from django.core.management import ManagementUtility, get_commands

    known = get_commands()
    if name not in known:
        return _unknown(name, known)
    if _reads_the_database(name, known[name]) and not {"-h", "--help"} & set(arguments):
        from watchword.cli import readiness

        reason = readiness.why_not_ready()
        if reason is None and name not in _ONLY_READ:
            reason = readiness.why_keys_not_noted()
        if reason:
            print(f"watchword {_word_of(name)}: {reason}", file=sys.stderr)
            return 1
    ManagementUtility(["watchword", name, *arguments]).execute()
    return 0


def set_up_django() -> int:
    """Load the settings and apps. Return 0, or 1 after printing what is wrong with the environment."""
    import django
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _reads_the_database(name: str, owner: object) -> bool:
    """Return whether a command belongs to Watchword and reads or writes the database."""
    is_djangos = str(getattr(owner, "__module__", owner)).startswith("django.")
    return not is_djangos and name not in _NEED_NO_DATABASE


def _word_of(name: str) -> str:
    return next((word for word, what in WORDS.items() if what.management_command == name), name.replace("_", " "))


def _unknown(name: str, known: Mapping[str, object]) -> int:
    print(f"watchword: there is no command {name!r}.", file=sys.stderr)
    if name in WORDS or name in {word.management_command for word in WORDS.values()}:
        print("It belongs to a part that isn't loaded here.", file=sys.stderr)
    elif close := difflib.get_close_matches(name, {*WORDS, *known}, n=3):
        print(f"Did you mean {' or '.join(close)}?", file=sys.stderr)
    print("`watchword --help` lists the commands.", file=sys.stderr)
    return USAGE_ERROR


if __name__ == "__main__":
    sys.argv[0] = str(Path(sys.argv[0]).with_name("watchword"))
    sys.exit(main())
