"""A missing extra is reported in one sentence that names it."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions, packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.environment import KEYS
from watchword.cli.main import main
from watchword.config import extras
from watchword.config.databases import database_settings
from watchword.config.parsers import InvalidSetting
from watchword.config.phones_file import phones_of
from watchword.core.keyring import KeyRing

ROOT = Path(__file__).parents[2]
FILE = '[[gateway]]\nname = "pbx"\nkind = "sip"\n'


def ring() -> KeyRing:
    return KeyRing.parse(KEYS, random_source=os.urandom)


@pytest.fixture
def only_the_base(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Simulate an environment in which no module of an extra is installed."""
    away = {module for modules in extras.MODULES.values() for module in modules}
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in away else find_spec(name))
    monkeypatch.setitem(sys.modules, "psycopg", None)
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_the_modules_asked_for_are_those_that_the_extras_bring() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(asked) == set(extras.MODULES)
    brought_by = packages_distributions()
    for extra, modules in extras.MODULES.items():
        wanted = {re.split(r"[\[~=<>; ]", line)[0] for line in asked[extra]}
        # Before Python 3.13 the standard library contains audioop itself.
        brought = {name for module in modules for name in _bringing(module) or brought_by.get(module, ["audioop-lts"])}
        assert brought == wanted, extra


def _bringing(module: str) -> list[str]:
    """Return the distribution that installs a module of a namespace package; none for other modules."""
    if "." not in module:
        return []
    file = f"{module.replace('.', '/')}/__init__.py"
    return [found.name for found in distributions() if any(str(each) == file for each in found.files or [])]


@pytest.mark.parametrize("extra", extras.MODULES)
def test_where_all_is_installed_nothing_is_asked_for(extra: str) -> None:
    assert extras.why_not_installed(extra) == ""


@pytest.mark.usefixtures("only_the_base")
def test_the_demo_without_its_libraries_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 1
    said = capsys.readouterr()
    assert said.err == "watchword demo: needs the extra demo (aiosmtpd, pymap): pip install 'watchword[demo]'\n"
    assert said.out == ""


@pytest.mark.usefixtures("only_the_base")
def test_a_phones_file_without_the_libraries_is_one_problem(tmp_path: Path) -> None:
    file = tmp_path / "phones.toml"
    file.write_text(FILE)
    (problem,) = phones_of(str(file), ring()).problems
    assert problem.startswith("needs the extra phones (aiortp, aiosipua, ")
    assert problem.endswith("): pip install 'watchword[phones]'")


@pytest.mark.usefixtures("only_the_base")
def test_without_a_phones_file_no_library_for_phones_is_needed() -> None:
    assert phones_of("", ring()).problems == ()


@pytest.mark.usefixtures("only_the_base")
def test_a_postgresql_address_without_psycopg_names_the_extra_and_hides_the_password() -> None:
    with pytest.raises(InvalidSetting) as refused:
        database_settings("postgresql://watchword:hunter2@localhost/watchword")
    assert str(refused.value) == (
        "names PostgreSQL, which needs the extra postgres (psycopg): pip install 'watchword[postgres]'"
    )
