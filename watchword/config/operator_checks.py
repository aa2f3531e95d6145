"""`watchword check`: what Django's checks don't see: the database, the keys, and what is round the program."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def check(arguments: Sequence[str]) -> int:
    """Print every mistake and every warning; 1 where anything must be mended before Watchword can serve."""
    from watchword.config.command import run_management_command, set_up_django

    if (status := set_up_django()) != 0:
        return status
    from watchword.config import readiness

    if {"-h", "--help"} & set(arguments):
        return run_management_command("check", arguments)
    if reason := readiness.why_not_ready():
        print(f"watchword check: {reason}", file=sys.stderr)
        status = 1
        if readiness.why_unusable():
            # Django's checks of the models connect, which would make a file, or fail with a page of traceback.
            print("Nothing else was looked at.", file=sys.stderr)
            return status
    try:
        # Django's own checks of the database ask it, and would only say the same again.
        asked = [] if status else ["--database", "default"]
        status = run_management_command("check", [*asked, *arguments]) or status
    except SystemExit as end:
        status = int(end.code or 0) or status
    return status
