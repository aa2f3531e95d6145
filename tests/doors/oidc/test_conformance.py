"""docs/conformance.md names tests that exist, and gives each module of a plan one result."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/conformance.md").read_text()
ROWS = [line.strip("| ").split(" | ", 2) for line in PAGE.splitlines() if re.match(r"\| (oidcc|fapi2)-", line)]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_each_named_test_exists() -> None:
    named = [match for _module, _result, text in ROWS for match in TEST.findall(text)]
    assert len(named) > 100
    missing = []
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        if name not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}:
            missing.append(f"{path}::{name}")
    assert missing == []


def test_each_module_has_one_result_with_a_test_or_a_reason() -> None:
    modules = [module for module, _result, _text in ROWS]
    assert len(modules) == len(set(modules))
    for module, result, text in ROWS:
        assert result in {"passes", "not applicable", "warning"}, module
        if result == "passes":
            assert TEST.search(text), module
        else:
            assert len(TEST.sub("", text)) > 30, f"{module}: say why"
        if result == "warning":
            assert TEST.search(text), module


def test_the_numbers_on_the_page_are_those_of_its_table() -> None:
    counted = {result: [row[1] for row in ROWS].count(result) for result in ("passes", "warning", "not applicable")}
    said = re.search(r"Of (\d+) modules (\d+) pass, (\d+) warn, and (\d+) don't apply", PAGE)
    assert said is not None
    assert [int(number) for number in said.groups()] == [len(ROWS), *counted.values()]
