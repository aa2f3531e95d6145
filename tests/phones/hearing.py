"""Find spoken digits in a recording by cross-correlation with the samples of each digit, without speech recognition."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from watchword.messaging.content.sms import Said
from watchword.messaging.voice import audio
from watchword.messaging.voice.prompts import Prompts

SURE = 0.85
"""Least correlation that counts as a match; identical samples have 1, another digit in the same voice far less."""

type Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """One recognised phrase: its start in seconds, its name, and its correlation."""

    at: float
    what: str
    likeness: float


def digits_in(recording: array[int], language: str = "en") -> str:
    """Return the spoken digits, in order."""
    return "".join(heard.what for heard in all_digits_in(recording, language))


def all_digits_in(recording: array[int], language: str = "en") -> list[Heard]:
    """Return every spoken digit with its start."""
    found = [heard for digit in "0123456789" for heard in places_of(Said(digit, digit), recording, language)]
    stored: list[Heard] = []
    for heard in sorted(found, key=lambda one: -one.likeness):
        if all(abs(heard.at - other.at) > 0.25 for other in stored):
            stored.append(heard)
    return sorted(stored, key=lambda one: one.at)


def places_of(said: Said, recording: array[int], language: str = "en") -> list[Heard]:
    """Return the places where a phrase was said."""
    likeness = _likeness(_as_it_sounds(said, language), np.asarray(recording, dtype=np.float64))
    places = []
    while likeness.size:
        best = int(likeness.argmax())
        if likeness[best] < SURE:
            break
        places.append(Heard(best / audio.RATE, said.name, float(likeness[best])))
        likeness[max(best - audio.RATE // 4, 0) : best + audio.RATE // 4] = 0
    return sorted(places, key=lambda one: one.at)


def likeness_of(said: bytes, recording: array[int]) -> tuple[float, float]:
    """Return how well a recording matches some audio, 0 to 1, and at which second the audio begins."""
    likeness = _likeness(_through_the_line(said), np.asarray(recording, dtype=np.float64))
    best = int(likeness.argmax())
    return float(likeness[best]), best / audio.RATE


@cache
def _as_it_sounds(said: Said, language: str) -> Samples:
    pcm = Prompts().sound_of([said], language)
    return _without_silence(_through_the_line(pcm))


def _through_the_line(pcm: bytes) -> Samples:
    import audioop

    return np.frombuffer(audioop.ulaw2lin(audioop.lin2ulaw(pcm, 2), 2), dtype=np.int16).astype(np.float64)


def _without_silence(samples: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > 200)
    return samples[loud[0] : loud[-1] + 1]


def _likeness(pattern: Samples, recording: Samples) -> Samples:
    """Return the normalised cross-correlation at every position."""
    size = recording.size - pattern.size + 1
    if size <= 0:
        return np.zeros(0)
    length = 1 << (recording.size + pattern.size - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(recording, length) * np.conj(np.fft.rfft(pattern, length)), length)[:size]
    squares = np.concatenate(([0.0], np.cumsum(recording**2)))
    energy = np.sqrt(np.maximum(squares[pattern.size :] - squares[: -pattern.size], 1.0))
    likeness: Samples = product / (energy * max(float(np.sqrt((pattern**2).sum())), 1.0))
    return likeness
