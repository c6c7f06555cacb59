"""What is heard: vowels from formants over a falling and rising voice, in words with pauses."""

from __future__ import annotations

import numpy as np

from opendrape_masker.synthetic.picture import Array

_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
_SYLLABLE_SECONDS = 0.18


def speech_like(second: int, rate: int, *, seed: int) -> bytes:
    """One second of signed 16-bit mono sound, ``rate`` samples; formants after Peterson and Barney 1952."""
    random = np.random.default_rng((seed, second))
    parts: list[Array] = []
    while sum(part.size for part in parts) < rate:
        parts.append(_syllable(random, rate))
        if random.random() < 0.25:
            parts.append(np.zeros(int(rate * random.uniform(0.05, 0.2))))
    samples = np.concatenate(parts)[:rate]
    return (samples * 9000).astype("<i2").tobytes()


def _syllable(random: np.random.Generator, rate: int) -> Array:
    count = int(rate * _SYLLABLE_SECONDS)
    pitch = random.uniform(100, 180)
    times = np.arange(count) / rate
    formants = _VOWELS[int(random.integers(len(_VOWELS)))]
    voice = np.zeros(count)
    for harmonic in range(1, 24):
        frequency = harmonic * pitch
        loud = sum(1 / (1 + ((frequency - formant) / 90) ** 2) for formant in formants)
        voice += loud * np.sin(2 * np.pi * frequency * times)
    voice *= np.hanning(count)
    return voice / max(1e-9, float(np.abs(voice).max()))
