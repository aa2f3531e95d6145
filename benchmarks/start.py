"""The time from `watchword serve web` to the first response."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from http.client import HTTPConnection


def measure() -> float:
    """Return the median of three starts, in seconds."""
    spent = []
    for _ in range(3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  (our own program and words)
            [sys.executable, "-m", "watchword.cli.main", "serve", "web", "--listen", f"127.0.0.1:{port}"],
            env=dict(os.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while True:
                connection = HTTPConnection("127.0.0.1", port, timeout=5)
                try:
                    connection.request("GET", "/sign-in/", headers={"Host": "127.0.0.1"})
                    assert connection.getresponse().status == 200
                    break
                except OSError:
                    time.sleep(0.01)
                finally:
                    connection.close()
            spent.append(time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(30)
    print(f"from start to first answer: {statistics.median(spent):.2f} s")
    return statistics.median(spent)
