"""Many nodes under load while a nemesis kills, pauses and cuts them off; prints what was seen as JSON.

python -m tests.scenarios.nodes.campaign --seconds 600 --kill-every 60
python -m tests.scenarios.nodes.campaign --primary-kills 20
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import postgres
from tests.environment import KEYS
from tests.scenarios.mail.site import wait_until
from tests.scenarios.nodes.database import PatroniCluster
from tests.scenarios.nodes.history import Kind, Told, check, percentile
from tests.scenarios.nodes.nodes import PATRONI_CHECK, ROLES, Node, Nodes, can_link
from watchword.core.keyring import KeyRing

if TYPE_CHECKING:
    from tests.scenarios.nodes.clients import Client, Pace, Person

PASSWORD = "eleven grey seals dive"
CALIBRATION_SECONDS = 12.0


class Campaign:
    """One run: a database, two nodes, clients, a nemesis, and the check of what the clients were told."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.random = random.Random(options.seed)
        self.stop = threading.Event()
        self.patroni: PatroniCluster | None = None
        self.single: postgres.Cluster | None = None
        self.report: dict[str, Any] = {"seed": options.seed}
        self.deeds: list[str] = []
        self.gaps: list[float] = []

    def run(self) -> dict[str, Any]:
        """Play the campaign and return the report; everything started is stopped."""
        nodes = None
        try:
            if self.options.primary_kills:
                self.patroni = PatroniCluster(self.folder / "patroni")
                self.patroni.start()
                database, check_lines, servers = (
                    "postgresql://postgres:a@127.0.0.1:{port}/watchword", PATRONI_CHECK, self.patroni.haproxy_lines(),
                )  # fmt: skip
            else:
                self.single = postgres.start()
                database = "postgresql://postgres@127.0.0.1:{port}/watchword"
                check_lines, servers = "", [f"  server only {self.single.folder}/.s.PGSQL.5432"]
            # Patroni's servers are at addresses of this machine, which another network does not reach.
            links = self.single is not None and can_link()
            self.report["cut_by"] = "network namespaces" if links else "a stopped proxy"
            nodes = Nodes(self.folder, database=database, check=check_lines, servers=servers, links=links)
            nodes.start_database_proxies()
            self._prepare(nodes.nodes[0].environment["WATCHWORD_DATABASE_URL"])
            if self.options.skew:
                nodes.skew(nodes.nodes[1], self.options.skew)
            nodes.start()
            self._play(nodes)
        finally:
            self.stop.set()
            if nodes is not None:
                nodes.stop()
            if self.patroni is not None:
                self.patroni.stop()
            if self.single is not None:
                self.single.stop()
        return self.report

    def _prepare(self, url: str) -> None:
        import psycopg

        def was_made() -> bool:
            # Until its first check HAProxy takes every server for the primary.
            try:
                with psycopg.connect(url.rsplit("/", 1)[0] + "/postgres", autocommit=True) as connection:
                    connection.execute("CREATE DATABASE watchword")
            except psycopg.errors.ReadOnlySqlTransaction:
                return False
            return True

        wait_until(was_made)
        os.environ["WATCHWORD_DATABASE_URL"] = url
        os.environ["WATCHWORD_KEYS"] = KEYS
        words = [sys.executable, "-m", "watchword.cli.main", "migrate", "--verbosity", "0"]
        subprocess.run(words, check=True, timeout=300)
        os.environ["DJANGO_SETTINGS_MODULE"] = "watchword.config.settings"
        import django

        django.setup()

    def _people(self) -> list[Person]:
        from django.db import transaction
        from django.utils import timezone

        from tests.scenarios.nodes.clients import Person
        from tests.world import give_phone, make_organisation, make_person
        from watchword.core.factors import CredentialData
        from watchword.core.policy import FactorKind, MfaState
        from watchword.factors import vault
        from watchword.factors.password import factor as password_factor

        people = []
        # One hash for all: hashing each would take longer than the run.
        stored = password_factor._hasher().hash(password_factor._octets(PASSWORD)).encode()
        with transaction.atomic():
            organisation = make_organisation()
            for number in range(self.options.people):
                user = make_person(organisation, f"person{number}", state=MfaState.ENFORCED)
                vault.store(
                    user, CredentialData(FactorKind.PASSWORD, slot="account", public={}, secret=stored),
                    now=timezone.now(),
                )  # fmt: skip
                give_phone(user, f"+49151{10_000_000 + number}")
                address = f"198.18.{number // 250}.{number % 250 + 1}"
                people.append(Person(user.sign_in_name, PASSWORD, address))
        return people

    def _clients(self, nodes: Nodes, people: list[Person], pace: Pace, stop: threading.Event) -> list[Client]:
        from tests.scenarios.nodes.clients import Client

        doors = [node.door for node in nodes.nodes]
        number = self.options.clients
        return [
            Client(self.options.seed * 1000 + which, people[which::number], front=nodes.front, doors=doors, pace=pace,
                   stop=stop)
            for which in range(number)
        ]  # fmt: skip

    def _play(self, nodes: Nodes) -> None:
        from django.db import connections
        from django.utils import timezone

        from tests.scenarios.nodes.clients import Pace
        from watchword.cli.verify import verify

        people = self._people()
        pace = Pace(self.options.pause)
        if self.options.half:
            some, people = people[: len(people) // 4], people[len(people) // 4 :]
            stop = threading.Event()
            clients = self._clients(nodes, some, Pace(), stop)
            seconds, _ = self._let(clients, lambda: stop.wait(CALIBRATION_SECONDS), stop)
            full = sum(len(client.history) for client in clients) / seconds
            self.report["full_acts_a_second"] = round(full, 1)
            # Twice the mean time of an act at full load, less the act itself.
            pace.mean_seconds = self.options.clients / full
            assert check([act for client in clients for act in client.history]) == []
        clients = self._clients(nodes, people, pace, self.stop)
        seconds, _ = self._let(clients, lambda: self._nemesis(nodes), self.stop)
        if self.patroni is not None:
            self.patroni.wait_until_whole()
        # The connections of the threads that played, and of this one, may be those to a server that is gone.
        connections.close_all()
        for client in clients:
            client.look_at_the_end()
        history = [act for client in clients for act in client.history]
        self._tell(history, seconds)
        self.report["bugs"] = [bug for client in clients for bug in client.bugs]
        self.report["problems"] = check(history)
        self.report["verify"] = [str(problem) for problem in verify(now=timezone.now()).problems]
        self.report["two_copies"] = self._sent_twice()
        connections.close_all()

    def _sent_twice(self) -> int:
        """Return how many messages arrived more than once; a worker killed after sending may cause one."""
        from django.db.models import Count

        from watchword.messaging.gateways.simulator.models import Arrival

        return Arrival.objects.values("delivery_id").annotate(n=Count("pk")).filter(n__gt=1).count()

    def _let(self, clients: list[Client], meanwhile: Any, stop: threading.Event) -> tuple[float, None]:
        begin = time.monotonic()
        for client in clients:
            client.start()
        try:
            meanwhile()
        finally:
            stop.set()
            for client in clients:
                client.join(120)
        return time.monotonic() - begin, None

    def _tell(self, history: list[Any], seconds: float) -> None:
        self.report["acts"] = len(history)
        self.report["acts_a_second"] = round(len(history) / seconds, 1)
        self.report["told"] = dict(Counter(act.told for act in history))
        kinds = Counter(f"{act.kind}: {act.told}" for act in history)
        self.report["kinds"] = dict(sorted(kinds.items()))
        self.report["deeds"] = self.deeds
        for name, of in (("web", {Kind.SIGN_IN, Kind.VISIT}), ("mail", {Kind.LOGIN})):
            answered = [act for act in history if act.kind in of and act.told is not Told.UNAVAILABLE]
            times = [act.answered - act.invoked for act in answered]
            self.report[f"{name}_ms"] = {
                share: round(1000 * percentile(times, float(share))) for share in ("0.5", "0.99", "1")
            }
        if self.gaps:
            self.report["gap_seconds"] = {
                "p50": round(percentile(self.gaps, 0.5), 1), "max": round(max(self.gaps), 1),
                "each": [round(gap, 1) for gap in self.gaps],
            }  # fmt: skip

    # The nemesis ----------------------------------------------------------------------------------------------------

    def _nemesis(self, nodes: Nodes) -> None:
        end = time.monotonic() + self.options.seconds
        if self.options.primary_kills:
            for number in range(self.options.primary_kills):
                self._kill_primary(nodes, with_patroni=number % 2 == 0)
            return
        deeds = 0
        while (left := end - time.monotonic()) > 0:
            self.stop.wait(min(left, self.options.kill_every))
            if time.monotonic() + 5 > end:
                self.stop.wait(max(0, end - time.monotonic()))
                return
            self._hurt(nodes, deeds)
            deeds += 1

    def _hurt(self, nodes: Nodes, which: int) -> None:
        node = self.random.choice(nodes.nodes)
        deed = self.options.deeds.split(",")[which % len(self.options.deeds.split(","))]
        self.deeds.append(f"{deed} {node.name}")
        match deed:
            case "kill":
                # Everything of the node at once, as when its machine loses power.
                for role in ROLES:
                    node.signal(role, signal.SIGKILL)
                self._restart(node)
            case "pause":
                for role in ROLES:
                    node.signal(role, signal.SIGSTOP)
                self.stop.wait(3)
                for role in ROLES:
                    node.signal(role, signal.SIGCONT)
            case "cut":
                # Packets to the database go nowhere: connections stay open, and nothing answers.
                node.cut()
                self.stop.wait(3)
                node.heal()
            case "rotate":
                self._rotate(nodes)

    def _rotate(self, nodes: Nodes) -> None:
        """Rotate the key ring as docs/operating/keys.md says: a key that only opens first, and then it seals."""
        from django.conf import settings

        ring = KeyRing.parse(nodes.nodes[0].environment["WATCHWORD_KEYS"], random_source=os.urandom).with_new_key()
        for step in (ring, ring.using(ring.keys[-1].id)):
            for node in nodes.nodes:
                node.environment["WATCHWORD_KEYS"] = step.serialise()
                node.end()
                self._restart(node)
        settings.WATCHWORD_KEY_RING = step

    def _restart(self, node: Node) -> None:
        for role in ROLES:
            node.start(role)
        for role in ("web", "mail"):
            node.wait(role)

    def _kill_primary(self, nodes: Nodes, *, with_patroni: bool) -> None:
        import psycopg

        assert self.patroni is not None
        self.patroni.wait_until_whole()
        self.stop.wait(2)
        name = self.patroni.kill_primary(with_patroni=with_patroni)
        begin = time.monotonic()
        url = os.environ["WATCHWORD_DATABASE_URL"] + "?connect_timeout=2"
        while True:
            try:
                with psycopg.connect(url) as connection:
                    connection.execute("CREATE TEMPORARY TABLE probe (i int)")
                    connection.execute("SELECT set_config('statement_timeout', '3s', true)")
                    is_primary = connection.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,)
                    if is_primary and time.monotonic() - begin > 0.3:
                        break
            except psycopg.Error:
                pass
            self.stop.wait(0.1)
        self.gaps.append(time.monotonic() - begin)
        self.deeds.append(f"{name} {'with Patroni' if with_patroni else 'alone'} {self.gaps[-1]:.1f}")
        if with_patroni:
            self.patroni.start_member(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--kill-every", type=float, default=5)
    parser.add_argument("--deeds", default="kill,pause,cut")
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--pause", type=float, default=0.05)
    parser.add_argument("--half", action="store_true", help="measure the full load first, and play at half of it")
    parser.add_argument("--skew", type=int, default=0, help="seconds by which the clock of the second node is wrong")
    parser.add_argument("--primary-kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--keep", action="store_true", help="leave the folder with the logs")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="watchword-nodes-"))
    folder.chmod(0o755)
    try:
        report = Campaign(folder, options).run()
    finally:
        if options.keep:
            sys.stderr.write(f"{folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 1 if report["problems"] or report["bugs"] or report["verify"] else 0


if __name__ == "__main__":
    sys.exit(main())
