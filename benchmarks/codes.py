"""Codes through SMPP under load, with the web server, the dispatcher and an SMSC as processes."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import people

EACH_SECOND = 50
SECONDS = 60
_PHONES = """
[[gateway]]
name = "carrier"
kind = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "ww"
password = "file:{secret}"
sender = "Bench"
window_size = 50
"""


def measure(home: Path, *, each_second: int = EACH_SECOND, seconds: int = SECONDS) -> dict[str, Any]:
    """Return the response times of the pages and the delays of the codes at a rate of codes per second."""
    home.mkdir(exist_ok=True)
    waiting = _people_at_the_page(each_second * seconds + each_second)
    port, web_port = _free_port(), _free_port()
    secret, phones, arrived = home / "smsc-secret", home / "phones.toml", home / "arrived"
    secret.touch(mode=0o600)
    secret.write_text("secret")
    phones.write_text(_PHONES.format(port=port, secret=secret))
    environment = {
        **os.environ,
        "WATCHWORD_PHONES_FILE": str(phones),
        "WATCHWORD_PUBLIC_URL": f"http://127.0.0.1:{web_port}",
    }
    program = [sys.executable, "-m", "watchword.cli.main", "serve"]
    with (
        _running([sys.executable, str(Path(__file__).parent / "smsc.py"), str(port), str(arrived)], environment),
        _running([*program, "phones"], environment | {"WATCHWORD_LOG_LEVEL": "INFO"}, log=home / "phones.log"),
        _running([*program, "web", "--workers", "4", "--listen", f"127.0.0.1:{web_port}"], environment, web_port),
    ):
        asyncio.run(_load(web_port, waiting[:each_second], each_second, None))
        times = _Times()
        asyncio.run(_load(web_port, waiting[each_second:], each_second, times))
        _wait_for(arrived, each_second + len(times.asked))
    came = {line.split()[1]: float(line.split()[0]) for line in arrived.read_text().splitlines()}
    delays = [came[number.removeprefix("+")] - times.asked[number] for number in times.asked]
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    send_ms, page_ms, arrival_ms = _quantiles(times.send), _quantiles(times.page), _quantiles(delays)
    result = {
        "codes": len(times.asked),
        "each_second": each_second,
        "failed": times.failed,
        "send_ms": send_ms,
        "page_ms": page_ms,
        "arrival_ms": arrival_ms,
        "cpu_seconds_for_each_code": (cpu.ru_utime + cpu.ru_stime) / len(waiting),
    }
    print(
        f"{result['codes']} codes at {each_second} a second: asking p50 {send_ms['p50']:.0f} ms, "
        f"p99 {send_ms['p99']:.0f} ms; the page p99 {page_ms['p99']:.0f} ms; "
        f"at the SMSC p50 {arrival_ms['p50']:.0f} ms, p99 {arrival_ms['p99']:.0f} ms; "
        f"{times.failed} failed"
    )
    return result


class _Times:
    def __init__(self) -> None:
        self.send: list[float] = []
        self.page: list[float] = []
        self.asked: dict[str, float] = {}
        self.failed = 0


def _people_at_the_page(number: int) -> list[tuple[str, str, str]]:
    """Return the attempt's cookie, the method and the number of people who have just entered the right password."""
    from django.utils import timezone

    from watchword.audit.record import Origin
    from watchword.core.assurance import Evidence
    from watchword.core.factors import CredentialData
    from watchword.core.policy import Channel, FactorKind
    from watchword.directory.models import User
    from watchword.factors import vault
    from watchword.signin import flow, sample_credentials
    from watchword.signin.facts import write_evidence
    from watchword.signin.models import SignInAttempt

    now = timezone.now()
    names = people.make(number, 0, now)
    users = {user.sign_in_name: user for user in User.objects.select_related("organisation")}
    proof = write_evidence([Evidence(FactorKind.PASSWORD, now)])
    waiting = []
    for position, name in enumerate(names):
        telephone = f"+49151{10_000_000 + position}"
        password = vault.store(users[name], CredentialData(FactorKind.PASSWORD, secret=b"no hash"), now=now)
        method = sample_credentials.add_phone(users[name], telephone, Channel.SMS, now=now)
        token = flow.begin(name, origin=Origin(f"198.51.{position // 200}.{position % 200 + 1}"), next_url="/", now=now)
        attempt = flow.find_attempt(token, now=now)
        assert attempt is not None
        SignInAttempt.objects.filter(pk=attempt.pk).update(evidence=proof, password_version=password.id)
        waiting.append((token, str(method), telephone))
    return waiting


async def _load(port: int, waiting: list[tuple[str, str, str]], each_second: int, times: _Times | None) -> None:
    """Request codes at an even rate, whether or not earlier requests are answered (open loop)."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for position, who in enumerate(waiting):
            due = began + position / each_second
            await asyncio.sleep(max(0, due - loop.time()))
            group.create_task(_ask(port, who, due, times))


async def _ask(port: int, who: tuple[str, str, str], due: float, times: _Times | None) -> None:
    """Act as one browser: request a code and load the next page, over one connection."""
    from watchword.signin import cookies

    token, method, telephone = who
    loop = asyncio.get_running_loop()
    csrf = "a" * 32
    head = (
        f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
        f"Cookie: {cookies._name(cookies._ATTEMPT)}={token}; csrf={csrf}\r\n"
    )
    form = f"csrfmiddlewaretoken={csrf}&method={method}&way=text"
    asked = time.time() - (loop.time() - due)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}"
    sent, _page = await _exchange(reader, writer, f"POST /sign-in/send/{head}{kind}")
    sent_at = loop.time()
    status, page = await _exchange(reader, writer, f"GET /sign-in/prove/{head}\r\n")
    writer.close()
    if (sent, status) != (302, 200) or b"Check your phone" not in page:
        assert times is not None, (sent, status)
        times.failed += 1
        print(f"  failed: {sent} and {status}")
    elif times is not None:
        times.send.append(sent_at - due)
        times.page.append(loop.time() - sent_at)
        times.asked[telephone] = asked


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> tuple[int, bytes]:
    """Send a request and return status and body; a client library would cost as much CPU as the page."""
    writer.write(request.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    body = await reader.readexactly(int(length[1])) if length is not None else b""
    return int(head.split(b" ", 2)[1]), body


def _quantiles(seconds: list[float]) -> dict[str, float]:
    cut = statistics.quantiles(seconds, n=1000)
    return {"p50": cut[499] * 1000, "p90": cut[899] * 1000, "p99": cut[989] * 1000, "worst": max(seconds) * 1000}


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], port: int | None = None, *, log: Path | None = None
) -> Iterator[None]:
    """Run a process; it is ready once its log or standard output says so, or its port accepts connections."""
    with (log or Path(os.devnull)).open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors)  # noqa: S603  (ours)
    try:
        if log is not None:
            while "messaging.worker.started" not in log.read_text():
                time.sleep(0.05)
        elif port is None:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"ready")
        else:
            _wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _wait_for_port(port: int) -> None:
    import socket

    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


def _wait_for(arrived: Path, number: int) -> None:
    end = time.monotonic() + 60
    while len(arrived.read_text().splitlines()) < number:
        assert time.monotonic() < end, f"{len(arrived.read_text().splitlines())} of {number} arrived"
        time.sleep(0.2)
