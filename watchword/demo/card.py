"""The card that the demo prints: URLs, names, one-time passwords, what to try first."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from watchword.core.policy import MfaState
from watchword.demo import real_phones
from watchword.demo.ports import HOST, Ports
from watchword.demo.sample import DOMAIN, Made
from watchword.directory.actions import find_by_name
from watchword.messaging.config_file import Phones
from watchword.signin.queries import password_of

FILE = "demo-card.json"
MADE_UP = f"""  1. Sign in as bob@{DOMAIN}. Watchword asks for a telephone: make up a German mobile number
     such as 0151 23456789, and read the code from the telephone page. You get one app password."""
REAL = f"""  1. Sign in as bob@{DOMAIN} and give a telephone of your own. Only Germany is allowed at first: as Root,
     under Admin, Phone delivery, Rules, allow your country. You get one app password. Root has no telephone here:
     the code comes from `WATCHWORD_DEMO=yes watchword code root@{DOMAIN}` in a second terminal."""


_STATES = {
    MfaState.DISABLED: "Disabled: a password is enough, for now",
    MfaState.ENABLED: "Enabled: must register",
    MfaState.ENFORCED: "Enforced: has a telephone",
}
_MORE = {"root": ("Global Administrator, ", ""), "alice": ("", " and app passwords")}


def begin(home: Path) -> None:
    """Create an empty card file, as a mark that a demo is being created in this folder."""
    _write(home, "")


def keep(home: Path, made: Made) -> None:
    """Store the card's data in a file that only its owner can read, for the next start."""
    _write(home, json.dumps(asdict(made)))


def stored(home: Path) -> Made | None:
    """Return the data that an earlier start stored; None if there is none."""
    try:
        return Made(**json.loads((home / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def text(made: Made, ports: Ports, phones: Phones) -> str:
    """Return the text of the card."""
    web = f"http://{HOST}:{ports.web}"
    names = "\n".join(f"  {_line(name, secret)}" for name, secret in made.passwords.items())
    curl = (
        f"curl --silent --user 'alice@{DOMAIN}:{made.alices_app_password}' "
        f"'imap://{HOST}:{ports.imap}/INBOX;MAILINDEX=1'"
    )
    if not phones.is_simulated:
        where, first, phone = f"Real telephones  {real_phones.names_of(phones)}", REAL, "telephone"
        roots_code = ""
    else:
        where = f"The telephone    {web}/demo/telephone/     texts and calls arrive here"
        first, phone = MADE_UP, "telephone page"
        roots_code = "; the code is on the telephone page"
    return f"""
Watchword is ready.

  Sign in          {web}/
  {where}
  Mail             {web}/demo/mail/          in the browser, behind Watchword
  A mail program   IMAP {HOST}:{ports.imap}, SMTP {HOST}:{ports.submission}, no encryption, any sign-in name below

One-time passwords (you choose your own at the first sign-in):

{names}

Try first:

{first}
  2. Sign in as root@{DOMAIN} in another browser{roots_code}.
     The nine dots at the top, Admin, Active users. Open Carol, then "Manage multi-factor authentication"
     at the foot, and enable her.
  3. Sign Bob out and in again: a code from the {phone} is asked before his apps appear. Choose Mail.
  4. Read Alice's mail with an app password; her own password is refused here:

     {curl}

  5. Be a stranger: in a private window sign in as Bob with the password that you have chosen for him, and type
     two wrong codes. Bob's mail tells him within seconds; the link in it, "This wasn't me", shuts the stranger out.
     Root sees it under Admin, Alerts.

Ctrl-C ends everything. The next start goes on with the same data; `make demo RESET=1` begins anew.
"""


def _write(home: Path, words: str) -> None:
    descriptor = os.open(home / FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(words)


def _line(name: str, secret: str) -> str:
    user = find_by_name(f"{name}@{DOMAIN}")
    about = _STATES[user.state] if user is not None else "(not there any more)"
    before, after = _MORE.get(name, ("", ""))
    row = password_of(user) if user is not None else None
    shown = secret if row is not None and row.is_initial else "(your own by now)"
    return f"{name + '@' + DOMAIN:<24} {shown:<22} {before}{about}{after}"
