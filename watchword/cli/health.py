"""`watchword health [web|mail|worker|phones|all]`: asks each process of this machine whether it works.

::

    web      GET /health/ready at its address
    mail     a look-up through its socketmap socket, which passes its event loop, its threads and the database
    worker   its heartbeat in the database, written by the loop that runs the jobs
    phones   its heartbeat, written by the loop that holds the gateways
    all      each of these that this installation has, and what else an operator has to look at

The exit status is 0 if all that was asked works, else 1: a container's HEALTHCHECK and a timer can use it.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from watchword.config import setting_definitions as definitions
from watchword.config.environment import read_setting
from watchword.config.parsers import InvalidSetting

TIMEOUT_SECONDS = 5.0
SOCKETMAP = "socketmap"
"""The file name of the mail door's socketmap socket; the door's own module would load Django."""
_READY = "/health/ready"
_OK = 200
_ASKED = b"sender_logins watchword-check@watchword.invalid"
"""A look-up of an address that can't exist (RFC 2606); it is no sign-in, so that nothing is recorded."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (read, not listened on)


@dataclass(frozen=True, slots=True)
class Health:
    """What was found out about one process."""

    healthy: bool
    says: str


def health(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Print how each process does, and return the exit status: 0 if all that was asked works."""
    parser = argparse.ArgumentParser(prog="watchword health", description="Ask the processes of this machine.")
    parser.add_argument("what", nargs="?", choices=[*CHECKS, "all"], default="all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    config = parser.parse_args(arguments)
    try:
        return _report(config.what, variables, as_json=config.json)
    except InvalidSetting as error:
        print(f"watchword health: {error}", file=sys.stderr)
        return 1


def _report(what: str, variables: Mapping[str, str], *, as_json: bool) -> int:
    asked = _installed() if what == "all" else [what]
    if not asked:
        return 1
    found = {name: CHECKS[name](variables) for name in asked}
    notes = _notes() if what == "all" else []
    healthy = all(one.healthy for one in found.values())
    if as_json:
        processes = {name: {"healthy": one.healthy, "says": one.says} for name, one in found.items()}
        print(json.dumps({"healthy": healthy, "processes": processes, "notes": notes}))
    else:
        for name, one in found.items():
            print(f"{name}: {'ok' if one.healthy else 'NOT OK'}, {one.says}")
        for note in notes:
            print(f"note: {note}")
    return 0 if healthy else 1


def _installed() -> list[str]:
    """Return the processes that `watchword serve` runs here; empty if the settings or the database can't be used."""
    from watchword.cli.main import set_up_django

    if set_up_django() != 0:
        return []
    from django.conf import settings

    return [name for name in CHECKS if name != "phones" or settings.WATCHWORD_PHONES.gateways]


def _notes() -> list[str]:
    """Return what an operator has to look at although the processes run; it does not change the exit status."""
    from django.db import DatabaseError, connection
    from django.utils import timezone

    from watchword.admincenter.reports import health_report
    from watchword.core.database_errors import database_trouble

    try:
        return [problem.words for problem in health_report.read(now=timezone.now()).problems]
    except DatabaseError as error:
        return [f"{database_trouble(error)}."]
    finally:
        connection.close()


def ask_web(variables: Mapping[str, str]) -> Health:
    """Ask the web server whether it is ready."""
    host, port = read_setting(variables, definitions.LISTEN)
    connection = HTTPConnection(_ANYWHERE.get(host, host), port, timeout=TIMEOUT_SECONDS)
    place = f"{host} port {port}"
    try:
        connection.request("GET", _READY)
        response = connection.getresponse()
        status, body = response.status, response.read(10_000)
    except (OSError, HTTPException) as error:
        return Health(False, f"nothing answers at {place} ({_name_of(error)})")
    finally:
        connection.close()
    if status == _OK:
        return Health(True, f"ready at {place}")
    failed = _failed(body)
    return Health(False, f"it is not ready: {failed}" if failed else f"{place} answers with status {status}")


def _failed(body: bytes) -> str:
    try:
        return ", ".join(map(str, json.loads(body)["failed"]))
    except (ValueError, KeyError, TypeError):
        return ""


def ask_mail(variables: Mapping[str, str]) -> Health:
    """Let the mail door look up an address that can't exist."""
    path = Path(read_setting(variables, definitions.MAIL_SOCKET_DIRECTORY)) / SOCKETMAP
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(TIMEOUT_SECONDS)
        try:
            asking.connect(str(path))
            asking.sendall(b"%d:%s," % (len(_ASKED), _ASKED))
            while not answer.endswith(b",") and len(answer) < len(_ASKED):
                if not (octets := asking.recv(1024)):
                    break
                answer += octets
        except OSError as error:
            return Health(False, f"nothing answers at {path} ({_name_of(error)})")
    match answer.partition(b":")[2].split(b" ")[0]:
        case b"NOTFOUND":
            return Health(True, f"answers at {path}")
        case b"TEMP":
            return Health(False, "it answers, but the database does not")
        case _:
            return Health(False, f"what listens at {path} is not the mail door")


def ask_heartbeat(process: str) -> Health:
    """Read the heartbeat of a process on this machine."""
    from watchword.cli.main import set_up_django

    if set_up_django() != 0:
        return Health(False, "the settings can't be used")
    from django.db import DatabaseError, connection
    from django.utils import timezone

    from watchword.audit import heartbeats
    from watchword.core.database_errors import database_trouble

    now = timezone.now()
    try:
        row = heartbeats.of_this_host(process, now=now)
    except DatabaseError as error:
        return Health(False, database_trouble(error))
    finally:
        connection.close()
    if row is None:
        seconds = int(heartbeats.LATE.total_seconds())
        return Health(False, f"no heartbeat on {heartbeats.host_name()} for {seconds} s")
    return Health(True, f"seen {max(0, int((now - row.seen_at).total_seconds()))} s ago")


def _name_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


CHECKS: Mapping[str, Callable[[Mapping[str, str]], Health]] = {
    "web": ask_web,
    "mail": ask_mail,
    "worker": lambda _variables: ask_heartbeat("worker"),
    "phones": lambda _variables: ask_heartbeat("phones"),
}
"""How each process is asked."""
