"""Finds the installed Dovecot, and checks by its own programs whether a sign-in reaches the mail door.

The checks go from the files to the sign-in, and stop at the first fault that makes the later ones meaningless.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import DenyReason
from watchword.core.policy import Door
from watchword.directory.actions import find_by_name
from watchword.doors.mail.server_config import ConfigurationFile, DovecotVersion
from watchword.doors.mail.sockets import AUTH_SOCKET, DICT_SOCKET

_SECONDS = 30
_LOOKED_BACK = timedelta(hours=1)
_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
_MODULES = "lib/**/dovecot/modules/auth/libauthdb_lua.so"
_LUA_SOCKET = "share/lua/5.*/mime.lua"
_PROBE_NAME = "nobody-at-all@watchword-check.invalid"
"""A name that nobody has (RFC 2606), with letters that every configuration lets pass."""
_NO_SECRET = "zzzz zzzz zzzz zzzz zzzz zzzz"  # noqa: S105  (it opens nothing)
"""Shaped like an app password, so that its refusal costs no slow hash and counts against nobody."""
_REFUSED = 77
"""The exit status of ``doveadm auth test`` for a wrong password (EX_NOPERM of sysexits.h)."""
_PASSDB_2_3 = re.compile(r"^passdb \{\n(?:.*\n)*?  driver = (\S+)", re.MULTILINE)
_PASSDB_2_4 = re.compile(r"^passdb (\S+) \{", re.MULTILINE)
_WORKER_USER = re.compile(r"^\s*(?:service/auth-worker/)?user = (\S+)", re.MULTILINE)


_WHY = {
    DenyReason.WRONG_PROOF: "no password of this name is this one",
    DenyReason.APP_PASSWORD_NEEDED: (
        "this is the account password, and mail programs of this person need an app password"
    ),
    DenyReason.APP_PASSWORD_REVOKED: "this app password was deleted",
    DenyReason.APP_PASSWORD_SUSPENDED: "this app password ended when multi-factor authentication was disabled",
    DenyReason.APP_PASSWORD_PAUSED: "this app password is frozen",
    DenyReason.APP_PASSWORD_EXPIRED: "the last day of this app password has passed",
    DenyReason.APP_PASSWORD_OUTSIDE_LIMITS: (
        "this app password is limited to other programs or networks (a sign-in that is played here has neither)"
    ),
    DenyReason.APP_PASSWORDS_NOT_ALLOWED: "the organisation allows no app passwords",
    DenyReason.ACCOUNT_PASSWORD_CLOSED: "the account password no longer opens mail",
    DenyReason.PASSWORD_EXPIRED: "the account password has expired",
    DenyReason.PASSWORD_WAITS: "too many wrong passwords were tried, so that the next try has to wait",
    DenyReason.BLOCKED: "the person is blocked",
    DenyReason.DELETED: "the person was deleted",
}


class NoDovecot(Exception):
    """The version of Dovecot can't be found out; the message says what to do."""


@dataclass(frozen=True, slots=True)
class PlayedSignIn:
    """The result of a sign-in that was played: whether it was allowed, or refused, or neither and why."""

    is_allowed: bool = False
    is_refused: bool = False
    trouble: str = ""


def installed_version() -> DovecotVersion:
    """Return the version of Dovecot on this machine. Raises NoDovecot."""
    try:
        done = _run("dovecot", "--version")
    except FileNotFoundError:
        raise NoDovecot("Dovecot is not installed here; name its version by --version 2.3 or --version 2.4") from None
    said = done.stdout.split()
    try:
        return DovecotVersion(".".join(said[0].split(".")[:2]) if said else "")
    except ValueError:
        number = said[0] if said else "unknown"
        raise NoDovecot(f"Dovecot {number} is installed, and Watchword knows 2.3 and 2.4 alone") from None


def faults(version: DovecotVersion, files: Sequence[ConfigurationFile], sockets: Path) -> Iterator[str]:
    """Return what is wrong with the Dovecot here, each as a sentence that says what to do; nothing if all is well.

    ``files`` is what would be written today; ``sockets`` is the folder of the daemon's sockets. Needs to run as root.
    """
    main, asking = files[0], files[1]
    broken = [*_wrong_files(version, main, asking, sockets)]
    if version is DovecotVersion.V2_4:
        broken += _missing_packages()
    broken = broken or [*_wrong_configuration(main, asking)] or [*_wrong_sockets(version, sockets)]
    yield from broken
    if not broken:
        played = play_sign_in(_PROBE_NAME, _NO_SECRET)
        if played.trouble:
            yield played.trouble
        elif played.is_allowed:
            yield f"Dovecot lets {_PROBE_NAME} in with any password: take out every passdb but Watchword's"


def play_sign_in(name: str, secret: str) -> PlayedSignIn:
    """Let Dovecot check a name and a password, as it does for a mail program; no address is known for this sign-in."""
    # The password goes through the standard input: arguments of a process can be read by every local user.
    done = _run("doveadm", "auth", "test", name, typed=f"{secret}\n")
    if "auth-client" in done.stderr and "connect(" in done.stderr:
        return PlayedSignIn(trouble="Dovecot is not running: systemctl start dovecot")
    if done.returncode == 0:
        return PlayedSignIn(is_allowed=True)
    if done.returncode == _REFUSED:
        return PlayedSignIn(is_refused=True)
    logged = [line for line in _run("doveadm", "log", "errors").stdout.splitlines() if "auth" in line]
    why = f"; its log says: {logged[-1].strip()}" if logged else "; look into its log (doveadm log find)"
    return PlayedSignIn(trouble=f"Dovecot got no answer from Watchword{why}")


