"""Build songs from a few notes, and measure audio."""

from __future__ import annotations

import numpy as np

from bgmusic.music.midi.song import NOTE, TEMPO, Song, sort_notes, table

RATE = 44_100


def song(*notes: tuple, bpm: float = 60.0, program: int = 0, drums: bool = False, end: float = 0) -> Song:
    """Make a song of notes (onset in beats, duration in beats, pitch[, velocity]); a beat is a second by default."""
    rows = [(round(n[0] * 480), round(n[1] * 480), n[2], n[3] if len(n) > 3 else 100, program, drums, 0) for n in notes]
    return Song(480, sort_notes(table(NOTE, rows)), table(TEMPO, [(0, bpm)]), end=round(end * 480))


def level(audio: np.ndarray, begin: float, end: float, rate: int = RATE) -> float:
    """Return the RMS level from ``begin`` to ``end`` seconds in dBFS."""
    part = audio[round(begin * rate) : round(end * rate)].astype(np.float64)
    return 10 * np.log10(np.mean(part**2) + 1e-20)


def spectrum(audio: np.ndarray, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and power of the sum of the channels."""
    mono = audio.sum(axis=1).astype(np.float64)
    return np.fft.rfftfreq(len(mono), 1 / rate), np.abs(np.fft.rfft(mono * np.hanning(len(mono)))) ** 2


def true_peak(audio: np.ndarray) -> float:
    """Return the true peak in dBFS, by 8 times oversampling (zero-padded spectrum)."""
    highest = 0.0
    for channel in audio.T:
        for begin in range(0, len(channel), 1 << 15):
            part = channel[max(begin - 512, 0) : begin + (1 << 15) + 512].astype(np.float64)
            part = part * np.minimum(1, np.minimum(np.arange(len(part)) + 1, np.arange(len(part), 0, -1)) / 256)
            fine = np.fft.irfft(np.fft.rfft(part), 8 * len(part)) * 8
            highest = max(highest, np.abs(fine).max())
    return 20 * np.log10(highest + 1e-20)
