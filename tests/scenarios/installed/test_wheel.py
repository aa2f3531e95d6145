"""The wheel in an empty environment outside the tree: an operator's first steps all work."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.scenarios.installed.builds import Release
from tests.scenarios.installed.installation import Installation, first_steps, play_demo
from watchword import __version__

pytestmark = pytest.mark.scenario

_LOOK_ROUND = """
import json, sys
from importlib.metadata import distributions
from watchword import __file__ as file
print(json.dumps({"packages": sorted(one.name for one in distributions()), "file": file, "path": sys.path}))
"""


def test_an_operator_gets_from_no_key_to_a_page_and_an_administrators_link(base: Installation) -> None:
    first_steps(base)


def test_the_demo_of_the_extra_starts_and_ends(with_demo: Installation) -> None:
    play_demo(with_demo)


def test_the_version_is_told_without_settings_and_keys(base: Installation) -> None:
    for words in (["--version"], ["version"]):
        done = base.run(*words, WATCHWORD_HOME="/nonexistent", WATCHWORD_PUBLIC_URL="", WATCHWORD_LISTEN="")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"watchword {__version__}\n", "")


def test_what_runs_holds_no_build_tools_and_nothing_of_the_tree(base: Installation) -> None:
    found = json.loads(base.python(_LOOK_ROUND))
    assert not {"setuptools", "wheel", "pip", "pytest", "mypy", "pymap", "psycopg", "aiosipua"} & set(found["packages"])
    assert Path(found["file"]).is_relative_to(base.environment)
    assert not [folder for folder in found["path"] if folder and (Path(folder) / "pyproject.toml").exists()]


def test_an_extra_that_is_missing_is_asked_for_in_one_sentence(base: Installation, tmp_path: Path) -> None:
    phones = tmp_path / "phones.toml"
    phones.write_text('[[gateway]]\nname = "pbx"\nkind = "sip"\nhost = "pbx.example"\n')
    assert base.run("keys", "create").returncode == 0
    for extra, words, variables in (
        ("demo", ["demo"], {}),
        ("phones", ["serve", "phones"], {"WATCHWORD_PHONES_FILE": str(phones)}),
        ("phones", ["check"], {"WATCHWORD_PHONES_FILE": str(phones)}),
        ("postgres", ["check"], {"WATCHWORD_DATABASE_URL": "postgresql://localhost/watchword"}),
    ):
        done = base.run(*words, **variables)
        assert done.returncode == 1
        assert f"needs the extra {extra} (" in done.stderr
        assert f"pip install 'watchword[{extra}]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_wheel_carries_licence_templates_and_data_and_no_tests(release: Release) -> None:
    with zipfile.ZipFile(release.wheel) as wheel:
        names = set(wheel.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        said = wheel.read(metadata).decode()
    info = metadata.removesuffix("METADATA")
    assert {f"{info}licenses/LICENSE", f"{info}licenses/NOTICE", "watchword/py.typed"} <= names
    assert "watchword/demo/data/countries.mmdb" in names
    documentation = info.replace(".dist-info/", ".data")
    assert {name.split("/")[0] for name in names} == {"watchword", info.rstrip("/"), documentation}
    assert f"{documentation}/data/share/doc/watchword/index.md" in names
    assert {name.split("/")[2] for name in names if name.startswith(documentation)} == {"share"}
    assert "License-Expression: Apache-2.0\n" in said
    assert {"demo", "phones", "postgres", "telemetry"} == {
        line.removeprefix("Provides-Extra: ") for line in said.splitlines() if line.startswith("Provides-Extra: ")
    }
