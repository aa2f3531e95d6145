"""The web server: gunicorn with the access log of Watchword, whose SIGHUP runs the whole program anew.

Gunicorn's own reload keeps the code that is loaded. Here the arbiter replaces itself by execve(2) and keeps its process
id, its listening sockets and its workers. The new program starts workers of its own and then ends the old ones, so
that no connection is refused and no request is lost. A program that would not start is noticed before: it is tried in a
child first.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from watchword.cli.supervisor import GRACE_SECONDS
from watchword.config.logs import FORMATTERS, path_for_log
from watchword.core.log_events import ATTEMPT_KEY, log_event
from watchword.doors.service_manager import ServiceManager, Sockets, socket_words

logger = logging.getLogger(__name__)

WEB_SOCKET = "web"
"""The name of the listening sockets of the web door, where a service manager or `watchword serve` passes them."""
PROGRAM = (sys.executable, "-m", "watchword.cli.main", "serve")
THREADS = 8
TRY_SECONDS = 60.0
"""How long a reload waits for the new program to say that it could start."""
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


class WebServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn with threads, configured here alone: no configuration file, no control socket."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        workers: int,
        proxies: Sequence[object],
        sockets: Sockets,
        manager: ServiceManager,
        former: Sequence[int] = (),
        parent: int | None = None,
    ) -> None:
        """``former``: process ids of the workers before a reload; they end once the new ones serve."""
        host, port = address
        passed = [one.detach() for one in sockets.get(WEB_SOCKET, ())]
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
            "logger_class": "watchword.cli.web_server.AccessLogger",
            "control_socket_disable": True,
            # Only from these addresses X-Forwarded-Proto counts.
            "forwarded_allow_ips": ",".join(map(str, proxies)),
            "graceful_timeout": int(GRACE_SECONDS),
            "proc_name": "watchword-web",
        }
        if passed:
            self._config["bind"] = [f"fd://{one}" for one in passed]
        self.was_passed_sockets = bool(passed)
        self.manager = manager
        self.former = tuple(former)
        self.parent = parent
        super().__init__()

    def load_config(self) -> None:
        """Load the options of this class instead of a file or the command line."""
        for name, value in self._config.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the WSGI application."""
        from watchword.config.wsgi import application

        return application

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; does not return."""
        WebArbiter(self).run()


class WebArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's arbiter: sends heartbeats, and at SIGHUP replaces itself by the program as it is now."""

    def __init__(self, app: WebServer) -> None:
        super().__init__(app)
        self._server = app
        # By this gunicorn leaves the file of a Unix socket that was passed to it when it ends.
        self.systemd = app.was_passed_sockets
        self._former = list(app.former)
        self._kill_former_at: float | None = None

    def handle_hup(self) -> None:
        """Run the program anew in this process, with the same sockets; go on as before if it could not start."""
        manager = self._server.manager
        manager.reloading()
        if trouble := _why_not_startable():
            logger.error(
                "not reloaded, the program would not start", extra=log_event("web.reload.refused", trouble=trouble)
            )
            manager.ready("serving; a reload was refused, see the log")
            return
        sockets = {WEB_SOCKET: [listener.sock for listener in self.LISTENERS]}
        words = [*PROGRAM, "web", "--inherit", socket_words(sockets)]
        words += ["--former", ",".join(map(str, [*self.WORKERS, *self._former]))]
        if self._server.parent:
            words += ["--parent", str(self._server.parent)]
        # A second SIGHUP before the new program has its handlers would end it; what is ignored stays so over execve(2).
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        logger.info("reloading", extra=log_event("web.reloading"))
        os.execve(words[0], words, {**os.environ, **self._server.manager.environment})  # noqa: S606  (our own program)

    def handle_term(self) -> None:
        """Stop: answer what is being answered, and end."""
        self._server.manager.stopping()
        self._end_former(signal.SIGTERM)
        super().handle_term()

    def murder_workers(self) -> None:
        """End workers that hang, and those of the program before a reload. Called about once a second."""
        super().murder_workers()
        self._server.manager.beat()
        if not self._former:
            return
        if self._kill_former_at is None:
            self._end_former(signal.SIGTERM)
            self._kill_former_at = time.monotonic() + GRACE_SECONDS
        elif time.monotonic() >= self._kill_former_at:
            self._end_former(signal.SIGKILL)
        self._former = [pid for pid in self._former if _is_child(pid)]

    def _end_former(self, number: signal.Signals) -> None:
        for pid in self._former:
            if _is_child(pid):
                os.kill(pid, number)


def _is_child(pid: int) -> bool:
    """Return whether a process is an own child that runs: another process may have got the id of one that ended."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def _why_not_startable() -> str | None:
    """Return why the program as it is now would not start; None if it would."""
    try:
        tried = subprocess.run(  # noqa: S603  (our own program and words)
            [*PROGRAM, "web", "--try"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=TRY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {TRY_SECONDS:.0f} s"
    except OSError as error:
        return error.strerror or type(error).__name__
    if tried.returncode == 0:
        return None
    # What a start prints about a mistake names settings and files, and never the value of a secret.
    said = tried.stderr.decode("utf-8", "replace").strip().splitlines()
    return said[-1][:300] if said else f"exit status {tried.returncode}"


def _log_listening(arbiter: Any) -> None:
    for listener in arbiter.LISTENERS:
        logger.info("listening on %s", listener, extra=log_event("web.listening"))
    arbiter.app.manager.ready(f"serving at {', '.join(map(str, arbiter.LISTENERS))}")