def why_refused(name: str, *, now: datetime) -> str:
    """Return in words why the mail door refused this name last; events say so for an hour, repeats make none."""
    person = find_by_name(name)
    if person is None:
        return "nobody has this name"
    refusals = Event.objects.filter(
        kind=EventKind.SIGN_IN_DENIED, door=Door.MAIL, subject_id=person.pk, at__gt=now - _LOOKED_BACK
    )
    reason = refusals.values_list("reason", flat=True).first()
    return _WHY.get(DenyReason(reason), reason) if reason else "the events say no reason"


def _wrong_files(
    version: DovecotVersion, main: ConfigurationFile, asking: ConfigurationFile, sockets: Path
) -> Iterator[str]:
    again = "write it by `watchword mail-config dovecot --write`"
    for file in (main, asking):
        try:
            text = file.path.read_text()
        except FileNotFoundError:
            yield f"{file.path} is missing: {again}"
            continue
        except OSError as error:
            yield f"{file.path} can't be read: {error.strerror}"
            continue
        if file is main and f"For Dovecot {version}" not in text:
            yield f"{file.path} is not for the Dovecot {version} that is installed: {again}"
        if file is asking and str(sockets / DICT_SOCKET) not in text:
            yield f"{file.path} does not name the daemon's socket {sockets / DICT_SOCKET}: {again}"
        if file.is_secret and stat.S_IMODE(file.path.stat().st_mode) & 0o077:
            yield f"{file.path} holds a key and other users may read it: chmod 600 {file.path}"


def _missing_packages() -> Iterator[str]:
    roots = [Path("/usr"), Path("/usr/local")]
    if not any(next(root.glob(_MODULES), None) for root in roots):
        yield "Dovecot's Lua is not installed: apt install dovecot-auth-lua"
    if not any(next(root.glob(_LUA_SOCKET), None) for root in roots):
        yield "LuaSocket is not installed: apt install lua-socket"


def _wrong_configuration(main: ConfigurationFile, asking: ConfigurationFile) -> Iterator[str]:
    done = _run("doveconf", "-n")
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        if "must be dovecot_config_version" in said:
            yield "dovecot.conf has to begin with the line  dovecot_config_version = 2.4.0  or Dovecot does not start"
        else:
            yield f"Dovecot refuses its configuration: {said}"
        return
    asked = _PASSDB_2_4.findall(done.stdout) or _PASSDB_2_3.findall(done.stdout)
    if str(asking.path) not in done.stdout:
        yield f"Dovecot does not ask Watchword: add  !include {main.path.name}  to the end of dovecot.conf"
    for other in asked:
        if other not in ("lua", "dict"):
            yield (
                f"Dovecot asks {other} for passwords too, which lets people in past Watchword:"
                " comment out the lines  !include auth-….conf.ext  in conf.d/10-auth.conf"
            )
    if _value("auth_cache_size") not in ("", "0"):
        yield "auth_cache_size is not 0: what was revoked goes on working until the cache forgets it"
    if not _value("mail_uid"):
        yield (
            "mail_uid is not set, so no mailbox can be opened: on a new server add"
            "  !include watchword-mailboxes.conf.ext  to the end of dovecot.conf"
        )


def _wrong_sockets(version: DovecotVersion, sockets: Path) -> Iterator[str]:
    worker = _WORKER_USER.search(_run("doveconf", "service/auth-worker/user").stdout)
    user = worker[1] if worker else "root"
    for name in (DICT_SOCKET, AUTH_SOCKET) if version is DovecotVersion.V2_4 else (DICT_SOCKET,):
        path = sockets / name
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_SECONDS)
            try:
                probe.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                yield f"the mail door is not running (nobody listens at {path}): start  watchword serve mail"
                return
            except OSError as error:
                yield f"{path} can't be used: {error.strerror}"
                return
        if barrier := _barrier(path, user):
            yield (
                f"Dovecot's auth workers run as {user}, who may not use {barrier}:"
                f" set WATCHWORD_MAIL_SOCKET_OWNER to a group of {user}, or make the folder passable"
            )
            return


def _barrier(path: Path, user: str) -> Path | None:
    """Return the first folder that a user may not pass through on the way to a socket, or the socket itself."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None
    if entry.pw_uid == 0:
        return None
    groups = set(os.getgrouplist(user, entry.pw_gid))
    for place in (*reversed(path.parents), path):
        found = place.stat()
        needed = stat.S_IXOTH if place != path else stat.S_IROTH | stat.S_IWOTH
        shift = 6 if found.st_uid == entry.pw_uid else 3 if found.st_gid in groups else 0
        if (found.st_mode >> shift) & needed != needed:
            return place
    return None


def _value(setting: str) -> str:
    return _run("doveconf", "-h", setting).stdout.strip()


def _run(program: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    # /usr/sbin is not in the PATH of every root shell.
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_FOLDERS}")
    if found is None:
        raise FileNotFoundError(program)
    return subprocess.run(  # noqa: S603  (Dovecot's own programs, and arguments without a shell)
        [found, *arguments], input=typed, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
