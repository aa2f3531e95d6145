"""A voice for the demo's phone where no synthesiser is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from watchword.messaging.voice import tts

_SILENCE = f"""#!{sys.executable}
import sys, wave
sys.stdin.read()
with wave.open(sys.stdout.buffer, "wb") as sound:
    sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(8000)
    sound.writeframes(bytes(16000))
"""


@pytest.fixture(autouse=True)
def synthesiser(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a missing synthesiser by a program that speaks one second of silence."""
    if tts.is_available():
        return
    folder: Path = tmp_path_factory.mktemp("voice")
    program = folder / tts.PROGRAM
    program.write_text(_SILENCE, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
