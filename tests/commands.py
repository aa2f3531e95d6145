"""Runs `watchword`, and programs that use the product, as processes of their own with a home of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 120
PREAMBLE = "import django; django.setup(); from django.utils import timezone; now = timezone.now()\n"


def environment_of(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process: nothing of the tests' own settings is in it."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "watchword.config.settings",
        "WATCHWORD_HOME": str(home),
        "WATCHWORD_PUBLIC_URL": "http://127.0.0.1:8000",
        **variables,
    }


def watchword(*words: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command as an operator does; it is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "watchword.cli.main", *words],
        env=environment_of(home, variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def succeed(*words: str, home: Path, **variables: str) -> str:
    """Run one command that must succeed, and return its output."""
    done = watchword(*words, home=home, **variables)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def refusal(*words: str, home: Path, **variables: str) -> str:
    """Run one command that must fail with one sentence, and return it without the command's name."""
    done = watchword(*words, home=home, **variables)
    assert done.returncode == 1, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1].partition(": ")[2]


def run_program(text: str, *, home: Path, **variables: str) -> str:
    """Run a program with Django set up and ``now`` defined, and return its output."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + text],
        env=environment_of(home, variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def home_with_keys_of(home: Path, new: Path) -> Path:
    """Make a home that has the key ring of this one and nothing else, and return it."""
    new.mkdir()
    shutil.copy2(home / "keys", new)
    return new
