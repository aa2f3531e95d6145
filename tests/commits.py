"""Run ``on_commit`` callbacks in tests whose transaction never commits.

pytest-django's ``db`` holds a test in transactions that are rolled back, so that ``transaction.on_commit`` would never
call anything there. Here it does, at the moment at which the code under test would have committed: when its outermost
block ends, or at once where it has none. Callbacks of a block that was rolled back are dropped, as in production. With
``transactional_db`` nothing is changed: commits are real there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper


@pytest.fixture(scope="session", autouse=True)
def commits_call_what_waits_for_them() -> Iterator[None]:
    """Treat the end of the outermost block of the code under test as a commit."""
    with pytest.MonkeyPatch.context() as patch:
        leave, on_commit = transaction.Atomic.__exit__, BaseDatabaseWrapper.on_commit

        def exit_block(self: transaction.Atomic, *error: Any) -> None:
            leave(self, *error)
            _call_what_waits(transaction.get_connection(self.using))

        def on_commit_or_now(self: BaseDatabaseWrapper, func: Callable[[], object], robust: bool = False) -> None:
            on_commit(self, func, robust)
            _call_what_waits(self)

        patch.setattr(transaction.Atomic, "__exit__", exit_block)
        patch.setattr(BaseDatabaseWrapper, "on_commit", on_commit_or_now)
        yield


def block_of_a_test() -> transaction.Atomic:
    """Return a block that a test opens to roll back its changes: it belongs to the test and its end is no commit."""
    block: Any = transaction.atomic()
    block._from_testcase = True
    opened: transaction.Atomic = block
    return opened


def _call_what_waits(connection: BaseDatabaseWrapper) -> None:
    blocks: list[Any] = connection.atomic_blocks
    if not blocks or not all(block._from_testcase for block in blocks) or connection.needs_rollback:
        return
    while connection.run_on_commit:
        connection.run_on_commit.pop(0)[1]()
