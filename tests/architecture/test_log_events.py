"""Every log call carries a stable event code, and the operator's page lists exactly these codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.config.logs import LIBRARIES, OTHER_LIBRARY
from watchword.core.log_events import RESERVED

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operating" / "logs.md"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
CODE = re.compile(r"[a-z]+(\.[a-z_0-9]+){1,3}")
NOT_FOR_REQUESTS = re.compile(
    r"\b(who|whom|whose|whoever|nobody|somebody|anybody|everybody|they|them|their)\b", re.IGNORECASE
)
"""Words for people; a log line is about requests, rows, workers and gateways."""


def calls(source: str) -> Iterator[tuple[ast.Call, str]]:
    """Return the log calls of a module with their levels: the calls on any name that a logger usually has."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            called = node.func.value
            name = (
                called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
            )
            if name.strip("_") in {"logger", "log", "access_log", "error_log"} or _is_get_logger(called):
                yield node, node.func.attr


def _is_get_logger(called: ast.expr) -> bool:
    return isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute) and called.func.attr == "getLogger"


def problems(source: str) -> list[str]:
    """Return the violations in the log calls of a module."""
    wrong = []
    for call, level in calls(source):
        told = _log_event(call)
        if level in {"log", "exception"}:
            wrong.append(f"{call.lineno}: {level}() hides the level, or writes the text of an error")
        if told is None:
            # The extra is built elsewhere where it carries more than ids; the code must still be visible at the call.
            wrong.append(f"{call.lineno}: no extra=log_event(code, …)")
        elif not CODE.fullmatch(told):
            wrong.append(f"{call.lineno}: {told!r} is no code")
        first = call.args[0] if call.args else None
        is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
        if not is_text and not isinstance(first, ast.Name):
            wrong.append(f"{call.lineno}: the message is put together before the call")
        if isinstance(first, ast.Constant) and NOT_FOR_REQUESTS.search(str(first.value)):
            wrong.append(f"{call.lineno}: {first.value!r} speaks of people")
    return wrong


def _log_event(call: ast.Call) -> str | None:
    extra = next((keyword.value for keyword in call.keywords if keyword.arg == "extra"), None)
    if isinstance(extra, ast.Dict):
        # ``{**log_event(code, …), "details": …}``
        extra = next((value for key, value in zip(extra.keys, extra.values, strict=True) if key is None), None)
    if not (isinstance(extra, ast.Call) and isinstance(extra.func, ast.Name) and extra.func.id == "log_event"):
        return None
    first = extra.args[0] if extra.args else None
    return str(first.value) if isinstance(first, ast.Constant) else None


SOURCES = {path: path.read_text() for path in (ROOT / "watchword").rglob("*.py") if "migrations" not in path.parts}


def used() -> set[tuple[str, str]]:
    """Return the codes of all log calls with their levels."""
    return {
        (str(_log_event(call)), "warning" if level == "exception" else level)
        for source in SOURCES.values()
        for call, level in calls(source)
    }


def documented() -> dict[str, str]:
    """Return the codes of the operator's page with their levels, including those of libraries."""
    rows = re.findall(r"^\| `([a-z_.0-9]+)` \| ([a-z, ]+) \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert all(meaning.strip() and action.strip() for _code, _level, meaning, action in rows)
    codes = [code for code, *_rest in rows]
    assert len(codes) == len(set(codes)), "a code is listed twice"
    return {code: level for code, level, *_rest in rows}


def test_every_log_call_has_an_event_code() -> None:
    assert {str(path): wrong for path, source in SOURCES.items() if (wrong := problems(source))} == {}
    assert len(used()) > 50


@pytest.mark.parametrize(
    "planted",
    [
        'logger.info("done")',
        'logger.info("done", extra={"event": "a.b"})',
        'logger.info("done", extra=log_event(code))',
        'logger.info("done", extra=log_event("Done"))',
        'logger.info(f"{name} done", extra=log_event("a.b"))',
        'self._log.warning("done")',
        'logging.getLogger("x").error("done")',
        'logger.exception("done", extra=log_event("a.b"))',
        'logger.error("nobody is there", extra=log_event("a.b"))',
    ],
)
def test_a_log_call_without_an_event_code_is_found(planted: str) -> None:
    assert problems(planted) != []


def test_a_code_has_one_level() -> None:
    levels: dict[str, set[str]] = {}
    for code, level in used():
        levels.setdefault(code, set()).add(level)
    assert {code: found for code, found in levels.items() if len(found) > 1} == {}


def test_the_page_lists_every_code_with_its_level_and_no_other() -> None:
    listed, in_code = documented(), dict(used())
    of_libraries = {code for _name, code in LIBRARIES} | {
        "web.request.failed",
        "web.request.unavailable",
        OTHER_LIBRARY,
    }
    assert {code: level for code, level in listed.items() if code not in of_libraries or code in in_code} == in_code
    assert of_libraries <= listed.keys()


def test_the_page_names_every_field() -> None:
    page = PAGE.read_text()
    fields = {
        str(keyword.arg)
        for source in SOURCES.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "log_event"
        for keyword in node.keywords
        if keyword.arg
    }
    assert len(fields) > 5
    assert [name for name in sorted(fields | RESERVED) if f"`{name}`" not in page] == []
