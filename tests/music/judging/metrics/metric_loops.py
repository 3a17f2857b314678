"""Reference implementations of the metrics as plain loops over cells, written independently of the fast ones."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

NAN = math.nan


def notes(time, onsets=None):
    """Return (onset, length, row) of the notes of one track, cells (time, pitches)."""
    found = []
    for row in range(time.shape[1]):
        start = None
        for step in range(len(time) + 1):
            on = step < len(time) and (time[step, row] or (onsets is not None and onsets[step, row]))
            again = on and onsets is not None and onsets[step, row]
            if start is not None and (not on or again):
                found.append((start, step - start, row))
                start = None
            if on and start is None:
                start = step
    return found


def begins(rolls, onsets, drums):
    result = np.zeros_like(rolls)
    for n, track, bar, step, row in np.argwhere(rolls if onsets is None else rolls | onsets):
        at = bar * rolls.shape[3] + step
        earlier = rolls[n, track].reshape(-1, rolls.shape[4])[at - 1, row] if at else False
        if onsets is not None:
            earlier = earlier or (at and onsets[n, track].reshape(-1, rolls.shape[4])[at - 1, row])
            result[n, track, bar, step, row] = onsets[n, track, bar, step, row] or not earlier
        else:
            result[n, track, bar, step, row] = drums[track] or not earlier
    return result


def over_tracks(function):
    """Apply a function of one track (bars, steps, pitches) to all tracks of all rolls."""
    return lambda rolls, *rest: np.array([[function(track, *rest) for track in phrase] for phrase in rolls], float)


@over_tracks
def empty_bar_rate(track):
    return sum(not bar.any() for bar in track) / len(track)


@over_tracks
def pitches_used(track):
    return [len({row for _, row in np.argwhere(bar)}) for bar in track]


@over_tracks
def pitch_classes_used(track, low):
    return [len({(row + low) % 12 for _, row in np.argwhere(bar)}) for bar in track]


def qualified_note_rate(rolls, shortest, onsets=None):
    rates = np.full(rolls.shape[:2], NAN)
    for n, track in np.ndindex(*rates.shape):
        time = rolls[n, track].reshape(-1, rolls.shape[4])
        begun = None if onsets is None else onsets[n, track].reshape(time.shape)
        lengths = [length for _, length, _ in notes(time, begun)]
        if lengths:
            rates[n, track] = sum(length >= shortest for length in lengths) / len(lengths)
    return rates


@over_tracks
def polyphony_rate(track, more_than):
    steps = [sum(step) for bar in track for step in bar]
    return sum(count > more_than for count in steps) / len(steps)


def in_scale_rate(rolls, low, tonic=None):
    rates = []
    for phrase in rolls:
        classes = [(int(cell[-1]) + low) % 12 for cell in np.argwhere(phrase)]
        tonics = range(12) if tonic is None else [tonic]
        scales = [{(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)} for tonic in tonics]
        hits = [sum(c in scale for c in classes) / len(classes) if classes else NAN for scale in scales]
        rates.append(max(hits))
    return np.array(rates)


def centroid(counts):
    """Map twelve counts to the tonal space of Harte et al."""
    point = []
    for radius, turn in ((1, 7 * math.pi / 6), (1, 3 * math.pi / 2), (0.5, 2 * math.pi / 3)):
        for wave in (math.sin, math.cos):
            point.append(sum(radius * wave(c * turn) * counts[c] for c in range(12)) / sum(counts))
    return np.array(point)


def tonal_distance(rolls, low, resolution):
    batch, tracks = rolls.shape[:2]
    result = np.full((batch, tracks, tracks), NAN)
    for n, a, b in np.ndindex(*result.shape):
        distances = []
        times = [rolls[n, track].reshape(-1, rolls.shape[4]) for track in (a, b)]
        for start in range(0, len(times[0]), resolution):
            counts = [[0] * 12, [0] * 12]
            for which, time in enumerate(times):
                for _, row in np.argwhere(time[start : start + resolution]):
                    counts[which][(row + low) % 12] += 1
            if sum(counts[0]) and sum(counts[1]):
                distances.append(np.linalg.norm(centroid(counts[0]) - centroid(counts[1])))
        if distances:
            result[n, a, b] = np.mean(distances)
    return result


@over_tracks
def drum_in_pattern_rate(track, pattern):
    total = score = 0.0
    for _, step, _ in np.argwhere(track):
        total += 1
        score += pattern[step]
    return score / total if total else NAN


def groove_consistency(hits):
    result = []
    for phrase in hits:
        rows = [[phrase[:, bar, step].any() for step in range(hits.shape[3])] for bar in range(hits.shape[2])]
        differ = [sum(x != y for x, y in zip(*pair, strict=True)) for pair in pairwise(rows)]
        result.append(1 - np.mean(differ) / hits.shape[3] if differ else NAN)
    return np.array(result)


def bar_repetition(hits):
    result = []
    for phrase in hits:
        bars = [{tuple(cell) for cell in np.argwhere(phrase[:, bar])} for bar in range(hits.shape[2])]
        shares = [
            2 * len(bars[i] & bars[j]) / (len(bars[i]) + len(bars[j]))
            for i in range(len(bars))
            for j in range(i + 1, len(bars))
            if bars[i] or bars[j]
        ]
        result.append(np.mean(shares) if shares else NAN)
    return np.array(result)


def published(rolls, resolution, drums):
    """Compute BinaryMuseGAN's seven metrics and its tonal distance, one bar of one track or pair at a time."""
    batch, tracks, bars, steps, _ = rolls.shape
    names = ("pitches_used", "qualified_note_rate", "polyphony_rate", "in_scale_rate", "drum_in_pattern_rate")
    result = {name: np.full((batch, tracks, bars), NAN) for name in ("empty_bar_rate", "pitch_classes_used", *names)}
    result["tonal_distance"] = np.full((batch, tracks, tracks, bars), NAN)
    sixteenth = {24: [1, 0.1, 0, 0, 0, 0.1], 12: [1, 0.1, 0.1], 4: [1, 0.1], 1: [1]}[resolution]
    pattern = np.tile(sixteenth, -(-steps // len(sixteenth)))[:steps]
    for n, track, bar in np.ndindex(batch, tracks, bars):
        cells = rolls[n, track, bar]
        result["empty_bar_rate"][n, track, bar] = not cells.any()
        if not cells.any():
            continue
        runs = pitch_runs(cells).sum(0)
        values = {"pitches_used": len({row for _, row in np.argwhere(cells)})}
        if drums[track]:
            padded = np.pad(cells, ((1, 0), (0, 0)))
            changes = (padded[1:] != padded[:-1]).sum(1)
            values["drum_in_pattern_rate"] = max(
                (np.roll(pattern, shift) * changes).sum() / changes.sum() for shift in range(6)
            )
        else:
            lengths = [length for _, length, _ in notes(cells)]
            values["qualified_note_rate"] = np.mean([length >= 2 for length in lengths])
            values["polyphony_rate"] = np.mean([step.sum() >= 2 for step in cells])
            values["in_scale_rate"] = sum(runs[[0, 2, 4, 5, 7, 9, 11]]) / sum(runs)
            values["pitch_classes_used"] = sum(runs > 0)
        for name, value in values.items():
            result[name][n, track, bar] = value
    for n, a, b, bar in np.ndindex(batch, tracks, tracks, bars):
        distances = []
        for start in range(0, steps, resolution):
            pair = [pitch_runs(rolls[n, track, bar, start : start + resolution]).sum(0) for track in (a, b)]
            both = pair[0].sum() and pair[1].sum()
            distances.append(np.linalg.norm(centroid(pair[0]) - centroid(pair[1])) if both else NAN)
        result["tonal_distance"][n, a, b, bar] = np.mean(distances)
    return result


def pitch_runs(cells):
    padded = np.pad(cells, ((0, 0), (0, 12 - cells.shape[1] % 12)))
    return padded.reshape(len(cells), 12, -1).sum(2)
