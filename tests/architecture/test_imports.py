"""The import contracts between packages hold, and each contract detects a violation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [str(LINT), "--no-cache", "--config", "pyproject.toml"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the product's source and its contracts, which tests may damage."""
    shutil.copytree(ROOT / "watchword", tmp_path / "watchword", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


PLANTED = {
    "a lower package imports a higher one": ("directory/models.py", "import watchword.signin.flow", "packages"),
    "siblings import each other": ("factors/apps.py", "import watchword.messaging.apps", "packages"),
    "the core imports the looks": ("core/codes.py", "import watchword.ui", "packages"),
    "a package is added that no layer names": ("helpers/__init__.py", "", "packages"),
    "one factor imports another": ("factors/password/factor.py", "import watchword.factors.phone.factor", "factors"),
    "one door imports another": ("doors/mail/server.py", "import watchword.doors.web.navigation", "doors"),
    "a door opens the vault": ("doors/mail/__init__.py", "import watchword.factors.vault", "vault"),
    "signin opens the table of credentials": ("signin/flow.py", "import watchword.factors.models", "credentials"),
    "a factor opens it": ("factors/phone/factor.py", "import watchword.factors.models", "credentials"),
    "the core imports Django": ("core/decision.py", "import django.conf", "core"),
    "the core takes chance itself": ("core/codes.py", "import secrets", "core"),
}
NAMES = {
    "packages": "Imports point one way through the packages",
    "factors": "Factors don't know each other",
    "vault": "Only signin opens the vault",
    "credentials": "Only the vault opens the Credential table",
    "core": "The core knows no framework, clock, chance or database",
    "doors": "Doors don't know each other",
}


@pytest.mark.parametrize("story", PLANTED)
def test_a_planted_violation_is_found(story: str, copy: Path) -> None:
    path, line, contract = PLANTED[story]
    file = copy / "watchword" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as source:
        source.write(f"\n{line}\n")
    done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{NAMES[contract]} BROKEN" in done.stdout


def test_every_contract_has_a_planted_violation() -> None:
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["id"]: contract["name"] for contract in contracts} == {
        identity: name for identity, name in NAMES.items() if identity in {planted[2] for planted in PLANTED.values()}
    }
