"""PostgreSQL for many nodes: three servers under Patroni with etcd, with synchronous replication."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.ports import free_ports
from tests.postgres import binaries

MEMBERS = ("n1", "n2", "n3")
USER = "postgres"
START_SECONDS = 120


class Missing(Exception):
    """A program that this cluster needs is not installed; the message names it."""


class PatroniCluster:
    """Three PostgreSQL servers, Patroni beside each, and one etcd, all on loopback in one folder."""

    def __init__(self, folder: Path) -> None:
        for program in ("patroni", "etcd", "setpriv"):
            if shutil.which(program) is None:
                raise Missing(f"{program} is not installed (Debian's packages: patroni, etcd-server, util-linux)")
        self.folder = folder
        folder.mkdir(parents=True)
        shutil.chown(folder, USER, USER)
        self._client, self._peer, *rest = free_ports(2 + 2 * len(MEMBERS))
        self.rest = dict(zip(MEMBERS, rest[: len(MEMBERS)], strict=True))
        self.postgres = dict(zip(MEMBERS, rest[len(MEMBERS) :], strict=True))
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start etcd, then the members, and wait until all stream."""
        client, peer = f"http://127.0.0.1:{self._client}", f"http://127.0.0.1:{self._peer}"
        data = str(self.folder / "etcd")
        self._start(
            "etcd",
            [
                *("etcd", "--name", "e1", "--data-dir", data),
                *("--listen-client-urls", client, "--advertise-client-urls", client),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                *("--initial-cluster", f"e1={peer}"),
            ],
        )
        for name in MEMBERS:
            (self.folder / f"{name}.yml").write_text(self._settings_of(name))
            self.start_member(name)
        self.wait_until_whole()

    def start_member(self, name: str) -> None:
        """Start Patroni of one member, which starts its PostgreSQL."""
        self._start(name, ["patroni", str(self.folder / f"{name}.yml")])

    def wait_until_whole(self) -> None:
        """Wait until one member leads, two stream from it, and one of them is synchronous."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            members = self.members()
            if (
                sum(member["state"] in {"running", "streaming"} for member in members) == len(MEMBERS)
                and any(member["role"] == "sync_standby" for member in members)
                and self.leader()
            ):
                return
            assert time.monotonic() < deadline, f"the cluster is not whole: {members}"
            time.sleep(0.5)

    def members(self) -> list[dict[str, Any]]:
        """Return what Patroni says of its members; empty if none of them answers."""
        for port in self.rest.values():
            address = f"http://127.0.0.1:{port}/cluster"
            with suppress(OSError, ValueError, KeyError), urllib.request.urlopen(address, timeout=3) as answer:
                return list(json.load(answer)["members"])
        return []

    def leader(self) -> str:
        """Return the name of the primary, empty if there is none."""
        for member in self.members():
            if member["role"] in {"leader", "master", "primary"}:
                return str(member["name"])
        return ""

    def kill_primary(self, *, with_patroni: bool) -> str:
        """Kill the primary's postmaster, and its Patroni too if asked, with SIGKILL; return the member's name."""
        name = self.leader()
        postmaster = int((self.folder / name / "postmaster.pid").read_text().split()[0])
        if with_patroni:
            os.killpg(self._running[name].pid, signal.SIGKILL)
            self._running[name].wait()
        os.kill(postmaster, signal.SIGKILL)
        return name

    def stop(self) -> None:
        """Stop every process."""
        for name in [*MEMBERS, "etcd"]:
            if (process := self._running.get(name)) is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            pid = self.folder / name / "postmaster.pid"
            with suppress(FileNotFoundError, ProcessLookupError, IndexError):
                os.kill(int(pid.read_text().split()[0]), signal.SIGQUIT)

    def haproxy_lines(self) -> list[str]:
        """Return the servers of HAProxy's section for the primary."""
        return [f"  server {name} 127.0.0.1:{self.postgres[name]} check port {self.rest[name]}" for name in MEMBERS]

    def _start(self, name: str, words: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups", *words],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _settings_of(self, name: str) -> str:
        rest, own = f"127.0.0.1:{self.rest[name]}", f"127.0.0.1:{self.postgres[name]}"
        settings = {
            "scope": "watchword",
            "name": name,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"host": f"127.0.0.1:{self._client}"},
            "bootstrap": {
                "dcs": {
                    "ttl": 20,
                    "loop_wait": 2,
                    "retry_timeout": 5,
                    "synchronous_mode": True,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {"max_connections": 100, "synchronous_commit": "on"},
                    },
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": own,
                "connect_address": own,
                "data_dir": str(self.folder / name),
                "bin_dir": str(binaries()),
                "pgpass": str(self.folder / f"{name}.pgpass"),
                "pg_hba": [
                    "local all all trust",
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
                "authentication": {
                    "superuser": {"username": USER, "password": "a"},
                    "replication": {"username": "replica", "password": "b"},
                    "rewind": {"username": "rewind", "password": "c"},
                },
                "parameters": {"unix_socket_directories": str(self.folder)},
            },
        }
        # JSON is YAML.
        return json.dumps(settings, indent=1)
