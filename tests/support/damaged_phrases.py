"""Damage phrases in one respect each, as controls for measures of music. Phrases are in the onset encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bgmusic.music.rolls.phrases import Phrases


def voices_shuffled(phrases: Phrases) -> Phrases:
    """Combine tracks of different phrases."""
    rng, number = np.random.default_rng(0), len(phrases)
    orders = [rng.permutation(number) for _ in range(phrases.cells.shape[1])]
    return _changed(phrases, lambda plane: np.stack([plane[order, t] for t, order in enumerate(orders)], axis=1))


def bars_shuffled(phrases: Phrases) -> Phrases:
    """Combine bars of different phrases."""
    number, _, bars = phrases.cells.shape[:3]
    order = np.random.default_rng(0).permutation(number * bars)

    def shuffle(plane: np.ndarray) -> np.ndarray:
        flat = plane.swapaxes(1, 2).reshape(number * bars, plane.shape[1], *plane.shape[3:])[order]
        return flat.reshape(number, bars, *flat.shape[1:]).swapaxes(1, 2)

    return _changed(phrases, shuffle)


def chords_altered(phrases: Phrases) -> Phrases:
    """Move a note of one track by a semitone in 10% of beats."""
    return _moved(phrases, 0.1, 1, all_tracks=True)


def melody_in_octaves(phrases: Phrases) -> Phrases:
    """Move the notes of the first pitched track by an octave in 10% of beats."""
    return _moved(phrases, 0.1, 12, all_tracks=False)


def quarters(phrases: Phrases) -> Phrases:
    """Quantize rhythm to quarter notes: each beat plays what sounds at its first step."""
    step = phrases.resolution

    def hold(plane: np.ndarray) -> np.ndarray:
        return np.repeat(plane[:, :, :, ::step], step, axis=3)

    cells = hold(phrases.cells)
    onsets = np.zeros_like(cells)
    onsets[:, :, :, ::step] = cells[:, :, :, ::step]
    return replace(phrases, cells=cells, onsets=onsets, pieces=phrases.pieces)


CONTROLS: dict[str, Callable[[Phrases], Phrases]] = {
    "voices shuffled between phrases": voices_shuffled,
    "bars shuffled between phrases": bars_shuffled,
    "a note moved by a semitone in 10% of beats": chords_altered,
    "melody moved by an octave in 10% of beats": melody_in_octaves,
    "rhythm quantized to quarters": quarters,
}


def _changed(phrases: Phrases, change: Callable[[np.ndarray], np.ndarray]) -> Phrases:
    return replace(phrases, cells=change(phrases.cells), onsets=change(phrases.onsets), pieces=None)


def _moved(phrases: Phrases, share: float, semitones: int, all_tracks: bool) -> Phrases:
    rng = np.random.default_rng(0)
    number, _, bars, steps, _ = phrases.cells.shape
    pitched = np.flatnonzero(~phrases.drums)
    cells, onsets = phrases.cells.copy(), phrases.onsets.copy()
    beats = steps // phrases.resolution
    for row, bar, beat in np.argwhere(rng.random((number, bars, beats)) < share).tolist():
        track = int(rng.choice(pitched)) if all_tracks else int(pitched[0])
        part = slice(beat * phrases.resolution, (beat + 1) * phrases.resolution)
        shift = semitones if rng.random() < 0.5 else -semitones
        for plane in (cells, onsets):
            plane[row, track, bar, part] = np.roll(plane[row, track, bar, part], shift, axis=-1)
    return replace(phrases, cells=cells, onsets=onsets)
