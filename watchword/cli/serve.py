"""`watchword serve [web|mail|worker|phones|all]`: the processes that answer people and programs, and work for them."""

import argparse
import errno
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from watchword.cli.main import run_management_command, set_up_django
from watchword.cli.supervisor import SupervisedProcess, Supervisor, end_with_parent
from watchword.cli.web_server import PROGRAM, WEB_SOCKET, WebServer
from watchword.config.parsers import InvalidSetting, parse_workers
from watchword.config.setting_definitions import MAIL_WORKERS, WEB_WORKERS
from watchword.doors.service_manager import (
    NOTIFY_VARIABLES,
    SOCKET_VARIABLES,
    InvalidSockets,
    ServiceManager,
    Sockets,
    inherited_sockets,
    only,
    passed_sockets,
)

BACKLOG = 2048
"""Connections that wait while no web process accepts; the kernel's net.core.somaxconn may allow fewer."""


def serve(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status."""
    config = _parser().parse_args(arguments)
    if config.parent:
        end_with_parent(config.parent)
    for setting, value in ((WEB_WORKERS, config.web_workers), (MAIL_WORKERS, config.mail_workers)):
        if value is not None:
            os.environ[setting.variable] = str(value)
    if config.listen:
        os.environ["WATCHWORD_LISTEN"] = config.listen
    match config.what:
        case "web" if config.tries:
            return try_web()
        case "web" | "all":
            return _serve_here(config)
        case "mail":
            return run_management_command("serve_mail", ["--inherit", config.inherit] if config.inherit else [])
        case "worker":
            return run_management_command("work", [])
        case _:
            return run_management_command("serve_phones", [])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="watchword serve",
        description="Answer people (web) and mail servers (mail), send warnings (worker), reach phones (phones).",
    )
    parser.add_argument("what", nargs="?", choices=["web", "mail", "worker", "phones", "all"], default="all")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the web door listens (WATCHWORD_LISTEN)")
    for words, door, setting in (
        (["--web-workers", "--workers"], "web", WEB_WORKERS),
        (["--mail-workers"], "mail", MAIL_WORKERS),
    ):
        help_ = f"processes of the {door} door ({setting.variable})"
        parser.add_argument(*words, type=_number_of_workers, metavar="N", help=help_)
    # `serve all` passes its process id to its children, which end together with it, and its listening sockets.
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--inherit", default="", help=argparse.SUPPRESS)
    # A reload passes the workers that have to end, and before that tries whether the program would start.
    parser.add_argument("--former", type=_process_ids, default=[], help=argparse.SUPPRESS)
    parser.add_argument("--try", action="store_true", dest="tries", help=argparse.SUPPRESS)
    return parser


def _number_of_workers(text: str) -> int:
    try:
        return parse_workers(text)
    except InvalidSetting:
        raise argparse.ArgumentTypeError(f"{text!r} is not {WEB_WORKERS.expected}") from None


def _process_ids(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


def _serve_here(config: argparse.Namespace) -> int:
    if config.what == "web" or sys.stdin is None or not sys.stdin.isatty():
        # Until the handler of a reload is there, SIGHUP must not end the start. In a terminal it ends `serve all`.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    manager = ServiceManager(os.environ)
    try:
        passed = inherited_sockets(config.inherit) if config.inherit else passed_sockets(os.environ, os.getpid())
        for name in (*NOTIFY_VARIABLES, *SOCKET_VARIABLES):
            # Neither gunicorn nor a child speaks for this process.
            os.environ.pop(name, None)
        if (status := set_up_django() or _refuse_unready()) != 0:
            return status
        if config.what == "web":
            return serve_web(only(passed, [WEB_SOCKET]), manager, former=config.former, parent=config.parent)
        return serve_all(passed, manager)
    except InvalidSockets as error:
        print(f"watchword serve: {error}", file=sys.stderr)
        return 1


def serve_web(
    sockets: Sockets, manager: ServiceManager, *, former: Sequence[int] = (), parent: int | None = None
) -> int:
    """Run the web door in this process, at the passed sockets if there are any, and return the exit status."""
    from django.conf import settings

    if not sockets and (reason := why_not_listen(*settings.WATCHWORD_LISTEN)):
        print(f"watchword serve: {reason}", file=sys.stderr)
        return 1
    if settings.WATCHWORD_METRICS_LISTEN is not None:
        from watchword.audit import metrics

        metrics.share_between_processes(settings.WATCHWORD_HOME / metrics.FOLDER)
    WebServer(
        settings.WATCHWORD_LISTEN,
        workers=settings.WATCHWORD_WEB_WORKERS,
        proxies=settings.WATCHWORD_TRUSTED_PROXIES,
        sockets=sockets,
        manager=manager,
        former=former,
        parent=parent,
    ).run()
    return 0


def try_web() -> int:
    """Return 0 if the web door could start now, or 1 after printing what is wrong."""
    if (status := set_up_django() or _refuse_unready()) != 0:
        return status
    import watchword.config.wsgi  # noqa: F401  (loads every page)

    return 0


def serve_all(passed: Sockets, manager: ServiceManager) -> int:
    """Run the doors, the worker and the phones process as children; restart a child that ends, and no other.

    The listening sockets belong to this process, and the children inherit them: while a door starts again, new
    connections wait and are not refused. Sockets that were passed to this process are not opened here.
    """
    from django.conf import settings

    from watchword.doors.mail.management.commands.serve_mail import plan
    from watchword.doors.mail.sockets import MAIL_SOCKETS, CannotListen, open_sockets

    only(passed, [WEB_SOCKET, *MAIL_SOCKETS])
    web: Sockets = {name: each for name, each in passed.items() if name == WEB_SOCKET}
    mail: Sockets = {name: each for name, each in passed.items() if name != WEB_SOCKET}
    with ExitStack() as at_the_end:
        try:
            if not web:
                if reason := why_not_listen(*settings.WATCHWORD_LISTEN):
                    print(f"watchword serve: {reason}", file=sys.stderr)
                    return 1
                web = {WEB_SOCKET: [at_the_end.enter_context(_listen(*settings.WATCHWORD_LISTEN))]}
            if not mail:
                mail = at_the_end.enter_context(open_sockets(plan().places))
        except (CannotListen, OSError) as error:
            print(f"watchword serve: the doors can't be opened: {error}", file=sys.stderr)
            return 1
        program = [*PROGRAM, "--parent", str(os.getpid())]
        children = [SupervisedProcess("web", [*program, "web"], is_door=True, sockets=web, reloads_itself=True)]
        for number in range(settings.WATCHWORD_MAIL.workers):
            name = f"mail {number + 1}" if settings.WATCHWORD_MAIL.workers > 1 else "mail"
            children.append(SupervisedProcess(name, [*program, "mail"], is_door=True, sockets=mail))
        children.append(SupervisedProcess("worker", [*program, "worker"]))
        if settings.WATCHWORD_PHONES.gateways:
            children.append(SupervisedProcess("phones", [*program, "phones"]))
        return Supervisor(children, manager=manager).run()


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def why_not_listen(host: str, port: int) -> str | None:
    """Return why the port can't be listened on, with a remedy; None if it can."""
    way_out = f"choose another with --listen {host}:{port + 1 if port < 65535 else 8000}, or set WATCHWORD_LISTEN"  # noqa: PLR2004  (TCP)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror:
        return f"there is no host {host!r} to listen on; {way_out}."
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                return f"port {port} on {host} is in use by another program; {way_out}."
            case errno.EACCES:
                return f"this user may not listen on port {port}; {way_out}."
            case _:
                return f"can't listen on {host}:{port} ({error.strerror}); {way_out}."
    return None


def _refuse_unready() -> int:
    """Run the readiness and system checks; return 0, or 1 after printing what failed."""
    from django.core.management.base import BaseCommand, SystemCheckError
    from django.db import DEFAULT_DB_ALIAS, connections

    from watchword.cli import readiness

    if reason := readiness.why_not_ready():
        print(f"watchword serve: {reason}", file=sys.stderr)
        return 1
    try:
        BaseCommand().check(databases=[DEFAULT_DB_ALIAS])
    except SystemCheckError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        # A connection must not be shared across a fork.
        connections[DEFAULT_DB_ALIAS].close()
    if reason := readiness.why_keys_not_noted():
        print(f"watchword serve: {reason}", file=sys.stderr)
        return 1
    return 0
