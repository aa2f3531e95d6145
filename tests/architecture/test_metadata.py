"""The metadata of the package: its licence and its authors are true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from watchword import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_licence_is_apache_2_and_whole() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.split()) > 1500
    assert "Copyright 2026 the Watchword authors" in (ROOT / "NOTICE").read_text()
    assert all((ROOT / name).exists() for name in PROJECT["license-files"])


def test_no_classifier_contradicts_the_licence_or_the_version_of_python() -> None:
    classifiers = PROJECT["classifiers"]
    assert classifiers == sorted(classifiers, key=str.casefold)
    # PEP 639: the licence is stated once, by its SPDX expression.
    assert not [one for one in classifiers if one.startswith("License ::")]
    assert f"Programming Language :: Python :: {PROJECT['requires-python'].removeprefix('>=')}" in classifiers
    assert f"Programming Language :: Python :: {(ROOT / '.python-version').read_text().strip()}" in classifiers


def test_the_changelog_keeps_its_form() -> None:
    """Keep a Changelog's form: the newest version first, each with sections of the fixed names, each at most once."""
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", one) for one in versions[1:])
    allowed = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for part in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
        sections = re.findall(r"^### (.*)$", part, re.MULTILINE)
        assert len(set(sections)) == len(sections)
        assert set(sections) <= set(allowed)
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert not versions[1:] or versions[1].startswith(f"[{__version__}]"), (
        "the newest release is the version of the code"
    )
