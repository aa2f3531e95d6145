"""Every `watchword` command on a page of the documentation is one that the program knows, with options that it has."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from watchword.cli import main

ROOT = Path(__file__).parents[2]
HISTORY = {"CHANGELOG.md", "docs/adr"}
PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    if not any(page.relative_to(ROOT).as_posix().startswith(name) for name in HISTORY)
]
COMMAND = re.compile(r"(?:^|[\s|;&(]|\bsudo )watchword ((?:[a-z][a-z-]*\b|--version|--help).*)")
LANGUAGES_OF_COMMANDS = {"", "sh", "console", "bash"}


def code_of(tokens: list[Token]) -> Iterator[str]:
    """Yield each line of code, and each code within a sentence."""
    for token in tokens:
        if token.type == "code_inline":
            yield token.content.replace("\n", " ")
        elif token.type == "code_block" or (token.type == "fence" and token.info in LANGUAGES_OF_COMMANDS):
            yield from token.content.splitlines()
        yield from code_of(token.children or [])


def commands_of(page: Path) -> list[list[str]]:
    """Return the words after `watchword` of each command on a page."""
    found = []
    for line in code_of(MarkdownIt("commonmark").enable("table").parse(page.read_text())):
        for match in COMMAND.finditer(line):
            said = re.split(r"\s#|\s*[|&;)]|\s[<>]|`", match[1])[0]
            found.append(shlex.split(said.replace("…", "")))
    return found


@cache
def help_of(*words: str) -> str:
    """Return what `--help` after these words prints, or the empty text if they are no command."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            status = main.main([*words, "--help"])
        except SystemExit as ended:
            status = int(ended.code or 0)
    return said.getvalue() if status == 0 else ""


def mistake_in(words: list[str]) -> str:
    """Return what is wrong with a command, or the empty text."""
    if words[0].startswith("--"):
        return "" if words[0] in {"--version", "--help"} else f"there is no option {words[0]}"
    if words[0] in {"help", "version"}:
        return ""
    known = help_of(words[0])
    if not known:
        return f"there is no command {words[0]}"
    if len(words) > 1 and re.fullmatch(r"[a-z][a-z-]*", words[1]) and f"{{{words[1]}" in known.replace(",", ",{"):
        known += help_of(*words[:2])
    options = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
    unknown = sorted(option for option in options if not re.search(rf"(?<![\w-]){option}(?![\w-])", known))
    return f"`watchword {words[0]}` has no option {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_command_of_a_page_is_known_with_its_options(page: Path) -> None:
    mistakes = {mistake: words for words in commands_of(page) if (mistake := mistake_in(words))}
    assert not mistakes


def test_the_pages_hold_commands() -> None:
    assert len({tuple(words) for page in PAGES for words in commands_of(page)}) > 30


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ("keyz create", "there is no command keyz"),
        ("migrate --planned", "`watchword migrate` has no option --planned"),
        ("keys retire ID --dropp", "`watchword keys` has no option --dropp"),
        ("keys retire ID --drop", ""),
        ("verify --expect SEAL", ""),
        ("--version", ""),
    ],
)
def test_a_mistake_would_be_found(said: str, mistake: str) -> None:
    assert mistake_in(said.split()) == mistake


def test_the_symptoms_name_event_codes_that_the_logs_have() -> None:
    codes = re.compile(r"`((?:[a-z]+\.)+[a-z_0-9]+)`")
    named = {
        code
        for line in (ROOT / "docs/operating/troubleshooting.md").read_text().splitlines()
        if line.startswith("|")
        for code in codes.findall(line.split("|")[2])
    }
    known = set(codes.findall((ROOT / "docs/operating/logs.md").read_text()))
    assert len(named) > 15
    assert named <= known
