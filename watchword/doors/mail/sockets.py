"""The daemon's listening sockets: Unix sockets for the mail servers' users only, and TCP on loopback only."""

from __future__ import annotations

import contextlib
import errno
import grp
import ipaddress
import os
import pwd
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from watchword.doors.service_manager import Sockets

DICT_SOCKET = "dict"
"""The socket's file for Dovecot's dict protocol."""

AUTH_SOCKET = "auth"
"""The socket's file for Dovecot's authentication protocol."""

SOCKETMAP_SOCKET = "socketmap"
"""The socket's file for Postfix's socketmap protocol."""

POLICY_SOCKET = "policy"
"""The socket's file for Postfix's policy protocol."""

LOOPBACK_SOCKETS = (AUTH_SOCKET, SOCKETMAP_SOCKET, POLICY_SOCKET)
"""What is spoken at the TCP ports, in their order."""
MAIL_SOCKETS = (DICT_SOCKET, *LOOPBACK_SOCKETS)

BACKLOG = 256
LONGEST_PATH = 107
"""The longest path of a Unix socket in octets (sun_path of Linux, less the NUL)."""


class CannotListen(Exception):
    """A configured place where the daemon can't listen; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """The owner and group of the sockets (names; empty for the daemon's own) and their mode, which limit access."""

    owner: str = ""
    group: str = ""
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class Places:
    """Where the daemon listens, and who may connect there."""

    folder: Path
    access: Access = field(default_factory=Access)
    loopback: tuple[str, int] | None = None
    """An additional TCP address for mail servers that can't reach the folder: this port is for the authentication
    protocol, the next one for socketmap, the one after for the policy protocol."""


@dataclass(frozen=True, slots=True)
class UnixListener:
    """A listening Unix socket and its file."""

    socket: socket.socket
    path: Path
    identity: tuple[int, int, int]

    def remove(self) -> None:
        """Remove the socket's file, unless another daemon has replaced it since."""
        with contextlib.suppress(OSError):
            if _identity(self.path) == self.identity:
                self.path.unlink()


@contextmanager
def open_sockets(places: Places) -> Iterator[Sockets]:
    """Listen at every place until the context ends, which removes the sockets' files. Raises CannotListen."""
    sockets: dict[str, list[socket.socket]] = {}
    files: list[UnixListener] = []
    try:
        for name in MAIL_SOCKETS:
            files.append(listen_on_path(places.folder / name, places.access))
            sockets[name] = [files[-1].socket]
        if places.loopback is not None:
            host, port = places.loopback
            for offset, name in enumerate(LOOPBACK_SOCKETS):
                sockets[name].append(listen_on_loopback(host, port + offset))
        yield sockets
    finally:
        for one in (one for each in sockets.values() for one in each):
            one.close()
        for file in files:
            file.remove()


def listen_on_path(path: Path, access: Access) -> UnixListener:
    """Listen on a Unix socket, replacing a stale one. Raises CannotListen."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise CannotListen(f"{path} is too long for a socket (at most {LONGEST_PATH} octets): choose a shorter folder")
    user_id = _id_of(access.owner, "user", lambda name: pwd.getpwnam(name).pw_uid)
    group_id = _id_of(access.group, "group", lambda name: grp.getgrnam(name).gr_gid)
    _make_folder(path.parent, access, user_id, group_id)
    _make_way(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # No other user may connect before owner and mode are set, so the socket is created without their access.
        earlier = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(earlier)
        if user_id != -1 or group_id != -1:
            os.chown(path, user_id, group_id)
        path.chmod(access.mode)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except PermissionError:
        listener.close()
        with contextlib.suppress(OSError):
            path.unlink()
        raise CannotListen(f"this user may not make {path}, or may not give it to {_whom(access)}") from None
    except OSError as error:
        listener.close()
        raise CannotListen(f"{path} can't be made: {error.strerror}") from None
    return UnixListener(listener, path, _identity(path))


def listen_on_loopback(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket on a loopback address. Raises CannotListen, also for any other address.

    The protocol transports passwords unencrypted and authenticates no client: it must not leave the machine.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise CannotListen(f"{host!r} is no IP address: the mail door listens on 127.0.0.1 or ::1") from None
    if not address.is_loopback:
        raise CannotListen(
            f"the mail door carries passwords in clear and listens on this machine alone: 127.0.0.1 or ::1, not {host}"
        )
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        reason = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise CannotListen(f"{host} port {port} can't be used: {reason}") from None
    return listener


def _identity(path: Path) -> tuple[int, int, int]:
    # Includes the time, because a file system may reuse the inode number of a removed file.
    found = path.lstat()
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _make_folder(folder: Path, access: Access, user_id: int, group_id: int) -> None:
    # An existing folder is left as it is; a new one is accessible to the users that may use the sockets.
    mode = 0o700 | (0o050 if access.mode & 0o070 else 0) | (0o005 if access.mode & 0o007 else 0)
    try:
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.mkdir()
        folder.chmod(mode | (0o011 if user_id != -1 else 0))
        if group_id != -1:
            os.chown(folder, -1, group_id)
    except FileExistsError:
        return
    except OSError as error:
        raise CannotListen(f"the folder {folder} can't be made: {error.strerror}") from None


def _make_way(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotListen(f"the folder {path.parent} can't be used: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"{path} exists and is not a socket: move it away, or choose another folder")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            pass
        except OSError as error:
            raise CannotListen(f"{path} is there, and it can't be found out whose it is: {error.strerror}") from None
        else:
            raise CannotListen(f"another daemon answers at {path}: stop it first, or choose another folder")
    try:
        path.unlink()
    except OSError as error:
        raise CannotListen(f"the stale {path} can't be removed: {error.strerror}") from None


def _id_of(name: str, kind: str, find: Callable[[str], int]) -> int:
    if not name:
        return -1
    try:
        return int(name) if name.isdigit() else find(name)
    except KeyError:
        raise CannotListen(f"there is no {kind} {name!r} on this machine to give the mail door's sockets to") from None


def _whom(access: Access) -> str:
    return " and ".join(part for part in (access.owner, access.group and f"group {access.group}") if part) or "anybody"
