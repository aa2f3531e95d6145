"""Audio for telephones: a WAV file is converted or refused with a reason; frequencies above the band don't alias."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import struct
import threading
import wave
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.messaging.content.sms import Said
from watchword.messaging.voice import audio, tts
from watchword.messaging.voice.prompts import Prompts, problems_of


def tone(hertz: int, rate: int, seconds: float = 1.0) -> bytes:
    count = round(rate * seconds)
    return array("h", [round(10_000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(count)]).tobytes()


def wav(pcm: bytes, *, rate: int = 8_000, gateways: int = 1, depth: int = 2) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(gateways)
        file.setsampwidth(depth)
        file.setframerate(rate)
        file.writeframes(pcm)
    return out.getvalue()


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_speech_stays_as_loud_and_what_no_telephone_carries_is_gone(rate: int) -> None:
    middle = slice(1_600, -1_600)
    stored = audio.loudness(audio.resampled(tone(1_000, rate), rate)[middle])
    assert abs(stored - audio.loudness(tone(1_000, rate))) < 150
    assert audio.loudness(audio.resampled(tone(5_500, rate), rate)[middle]) < 50


@pytest.mark.parametrize(("gateways", "depth"), [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 4)])
def test_every_depth_and_two_channels_are_read(gateways: int, depth: int) -> None:
    heard = audio.from_wav(wav(bytes(gateways * depth * 800), gateways=gateways, depth=depth))
    assert len(heard) == 1_600


@given(st.binary(max_size=300))
def test_no_octets_make_the_reader_fall(content: bytes) -> None:
    with pytest.raises(audio.InvalidAudio):
        audio.from_wav(content)


@pytest.mark.parametrize("length_at", [4, 40], ids=["of the file", "of the sound"])
@pytest.mark.parametrize("more", [1, 2, 100, 2**31, 2**32 - 1 - 436])
def test_a_length_in_the_header_above_what_is_there_gives_what_is_there(length_at: int, more: int) -> None:
    """A synthesiser that streams can't know the length, and claims hours."""
    pcm = tone(400, 8_000, 0.025)
    content = bytearray(wav(pcm))
    (length,) = struct.unpack_from("<I", content, length_at)
    struct.pack_into("<I", content, length_at, length + more)
    assert audio.from_wav(bytes(content)) == pcm


def test_a_broken_octet_of_the_header_is_refused_or_gives_no_more_than_there_is() -> None:
    pcm, outcomes = tone(400, 8_000, 0.025), []
    for at in range(44):
        broken = bytearray(wav(pcm))
        broken[at] ^= 0xFF
        try:
            outcomes.append(len(audio.from_wav(bytes(broken))) <= len(pcm))
        except audio.InvalidAudio as refused:
            outcomes.append("WAV" in str(refused) or "8,000" in str(refused))
    assert all(outcomes)


def test_a_header_whose_marks_or_format_are_broken_is_refused() -> None:
    """Break the marks of the file, of its type, of the format and of the data; then the format itself."""
    for at in (0, 8, 12, 20, 22, 26, 34, 36):
        broken = bytearray(wav(bytes(400)))
        broken[at] ^= 0xFF
        with pytest.raises(audio.InvalidAudio):
            audio.from_wav(bytes(broken))


def test_a_rate_that_is_too_low_or_too_high_is_refused() -> None:
    for rate in (4_000, 200_000):
        with pytest.raises(audio.InvalidAudio, match="8,000"):
            audio.from_wav(wav(bytes(800), rate=rate))


@given(st.integers(0, 2_000), st.sampled_from([audio.PCMU, audio.PCMA]))
def test_frames_are_all_of_twenty_milliseconds(samples: int, payload_type: int) -> None:
    frames = audio.frames_of(bytes(2 * samples), payload_type)
    assert {len(frame) for frame in frames} <= {audio.FRAME_SAMPLES}
    assert len(frames) == -(-samples // audio.FRAME_SAMPLES)


def test_digits_come_slowly_in_two_groups_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tts, "speak", lambda _words, _language: wav(b"\1\0" * 800))
    pcm = array("h", Prompts().sound_of([Said(digit, digit) for digit in "493027"], "en"))
    loud = [position for position, sample in enumerate(pcm) if sample]
    pauses = [(after - before) / 8_000 for before, after in itertools.pairwise(loud) if after - before > 1]
    assert [round(pause, 2) for pause in pauses] == [0.55, 0.55, 0.95, 0.55, 0.55]


def test_whole_codes_are_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tts, "speak", lambda _words, _language: wav(bytes(800)))
    prompts = Prompts()
    prompts.sound_of([Said(digit, digit) for digit in "493027"], "en")
    assert max(len(words) for _language, _name, words in prompts._stored) == 1


def test_a_recording_that_is_no_sound_is_told_and_spoken_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tts, "speak", lambda _words, _language: wav(b"\1\0" * 100))
    monkeypatch.setattr(tts, "is_available", lambda: True)
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "7.wav").write_bytes(b"no sound")
    (tmp_path / "en" / "8.wav").write_bytes(wav(b"\2\0" * 100))
    assert problems_of(tmp_path) == ["en/7.wav is not a WAV file with uncompressed sound"]
    prompts = Prompts(tmp_path)
    assert prompts.sound_of([Said("7", "7")], "en").startswith(b"\1\0")
    assert prompts.sound_of([Said("8", "8")], "en").startswith(b"\2\0")
    assert problems_of(tmp_path / "gone") == ["the folder of recordings is not there"]


def test_an_unknown_language_is_spoken_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken: list[str] = []

    def speak(_words: str, language: str) -> bytes:
        spoken.append(language)
        return wav(bytes(16))

    monkeypatch.setattr(tts, "speak", speak)
    for language in ("xx", "de-AT", "fr", ""):
        Prompts().sound_of([Said("1", "1")], language)
    assert spoken == ["en", "de", "fr", "en"]


def test_calls_that_begin_together_have_their_words_made_once_and_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    together = threading.Barrier(2)

    def speak(words: str, _language: str) -> bytes:
        made.append(words)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(0.2)
            made.append("two at once")
        return wav(tone(400, 8_000, 0.1))

    monkeypatch.setattr(tts, "speak", speak)
    prompts = Prompts()
    begin = threading.Barrier(6)

    def call(number: int) -> bytes:
        begin.wait(10)
        return prompts.sound_of([Said("code", "Your code"), Said("4", "4")] if number % 2 else [Said("4", "4")], "en")

    with ThreadPoolExecutor(6) as threads:
        heard = list(threads.map(call, range(6)))
    assert sorted(made) == ["4", "Your code"]
    assert heard[1] == heard[3] == heard[5]
