"""ASR: the keys of a telephone are recognised by the tones they make."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from celery import shared_task
from numpy.typing import NDArray

LOW_HZ = (697, 770, 852, 941)
HIGH_HZ = (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
#: the span that is judged at once: long enough to tell 697 Hz from 770 Hz, shorter than any key is held
_FRAME_S = 0.025
#: of a frame's power, how much its two tones must hold, so that speech and noise are no keys
_PURITY = 0.6
_SILENCE = 1e-4


@shared_task
def transcribe(path: str) -> str:
    """Give the keys heard in a WAV file (mono, 16 bit), in order; a key counts once for as long as it is held."""
    with wave.open(path, "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise ValueError(f"{Path(path).name} is not mono with 16 bits")
        rate = file.getframerate()
        sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768
    length = int(rate * _FRAME_S)
    heard = [key_in(sound[at : at + length], rate) for at in range(0, len(sound) - length + 1, length)]
    return "".join(key for key, before in zip(heard, ["", *heard], strict=False) if key and key != before)


def key_in(frame: NDArray[np.float64], rate: int) -> str:
    """Give the key whose two tones fill the frame, "" if there is none.

    Source: the Goertzel algorithm, for the eight frequencies of ITU-T Q.23.
    """
    power = float(np.mean(frame**2))
    if power < _SILENCE:
        return ""
    low = [tone_power(frame, hz, rate) for hz in LOW_HZ]
    high = [tone_power(frame, hz, rate) for hz in HIGH_HZ]
    if min(max(low), max(high)) < _PURITY / 4 * power or max(low) + max(high) < _PURITY * power:
        return ""
    return KEYS[int(np.argmax(low))][int(np.argmax(high))]


def tone_power(frame: NDArray[np.float64], hz: int, rate: int) -> float:
    """Give the power of one frequency in the frame; that of a pure tone is the frame's mean square."""
    turn = 2 * np.cos(2 * np.pi * hz / rate)
    before = last = 0.0
    for sample in frame.tolist():
        before, last = last, sample + turn * last - before
    return float((last**2 + before**2 - turn * last * before) * 2 / len(frame) ** 2)
