"""What the package says of itself: its licence, its authors, and nothing that isn't so."""

from __future__ import annotations

import tomllib
from pathlib import Path

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
    # PEP 639: the licence is said once, by its SPDX expression.
    assert not [one for one in classifiers if one.startswith("License ::")]
    assert f"Programming Language :: Python :: {PROJECT['requires-python'].removeprefix('>=')}" in classifiers
    assert f"Programming Language :: Python :: {(ROOT / '.python-version').read_text().strip()}" in classifiers
