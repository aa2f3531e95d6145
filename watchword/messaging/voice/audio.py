"""Telephone audio: 8,000 samples a second, 16 bit, mono; and G.711 in frames of 20 milliseconds."""

from __future__ import annotations

import audioop
import io
import math
import wave
from array import array
from functools import lru_cache

RATE = 8_000
FRAME_SAMPLES = 160
"""20 milliseconds."""
FRAME_SECONDS = FRAME_SAMPLES / RATE
PCMU, PCMA = 0, 8
"""RTP payload types of G.711, RFC 3551 section 6."""
_CUTOFF = 3_500
"""Low-pass frequency in Hz. Telephones carry up to 3,400 Hz (G.712); higher frequencies would alias into that range."""
_LOBES = 12
_LONGEST_SECONDS = 60
_DEPTHS = frozenset({1, 2, 3, 4})


class InvalidAudio(Exception):
    """A file is not a WAV file that can be played; the message says what is wrong with it."""


def from_wav(content: bytes) -> bytes:
    """Return a WAV file of any rate, depth and number of channels as telephone audio; raises InvalidAudio."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            gateways, depth, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            octets = file.readframes(rate * _LONGEST_SECONDS)
    except (wave.Error, EOFError, ValueError, RuntimeError):
        raise InvalidAudio("is not a WAV file with uncompressed sound") from None
    if gateways not in {1, 2} or depth not in _DEPTHS or not RATE <= rate <= 192_000:
        raise InvalidAudio("has more than two channels, or a rate below 8,000 or above 192,000 samples a second")
    octets = octets[: len(octets) // (gateways * depth) * gateways * depth]
    if depth == 1:
        octets = audioop.bias(octets, 1, -128)  # 8-bit WAV files are unsigned
    if gateways > 1:
        octets = audioop.tomono(octets, depth, 0.5, 0.5)
    return resampled(audioop.lin2lin(octets, depth, 2), rate)


def resampled(pcm: bytes, rate: int) -> bytes:
    """Return audio of another rate (samples a second, at least 8,000) at the telephone rate, without aliasing."""
    if rate == RATE:
        return pcm
    samples = array("h", pcm)
    step, phases = rate // math.gcd(rate, RATE), RATE // math.gcd(rate, RATE)
    kernels = _kernels(rate)
    reach = len(kernels[0]) // 2
    padded = [0.0] * reach + [float(sample) for sample in samples] + [0.0] * (reach + 1)
    out = array("h")
    for position in range(len(samples) * phases // step):
        whole, phase = divmod(position * step, phases)
        value = math.sumprod(kernels[phase], padded[whole : whole + 2 * reach + 1])
        out.append(max(-32_768, min(32_767, round(value))))
    return out.tobytes()


@lru_cache(maxsize=4)
def _kernels(rate: int) -> list[list[float]]:
    """Return a windowed sinc for each phase that an output sample can have between two input samples."""
    phases = RATE // math.gcd(rate, RATE)
    cutoff = _CUTOFF / rate
    reach = math.ceil(_LOBES / (2 * cutoff))
    kernels = []
    for phase in range(phases):
        taps = []
        for tap in range(-reach, reach + 1):
            distance = tap - phase / phases
            window = 0.5 + 0.5 * math.cos(math.pi * max(-1.0, min(1.0, distance / (reach + 1))))
            angle = 2 * math.pi * cutoff * distance
            taps.append(2 * cutoff * (math.sin(angle) / angle if angle else 1.0) * window)
        total = sum(taps)
        kernels.append([tap / total for tap in taps])
    return kernels


def silence(seconds: float) -> bytes:
    """Return ``seconds`` of silence."""
    return bytes(2 * round(seconds * RATE))


def frames_of(pcm: bytes, payload_type: int) -> list[bytes]:
    """Return audio as G.711 frames, the last one padded with silence."""
    octets = audioop.lin2ulaw(pcm, 2) if payload_type == PCMU else audioop.lin2alaw(pcm, 2)
    quiet = b"\xff" if payload_type == PCMU else b"\xd5"
    return [
        octets[start : start + FRAME_SAMPLES].ljust(FRAME_SAMPLES, quiet)
        for start in range(0, len(octets), FRAME_SAMPLES)
    ]


def loudness(pcm: bytes) -> int:
    """Return the loudness of audio: its root mean square, 0 to 32,767."""
    return audioop.rms(pcm, 2)
