"""The keypad of a telephone: keys made into a WAV file."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from app.tasks.asr import HIGH_HZ, KEYS, LOW_HZ

RATE_HZ = 8000
_HELD_S, _PAUSE_S = 0.1, 0.1


def write_keys(keys: str, path: Path) -> Path:
    """Write the sound of these keys, pressed one after the other, with a little noise on the line."""
    noise = np.random.default_rng(1)
    parts = []
    for key in keys:
        row = next(number for number, line in enumerate(KEYS) if key in line)
        at = np.arange(int(RATE_HZ * _HELD_S)) / RATE_HZ
        tones = (LOW_HZ[row], HIGH_HZ[KEYS[row].index(key)])
        parts.append(sum(0.3 * np.sin(2 * np.pi * hz * at) for hz in tones))
        parts.append(np.zeros(int(RATE_HZ * _PAUSE_S)))
    sound = np.concatenate(parts)
    sound += noise.normal(0, 0.005, len(sound))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return path
