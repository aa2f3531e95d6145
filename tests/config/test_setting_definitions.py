"""Every setting is declared once, and its documentation matches the program's behaviour."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from tests.config.test_environment import GOOD, good, no_files
from watchword.cli.settings_reference import PROCESSES, markdown
from watchword.config import setting_definitions
from watchword.config.environment import Environment, read_environment, read_setting
from watchword.config.setting_definitions import PREFIX, SETTINGS, Process, Setting

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
NAMES = [setting.name for setting in SETTINGS]
EXISTING = {"BREACHED_PASSWORDS_FILE", "COUNTRIES_FILE", "PHONES_FILE"}
"""Settings whose value must be the path of an existing file."""
NOT_OF_OPERATORS = {"WATCHWORD_TEST_DATABASE", "WATCHWORD_X", "WATCHWORD_X_FILE"}


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == markdown(), "run: watchword settings --markdown > docs/settings.md"


def test_every_declared_setting_is_in_a_section() -> None:
    declared = [value for value in vars(setting_definitions).values() if isinstance(value, Setting)]
    assert sorted(setting.name for setting in declared) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_every_setting_is_read() -> None:
    source = ast.parse((ROOT / "watchword/config/environment.py").read_text())
    function = next(node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "_environment")
    read = {
        node.args[0].attr
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Attribute)
    }
    assert read | {"ALLOW_PLAIN_HTTP"} == set(NAMES), "read beside LISTEN: ALLOW_PLAIN_HTTP"


def test_every_process_is_described_and_has_settings() -> None:
    assert set(PROCESSES) == set(Process)
    assert {process for setting in SETTINGS for process in setting.processes} == set(Process)
    assert [setting.name for setting in SETTINGS if not setting.processes] == []


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_the_example_of_each_setting_is_accepted(setting: Setting[Any], tmp_path: Path) -> None:
    variable, _, text = setting.example.rpartition("=") if setting.name == "KEYS" else (setting.variable, "", "")
    if setting.name == "KEYS":
        assert (variable, text) == (setting.file_variable, "/etc/watchword/keys")
        return
    text = setting.example.strip('"')
    if setting.name in EXISTING:
        assert Path(text).is_absolute()
        file = tmp_path / Path(text).name
        file.touch()
        text = str(file)
    beside = {"WATCHWORD_SENDER": "w@example.org"} if setting.name == "SMTP_URL" else {}
    assert isinstance(read_environment({**GOOD, **beside, variable: text}, read_secret=no_files), Environment)


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_the_default_of_each_setting_is_the_value_that_holds(setting: Setting[Any]) -> None:
    if setting.is_required or "{" in setting.default or not setting.default:
        return
    variables = {"HOME": "/home/alice"}
    assert read_setting(variables, setting) == setting.parse(setting.default)
    assert read_setting({**variables, setting.variable: ""}, setting) == setting.parse(setting.default)


def test_what_must_be_set_is_what_the_page_says() -> None:
    environment = good()
    for setting in SETTINGS:
        without = {name: value for name, value in GOOD.items() if name != setting.variable}
        found = read_environment(without, read_secret=no_files)
        is_missed = isinstance(found, list) and found[0].variable == setting.variable
        assert is_missed is setting.is_required, setting.name
    assert dataclasses.is_dataclass(environment)


def test_the_settings_that_hold_secrets_are_marked() -> None:
    assert {setting.name for setting in SETTINGS if setting.is_secret} == {
        "KEYS",
        "DATABASE_URL",
        "SMTP_URL",
        "METRICS_TOKEN",
    }
    for setting in SETTINGS:
        assert bool(re.search("password@|the key ring itself|bearer token", setting.expected)) is setting.is_secret, (
            setting.name
        )


def test_every_variable_that_documents_and_scripts_name_exists() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile", *(ROOT / "scripts").iterdir()]
    known = {variable for setting in SETTINGS for variable in (setting.variable, setting.file_variable)}
    history = {ROOT / "CHANGELOG.md", *(ROOT / "docs/adr").iterdir()}
    unknown = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        if path not in history and path.is_file()
        for name in re.findall(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z]\b", path.read_text())
        if name not in known | NOT_OF_OPERATORS
    }
    assert unknown == set()


def test_no_other_module_reads_a_setting() -> None:
    reads = re.compile(rf"""(?:variables|environ)(?:\.get\(|\[)\s*f?["']{PREFIX}[A-Z_]+["'](?!\]\s=)""")
    others = [path for path in (ROOT / "watchword").rglob("*.py") if path.name != "environment.py"]
    assert len(others) > 100
    assert [str(path.relative_to(ROOT)) for path in others if reads.search(path.read_text())] == []
