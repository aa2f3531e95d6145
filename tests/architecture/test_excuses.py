"""A comment that silences a rule states the reason on the same line."""

import io
import re
import tokenize
import tomllib
from pathlib import Path

import pytest

from tests.architecture.test_shape import FOLDERS

ROOT = Path(__file__).parents[2]

EXCUSE = re.compile(
    r"\#\s*(?:ruff:\s*)?noqa\b(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?"
    r"|\#\s*type:\s*ignore\b(?:\[[a-z\-, ]+\])?"
    r"|\#\s*mypy:[^#(]*"
    r"|\#\s*pragma:\s*no\s+cover"
)
TABLES = ("[tool.ruff.lint]", "[tool.ruff.lint.per-file-ignores]", "[[tool.mypy.overrides]]")
"""The tables of pyproject.toml that silence a rule for a file, a folder or the whole tree."""


def unexplained(source: str) -> list[int]:
    """Return the numbers of the lines that silence a rule without a reason; a reason is at least one word."""
    lines = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and EXCUSE.search(token.string):
            said = EXCUSE.sub("", token.string)
            if not re.search(r"\w{2}", said):
                lines.append(token.start[0])
    return lines


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: S105",
        "x = 1  # noqa: S105, PLR2004",
        "x = 1  # noqa: S105  ()",
        "x = 1  # type: ignore",
        "x = 1  # type: ignore[arg-type]",
        "x = 1  # type: ignore[arg-type]  # noqa: S105",
        "# ruff: noqa: E501",
        "# mypy: ignore-errors",
        "x = 1  # pragma: no cover",
    ],
)
def test_an_excuse_without_a_reason_is_noticed(line: str) -> None:
    assert unexplained(f'"""A module."""\n{line}\n') == [2]


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: S105  (a name)",
        "x = 1  # noqa: PLR2004  TCP",
        "x = 1  # type: ignore[misc]  # the library has no types",
        "x = 1  # type: ignore[misc]  # noqa: S105  (the library has no types)",
        "# ruff: noqa: E501, RUF001  (letters of real names)",
        'x = "# noqa: S105"',
        "x = 1  # an ordinary comment",
    ],
)
def test_a_reason_is_taken(line: str) -> None:
    assert unexplained(f'"""A module."""\n{line}\n') == []


def test_every_excuse_gives_its_reason() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]
    assert len(files) > 400
    bare = [f"{path.relative_to(ROOT)}:{line}" for path in files for line in unexplained(path.read_text())]
    assert bare == []


def silencing_lines() -> list[str]:
    """Return the lines of pyproject.toml that silence a rule."""
    found, table, key = [], "", ""
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if line.startswith("["):
            table = line
        elif table in TABLES and line and not line.startswith("#"):
            if not line.startswith((" ", "]")):
                key = line.partition(" = ")[0]
            if key not in {"select", "module"} and line.strip() not in {"ignore = [", "]"}:
                found.append(line)
    return found


def test_every_excuse_of_the_whole_tree_gives_its_reason() -> None:
    lines = silencing_lines()
    assert len(lines) > 15
    assert [line for line in lines if not re.search(r"#.*\w{2}", line)] == []


def test_every_excuse_by_file_is_for_files_that_exist() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    patterns = [each for pattern in ruff["per-file-ignores"] for each in alternatives(pattern.removeprefix("!"))]
    assert len(patterns) > 8
    assert [pattern for pattern in patterns if next(ROOT.glob(pattern), None) is None] == []


def alternatives(pattern: str) -> list[str]:
    """Return the patterns without braces that a pattern with braces stands for."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces is None:
        return [pattern]
    return [
        each
        for word in braces[1].split(",")
        for each in alternatives(pattern[: braces.start()] + word + pattern[braces.end() :])
    ]
