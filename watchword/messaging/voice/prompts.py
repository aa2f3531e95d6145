"""Audio of the IVR's prompts: recordings of the operator first, the synthesiser where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from watchword.messaging.content.sms import Said
from watchword.messaging.content.translations import WORDS
from watchword.messaging.voice import audio, tts

AFTER_SENTENCE = 0.35
AFTER_DIGIT = 0.55
AFTER_THIRD_DIGIT = 0.95
"""Pauses in seconds: six digits are easier to remember and type in two groups of three."""
_GROUP = 3
STORED = 500
"""Size of the cache; it also holds digits, and sentences with names of organisations."""


class Prompts:
    """Cached prompts. Blocking (a synthesiser runs) and thread-safe; digits are cached singly, never whole codes."""

    def __init__(self, recordings: Path | None = None) -> None:
        """``recordings`` has one folder for each language: ``en/greeting.wav``, ``en/7.wav`` and so on."""
        self._recordings = recordings
        self._stored: dict[tuple[str, str, str], bytes] = {}
        self._lock = Lock()
        self._making = Lock()

    def sound_of(self, sentences: Sequence[Said], language: str) -> bytes:
        """Return the audio of sentences, with digits spoken slowly in groups of three; raises tts.NoSpeech."""
        language = language.split("-", maxsplit=1)[0].lower()
        language = language if language in WORDS else "en"
        parts: list[bytes] = []
        digits = 0
        for said in sentences:
            parts.append(self._one(said, language))
            digits = digits + 1 if said.words.isdigit() else 0
            pause = AFTER_SENTENCE if not digits else AFTER_DIGIT if digits % _GROUP else AFTER_THIRD_DIGIT
            parts.append(audio.silence(pause))
        return b"".join(parts)

    def _one(self, said: Said, language: str) -> bytes:
        key = (language, said.name, said.words)
        with self._lock:
            found = self._stored.get(key)
        if found is not None:
            return found
        # Calls that begin together need the same words: they are made once, and one after the other, so that
        # synthesisers take no CPU time from the audio of other calls.
        with self._making:
            with self._lock:
                found = self._stored.get(key)
            if found is not None:
                return found
            made = self._recorded(said.name, language) or audio.from_wav(tts.speak(said.words, language))
            with self._lock:
                if len(self._stored) >= STORED:
                    self._stored.clear()
                self._stored[key] = made
        return made

    def _recorded(self, name: str, language: str) -> bytes:
        if self._recordings is None:
            return b""
        try:
            return audio.from_wav((self._recordings / language / f"{name}.wav").read_bytes())
        except (OSError, audio.InvalidAudio):
            return b""


def problems_of(recordings: Path | None) -> list[str]:
    """Return the problems that prevent calls from being spoken, in plain words; empty if there are none."""
    problems = [] if tts.is_available() else ["espeak-ng is not installed, so only what is recorded can be said"]
    if recordings is None:
        return problems
    if not recordings.is_dir():
        return [*problems, "the folder of recordings is not there"]
    for file in sorted(recordings.glob("*/*.wav")):
        try:
            audio.from_wav(file.read_bytes())
        except (OSError, audio.InvalidAudio) as error:
            words = str(error) if isinstance(error, audio.InvalidAudio) else "can't be read"
            problems.append(f"{file.parent.name}/{file.name} {words}")
    return problems
