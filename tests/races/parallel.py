"""Run one act many times at the same moment, in threads or in processes, each with its own database connection."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from django.db import connections

BOUND_SECONDS = 60


def in_threads[T](number: int, act: Callable[[int], T]) -> list[T]:
    """Return the results of ``act(0) … act(number - 1)``, all started at one moment."""
    barrier = threading.Barrier(number)

    def run(which: int) -> T:
        try:
            barrier.wait(BOUND_SECONDS)
            return act(which)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def in_processes[T](processes: int, threads: int, act: Callable[[int], T]) -> list[T]:
    """Return the results of the acts, run in several processes with several threads each.

    Results must be picklable. The processes are forked, so that they use the test's own database.
    """
    connections.close_all()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes)

    def child(first: int, pipe: Connection) -> None:
        barrier.wait(BOUND_SECONDS)
        pipe.send(in_threads(threads, lambda which: act(first + which)))
        pipe.close()

    started: list[tuple[Any, Connection]] = []
    for number in range(processes):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=child, args=(number * threads, theirs))
        process.start()
        theirs.close()
        started.append((process, ours))
    results: list[T] = []
    for process, ours in started:
        results.extend(ours.recv())
        process.join(BOUND_SECONDS)
        assert process.exitcode == 0
    return results
