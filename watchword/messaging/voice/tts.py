"""Synthesise speech by espeak-ng, where it is installed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import wave
from functools import lru_cache

from watchword.core.child_environment import child_environment

PROGRAM = "espeak-ng"
_SECONDS = 10
_LONGEST = 1_000
_WORDS_EACH_MINUTE = 130


class NoSpeech(Exception):
    """The synthesiser is not installed, or it failed."""


def is_available() -> bool:
    """Return whether this machine can synthesise speech."""
    return shutil.which(PROGRAM) is not None


@lru_cache(maxsize=32)
def speak(words: str, language: str = "en") -> bytes:
    """Return spoken words as a WAV file (16 bit, mono); raises NoSpeech."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise NoSpeech(f"{PROGRAM} is not installed")
    voice = language if language.isalpha() else "en"
    try:
        done = subprocess.run(  # noqa: S603  (a fixed program; the words are passed by standard input)
            [program, "-v", voice, "-s", str(_WORDS_EACH_MINUTE), "--stdin", "--stdout"],
            input=words[:_LONGEST].encode(),
            env=child_environment(os.environ),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise NoSpeech(type(error).__name__) from None
    return _with_true_length(done.stdout)


def _with_true_length(heard: bytes) -> bytes:
    """Rewrite the WAV header: a streamed one claims a length of hours, which some players believe."""
    told = io.BytesIO()
    try:
        with wave.open(io.BytesIO(heard)) as streamed, wave.open(told, "wb") as whole:
            whole.setnchannels(streamed.getnchannels())
            whole.setsampwidth(streamed.getsampwidth())
            whole.setframerate(streamed.getframerate())
            whole.writeframes(streamed.readframes(len(heard)))
    except (wave.Error, EOFError):
        raise NoSpeech(f"{PROGRAM} made no sound") from None
    return told.getvalue()
