"""Sign-ins through Dovecot 2.4: the printed Lua script, which keeps its connections, beside one that connects anew."""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

from benchmarks import asking, people
from benchmarks.socket_rates import running

ROUNDS = 3
PEOPLE = 1_000
SECONDS = 4
CONNECTIONS = 16
KEEPS = "    if answer then\n      return answer\n"
CONNECTS_ANEW = "    if answer then\n      close(path)\n      return answer\n"

_CONFIGURATION = """\
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
!include {folder}/watchword.conf.ext
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols =
ssl = no
auth_allow_cleartext = yes
auth_failure_delay = 0
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
service auth {{
  unix_listener bench {{
    path = {folder}/auth
    mode = 0600
  }}
}}
"""


def main(home: Path) -> None:
    """Measure both scripts in turns and print their rates and the ratio of each pair of turns."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from tests.scenarios.mail.servers import DOVECOT, Missing, servers

    programs = servers("2.4")
    if isinstance(programs, Missing):
        raise SystemExit(f"nothing was measured: {programs}")
    names = people.make(PEOPLE, 1, timezone.now())
    connection.close()
    lines = [asking.line_of(name, people.secret_of(number, 0)) for number, name in enumerate(names)]
    home.chmod(0o755)
    programs.prepare(home)
    folders = {name: home / name for name in ("kept", "anew")}
    try:
        for name, folder in folders.items():
            (folder / "state").mkdir(parents=True)
            folder.chmod(0o755)
            call_command(
                "mail_config", "dovecot", "--version", "2.4", "--folder", str(folder), "--write", stdout=sys.stderr
            )
            if name == "anew":
                script = folder / "watchword.lua"
                text = script.read_text()
                if KEEPS not in text:
                    raise SystemExit("the script has another shape than this benchmark expects")
                script.write_text(text.replace(KEEPS, CONNECTS_ANEW))
            (folder / "dovecot.conf").write_text(_CONFIGURATION.format(folder=folder))
        rates: dict[str, list[float]] = {name: [] for name in folders}
        door = settings.WATCHWORD_MAIL_SOCKET_DIRECTORY / "auth"
        with running([sys.executable, "-m", "watchword.cli.main", "serve", "mail"], door, dict(os.environ)):
            for _ in range(ROUNDS):
                for name, folder in folders.items():
                    words = programs.command(home, DOVECOT, "-F", "-c", str(folder / "dovecot.conf"))
                    with running(words, folder / "auth"):
                        rate, yes = asking.rate(
                            str(folder / "auth"), lines, seconds=SECONDS, connections=CONNECTIONS, in_flight=1
                        )
                    if yes < 1:
                        raise SystemExit(
                            f"{1 - yes:.0%} of right passwords were refused, which says nothing of the rate"
                        )
                    rates[name].append(rate)
                    # Dovecot leaves its socket behind, which would look like the next one's.
                    (folder / "auth").unlink(missing_ok=True)
    finally:
        programs.clear(home)
    ratios = [kept / anew for kept, anew in zip(rates["kept"], rates["anew"], strict=True)]
    for name, label in (("kept", "one kept connection"), ("anew", "a connection for each question")):
        print(f"Dovecot 2.4, {label}: {statistics.median(rates[name]):,.0f} a second")
    print(f"kept beside anew: {', '.join(f'{ratio:.2f}' for ratio in ratios)} (median {statistics.median(ratios):.2f})")
