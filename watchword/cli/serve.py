"""`watchword serve [web|mail|worker|phones|all]`: the processes that answer people and programs, and work for them."""

import argparse
import errno
import gc
import logging
import os
import socket
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from watchword.cli.main import run_management_command, set_up_django
from watchword.cli.supervisor import GRACE_SECONDS, SupervisedProcess, Supervisor, end_with_parent
from watchword.config.logs import FORMATTERS, path_for_log
from watchword.core.log_events import ATTEMPT_KEY, log_event

logger = logging.getLogger(__name__)

THREADS = 8
_ACCESS_FIELDS = {
    "address": "h",
    "method": "m",
    "path": "U",
    "protocol": "H",
    "status": "s",
    "octets": "B",
    "milliseconds": "M",
}
ACCESS_LOG = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(M)sms'


def serve(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="watchword serve",
        description="Answer people (web) and mail servers (mail), send warnings (worker), reach phones (phones).",
    )
    parser.add_argument("what", nargs="?", choices=["web", "mail", "worker", "phones", "all"], default="all")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the web door listens (WATCHWORD_LISTEN)")
    # `serve all` passes its process id to its children, which end together with it.
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=1, help="processes of the web door (1)")
    config = parser.parse_args(arguments)
    if config.workers < 1:
        parser.error("--workers must be 1 or more")
    if config.parent:
        end_with_parent(config.parent)
    if config.listen:
        os.environ["WATCHWORD_LISTEN"] = config.listen
    match config.what:
        case "web":
            return serve_web(workers=config.workers)
        case "mail":
            return run_management_command("serve_mail", [])
        case "worker":
            return run_management_command("work", [])
        case "phones":
            return run_management_command("serve_phones", [])
        case _:
            return serve_all(workers=config.workers)


def serve_web(*, workers: int) -> int:
    """Run the web door in this process, and return the exit status."""
    if (status := set_up_django() or _refuse_unready()) != 0:
        return status
    from django.conf import settings

    host, port = settings.WATCHWORD_LISTEN
    if reason := why_not_listen(host, port):
        print(f"watchword serve: {reason}", file=sys.stderr)
        return 1
    if settings.WATCHWORD_METRICS_LISTEN is not None:
        from watchword.audit import metrics

        metrics.share_between_processes(settings.WATCHWORD_HOME / metrics.FOLDER)
    WebServer(host, port, workers=workers, proxies=settings.WATCHWORD_TRUSTED_PROXIES).run()
    return 0


def serve_all(*, workers: int) -> int:
    """Run the doors, the worker and the phones process as children; restart a child that ends, and no other."""
    if (status := set_up_django() or _refuse_unready()) != 0:
        return status
    from django.conf import settings

    if reason := why_not_listen(*settings.WATCHWORD_LISTEN):
        print(f"watchword serve: {reason}", file=sys.stderr)
        return 1
    program = [sys.executable, "-m", "watchword.cli.main", "serve", "--parent", str(os.getpid())]
    children = [
        SupervisedProcess("web", [*program, "web", "--workers", str(workers)], is_door=True),
        SupervisedProcess("mail", [*program, "mail"], is_door=True),
        SupervisedProcess("worker", [*program, "worker"]),
    ]
    if settings.WATCHWORD_PHONES.gateways:
        children.append(SupervisedProcess("phones", [*program, "phones"]))
    return Supervisor(children).run()


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


class AccessLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Writes the access log: address and path of each request, never its query or the secret of a one-time link."""

    def setup(self, cfg: Any) -> None:
        """Set up gunicorn's handlers with the log format of Watchword."""
        from django.conf import settings

        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            if (handler := self._get_gunicorn_handler(log)) is not None:
                handler.setFormatter(FORMATTERS[settings.WATCHWORD_LOG_FORMAT]())

    def access(self, resp: Any, req: Any, environ: Any, request_time: timedelta) -> None:
        """Write one line for one response, with the id of the sign-in attempt that it belongs to."""
        from watchword.audit.metrics import WEB_RESPONSES, WEB_SECONDS

        WEB_RESPONSES.labels(f"{str(getattr(resp, 'status', ''))[:1]}xx").inc()
        WEB_SECONDS.observe(request_time.total_seconds())
        if not self.access_log_enabled:
            return
        from watchword.cli.probes import LIVE, READY

        if environ.get("PATH_INFO") in (LIVE, READY) and str(getattr(resp, "status", "")).startswith("200"):
            # A load balancer asks every few seconds; only a probe that fails is worth a line.
            return
        atoms = self.atoms(resp, req, environ, request_time)
        # The text format has the same values in ``ACCESS_LOG``.
        details = {name: atoms[letter] for name, letter in _ACCESS_FIELDS.items()}
        details["status"] = int(atoms["s"]) if str(atoms["s"]).isdecimal() else atoms["s"]
        attempt = str(environ.get(ATTEMPT_KEY, ""))
        self.access_log.info(ACCESS_LOG, atoms, extra={**log_event("web.access", attempt=attempt), "details": details})

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: timedelta) -> dict[str, Any]:
        """Return gunicorn's values for one line: the browser's address, no query, and no secret in the path."""
        from watchword.signin.client_addresses import address_of

        atoms: dict[str, Any] = super().atoms(resp, req, environ, request_time)
        return {
            **atoms,
            "h": address_of(environ) or "-",
            "U": path_for_log(str(atoms.get("U") or "")),
            "r": "-",
            "q": "-",
            "f": "-",
        }


def _start_worker(worker: Any) -> None:
    """Begin the heartbeat of a worker process, whose threads must not start before the fork."""
    from django.conf import settings

    from watchword.audit import tracing
    from watchword.audit.heartbeats import ProcessHeart

    tracing.start(settings.WATCHWORD_TRACES_URL, "web")
    worker.heart = ProcessHeart("web")
    worker.heart.start_thread()
    _settle_memory()


def _stop_worker(_server: object, worker: Any) -> None:
    from watchword.audit import tracing

    if (heart := getattr(worker, "heart", None)) is not None:
        heart.stop()
    tracing.stop()


def _settle_memory() -> None:
    """Exclude what is loaded so far from garbage collection: the metadata of phonenumbers is large and stays."""
    gc.collect()
    gc.freeze()


def _log_listening(server: Any) -> None:
    for listener in server.LISTENERS:
        logger.info("listening on %s", listener, extra=log_event("web.listening"))


class WebServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn with threads, configured here alone: no configuration file, no control socket."""

    def __init__(self, host: str, port: int, *, workers: int, proxies: Sequence[object]) -> None:
        self._config = {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "workers": workers,
            "threads": THREADS,
            "worker_class": "watchword.cli.web_worker.GatheringWorker",
            "preload_app": True,
            "post_worker_init": _start_worker,
            "worker_exit": _stop_worker,
            "when_ready": _log_listening,
            "accesslog": "-" if logging.getLogger().isEnabledFor(logging.INFO) else None,
            "errorlog": "-",
            "loglevel": "warning",
            "logger_class": "watchword.cli.serve.AccessLogger",
            "control_socket_disable": True,
            # Only from these addresses X-Forwarded-Proto counts.
            "forwarded_allow_ips": ",".join(map(str, proxies)),
            "graceful_timeout": int(GRACE_SECONDS),
            "proc_name": "watchword-web",
        }
        super().__init__()

    def load_config(self) -> None:
        """Load the options of this class instead of a file or the command line."""
        for name, value in self._config.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the WSGI application."""
        from watchword.config.wsgi import application

        return application


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
    readiness.note_keys()
    return 0
