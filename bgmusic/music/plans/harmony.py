"""Recognize chords and basses: from the pitches that sound to the harmony of a plan.

A plan's harmony is what a lead sheet would say, so that a typed chord and a chord of real music mean the same. Each
beat and each chord of ``COSTS`` gets a score from the weight of the twelve pitch classes in the beat: three quarters of
a weight are the share of the beat in which the class sounds, one quarter whether it sounds at the first step, so that
short passing tones count little. The chords of a phrase are the best path through these scores, at a cost for each
change. ``bench/plan_chords.py`` compares the result with annotated chords.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.plans.chord_kinds import COSTS, INTERVALS
from bgmusic.music.plans.shape import CLASSES, HARMONY

_FIRST = 0.25  # part of a weight that the first step of the beat gives
_OUTSIDE = 0.7  # cost of the weight of classes that are not in the chord
_MISSING = 0.4  # cost of each class of the chord that does not sound
_ROOT = 0.5  # gain where the root is the lowest pitch
_CHANGE = 1.0  # cost of a new chord
_LEAP = 12  # semitones: while a chord lasts, a lowest pitch further above its bass is no new bass
_CHUNK = 256

Bits = NDArray[np.bool_]


@cache
def vocabulary() -> tuple[Bits, NDArray[np.int64], NDArray[np.float32]]:
    """Return the chords that recognition knows: classes ``(chords, 12)``, roots and costs ``(chords,)``."""
    classes = np.zeros((len(COSTS), CLASSES, CLASSES), np.bool_)
    for number, kind in enumerate(COSTS):
        for root in range(CLASSES):
            classes[number, root, [(root + interval) % CLASSES for interval in INTERVALS[kind]]] = True
    roots = np.tile(np.arange(CLASSES), len(COSTS))
    costs = np.repeat(np.array(list(COSTS.values()), np.float32), CLASSES)
    return classes.reshape(-1, CLASSES), roots, costs


def recognize(sounding: Bits, low: int) -> Bits:
    """Recognize the chord and the bass of each beat.

    Args:
        sounding: boolean ``(batch, beats, steps, pitches)``: whether a pitch sounds in any pitched track.
        low: MIDI pitch of the first row.

    Returns:
        Boolean ``(batch, beats, 24)``: chord and bass, all False in a silent beat.

    """
    parts = [_recognize(sounding[start : start + _CHUNK], low) for start in range(0, len(sounding), _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, sounding.shape[1], HARMONY), np.bool_)


def _recognize(sounding: Bits, low: int) -> Bits:
    batch, beats = sounding.shape[:2]
    classes, roots, costs = vocabulary()
    folded = _fold(sounding, low)
    weight = (1 - _FIRST) * folded.mean(2, dtype=np.float32) + _FIRST * folded[:, :, 0]
    heard: Bits = np.asarray(sounding.any(2))
    silent: Bits = ~np.asarray(heard.any(-1))
    lowest = np.where(silent, -1, heard.argmax(-1))
    inside = classes.T.astype(np.float32)
    scores = (1 + _OUTSIDE) * (weight @ inside) - _OUTSIDE * weight.sum(-1, keepdims=True)
    scores -= _MISSING * (np.maximum(0, 1 - 2 * weight) @ inside) + costs
    scores += _ROOT * (roots == ((lowest + low) % CLASSES)[..., None])
    scores[silent] = 0
    chords = classes[_best_path(scores)] & ~silent[..., None]
    harmony = np.zeros((batch, beats, HARMONY), np.bool_)
    harmony[..., :CLASSES] = chords
    bass = _basses(heard, chords, low)
    harmony[..., CLASSES:] = (np.arange(CLASSES) == bass[..., None]) & ~silent[..., None]
    return harmony


def _fold(sounding: Bits, low: int) -> Bits:
    """Return which pitch classes sound: ``(..., pitches)`` to ``(..., 12)``."""
    before = low % CLASSES
    after = -(before + sounding.shape[-1]) % CLASSES
    padded = np.pad(sounding, [(0, 0)] * (sounding.ndim - 1) + [(before, after)])
    return np.asarray(padded.reshape(*sounding.shape[:-1], -1, CLASSES).any(-2))


def _best_path(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the best chord of each beat ``(batch, beats)``, by scores ``(batch, beats, chords)`` (Viterbi)."""
    batch, beats, chords = scores.shape
    value = scores[:, 0]
    came_from = np.zeros((batch, beats, chords), np.int16)
    for beat in range(1, beats):
        best = value.argmax(-1)[:, None]
        changed = np.take_along_axis(value, best, -1) - _CHANGE
        came_from[:, beat] = np.where(value >= changed, np.arange(chords), best)
        value = np.maximum(value, changed) + scores[:, beat]
    path = np.zeros((batch, beats), np.int64)
    path[:, -1] = value.argmax(-1)
    rows = np.arange(batch)
    for beat in range(beats - 1, 0, -1):
        path[:, beat - 1] = came_from[rows, beat, path[:, beat]]
    return path


def _basses(heard: Bits, chords: Bits, low: int) -> NDArray[np.int64]:
    """Return the bass of each beat, a pitch class ``(batch, beats)``.

    It is the class of the lowest pitch of the chord in the beat. While a chord lasts, the bass stays where the lowest
    pitch is more than an octave above it, as between the notes of an arpeggio, or where no note of the chord sounds.
    """
    classes = (np.arange(heard.shape[-1]) + low) % CLASSES
    inside = heard & chords[..., classes]
    none = ~inside.any(-1)
    lowest = np.where(none, np.iinfo(np.int64).max, inside.argmax(-1))
    lasts = np.zeros(none.shape, np.bool_)
    lasts[:, 1:] = (chords[:, 1:] == chords[:, :-1]).all(-1)
    for beat in range(1, heard.shape[1]):
        before = lowest[:, beat - 1]
        stays = lasts[:, beat] & (before < np.iinfo(np.int64).max) & (lowest[:, beat] > before + _LEAP)
        lowest[:, beat] = np.where(stays, before, lowest[:, beat])
    unheard = lowest == np.iinfo(np.int64).max
    return np.where(unheard, chords.argmax(-1), (lowest + low) % CLASSES)
