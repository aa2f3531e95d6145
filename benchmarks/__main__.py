"""``make bench``: measures everything in one run and writes docs/performance/."""

from __future__ import annotations

import os
import sys
from typing import Any

from benchmarks import hot_path, pages, people, report, schemes, socket_rates, start


def main() -> None:
    """Measure and write; ``--dry`` only prints. ``pumping`` simulates SMS pumping instead, ``limits`` honest people and
    slow attackers, ``phones`` measures codes and calls under load, ``apps`` tokens and forward-auth beside another provider, and ``dovecot`` the script for Dovecot 2.4.
    """
    if "pumping" in sys.argv:
        with people.scratch():
            from django.db import connection

            from benchmarks import pumping

            pumping.main(write="--dry" not in sys.argv)
            connection.close()
        return
    if "limits" in sys.argv:
        with people.scratch():
            from django.db import connection

            from benchmarks import limits

            limits.main(write="--dry" not in sys.argv)
            connection.close()
        return
    if "dovecot" in sys.argv:
        with people.scratch() as home:
            from benchmarks import dovecot_scripts

            dovecot_scripts.main(home)
        return
    if "apps" in sys.argv:
        with people.scratch() as home:
            from django.db import connection

            from benchmarks import apps

            apps.main(home, write="--dry" not in sys.argv)
            connection.close()
        return
    if "phones" in sys.argv:
        with people.scratch() as home:
            from django.db import connection

            from benchmarks import phones

            phones.main(home, write="--dry" not in sys.argv)
            connection.close()
        return
    results: dict[str, Any] = {"cores": os.cpu_count()}
    with people.scratch() as home:
        from django.db import connection

        results["inside"] = hot_path.measure()
        results["socket"] = socket_rates.measure(home)
        results["dovecot"] = socket_rates.dovecot(home)
        results["schemes"] = schemes.measure()
        results["pages"] = pages.measure()
        results["sign_ins"] = pages.sign_ins()
        connection.close()
        results["start"] = start.measure()
        if "--dry" not in sys.argv:
            report.write(results)


if __name__ == "__main__":
    main()
