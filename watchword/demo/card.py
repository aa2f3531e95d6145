"""The card that the demo prints: addresses, names, one-time passwords, what to try first."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from watchword.demo.sample import DOMAIN, Made
from watchword.directory.actions import find_by_name
from watchword.signin.overview import password_of

FILE = "demo-card.json"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo answers, on 127.0.0.1."""

    web: int
    imap: int
    submission: int


def keep(home: Path, made: Made) -> None:
    """Keep what the card tells in a file of its owner's alone, so that the next start can print it again."""
    path = home / FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(made), file)


def kept(home: Path) -> Made | None:
    """Return what an earlier start kept; None where there was none."""
    try:
        return Made(**json.loads((home / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def text(made: Made, ports: Ports) -> str:
    """Return the card."""
    web = f"http://127.0.0.1:{ports.web}"
    names = "\n".join(f"  {_line(name, secret)}" for name, secret in made.passwords.items())
    curl = (
        f"curl --silent --user 'alice@{DOMAIN}:{made.alices_app_password}' "
        f"'imap://127.0.0.1:{ports.imap}/INBOX;MAILINDEX=1'"
    )
    return f"""
Watchword is ready.

  Sign in          {web}/
  The telephone    {web}/demo/telephone/     texts and calls arrive here
  A mail program   IMAP 127.0.0.1:{ports.imap}, SMTP 127.0.0.1:{ports.submission}, no encryption, any sign-in name below

One-time passwords (you choose your own at the first sign-in):

{names}

Try first:

  1. Sign in as bob@{DOMAIN}. Watchword asks for a telephone: make up a German mobile number
     such as 0151 23456789, and read the code from the telephone page. You get one app password.
  2. Sign in as root@{DOMAIN} in another browser: the nine dots at the top, Admin, Active users.
     Open Carol, then "Manage multi-factor authentication" at the foot, and enable her.
  3. Read Alice's mail with an app password; her own password is refused here:

     {curl}

Ctrl-C ends everything. The next start goes on with the same data; `make demo RESET=1` begins anew.
"""


def _line(name: str, secret: str) -> str:
    about = {
        "root": "Global Administrator",
        "alice": "Enforced: has a telephone and app passwords",
        "bob": "Enabled: must register",
        "carol": "Disabled: a password is enough, for now",
    }
    user = find_by_name(f"{name}@{DOMAIN}")
    row = password_of(user) if user is not None else None
    shown = secret if row is not None and row.is_initial else "(your own by now)"
    return f"{name + '@' + DOMAIN:<24} {shown:<22} {about[name]}"
