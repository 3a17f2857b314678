"""Measure the bars a second of the seven metrics and the tonal distance on one core, next to a NumPy loop over bars.

The loop computes one metric of one track of one bar at a time, as the papers' code does.

python bench/metrics.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bgmusic.music.judging import metrics
from bgmusic.music.judging.metrics.packed import PackedRolls
from bgmusic.music.judging.metrics.published import published

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "music" / "judging" / "metrics"))
import metric_loops

TRACKS, BARS, STEPS, PITCHES, LOW, RESOLUTION = 8, 4, 96, 84, 24, 24
DRUMS = torch.tensor([True] + [False] * (TRACKS - 1))
CHUNK = 8  # phrases that fit in the cache


def all_metrics(rolls: torch.Tensor) -> list[torch.Tensor]:
    """Compute the seven metrics and the tonal distance of all pairs."""
    packed = PackedRolls(rolls)
    return [
        metrics.empty_bar_rate(packed),
        metrics.pitches_used(packed),
        metrics.pitch_classes_used(packed, LOW),
        metrics.qualified_note_rate(packed, metrics.shortest_qualified(RESOLUTION)),
        metrics.polyphony_rate(packed),
        metrics.in_scale_rate(packed, LOW),
        metrics.drum_in_pattern_rate(rolls[:, DRUMS], RESOLUTION),
        metrics.tonal_distance(packed, LOW, RESOLUTION),
    ]


def bars_a_second(run: Callable[[torch.Tensor], object], rolls: torch.Tensor, rounds: int) -> float:
    """Return the bars a second of CPU time, the best of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for part in rolls.split(CHUNK):
            run(part)
        best = min(best, time.process_time() - start)
    return len(rolls) * BARS / best


def one_bar_at_a_time(rolls: torch.Tensor) -> None:
    """Compute the published metrics in NumPy, bar by bar, with the tonal distance of one pair."""
    for phrase in rolls.numpy():
        for bar in range(BARS):
            for track in range(TRACKS):
                _one_track(phrase[track, bar], bool(DRUMS[track]))
            runs = [metric_loops.pitch_runs(phrase[track, bar]) for track in (1, 2)]
            for beat in range(0, STEPS, RESOLUTION):
                one, other = (part[beat : beat + RESOLUTION].sum(0) for part in runs)
                if one.any() and other.any():
                    np.linalg.norm(BASIS @ (one / one.sum()) - BASIS @ (other / other.sum()))


BASIS = np.stack([metric_loops.centroid(row) for row in np.eye(12)], axis=1)


def _one_track(cells: np.ndarray, drums: bool) -> None:
    if not cells.any():
        return
    (cells.sum(0) > 0).sum()
    padded = np.pad(cells.astype(int), ((1, 1), (0, 0)))
    if drums:
        hits = (padded[1:-1] != padded[:-2]).sum(1)
        pattern = np.tile([1, 0.1, 0, 0, 0, 0.1], STEPS // 6)
        max((np.roll(pattern, shift) * hits).sum() for shift in range(6)) / hits.sum()
        return
    edges = np.diff(padded, axis=0).T.reshape(-1)
    begin, end = np.nonzero(edges > 0)[0], np.nonzero(edges < 0)[0]
    (end - begin >= 2).sum() / len(begin)
    (cells.sum(1) >= 2).sum() / STEPS
    runs = metric_loops.pitch_runs(cells).sum(0)
    runs[[0, 2, 4, 5, 7, 9, 11]].sum() / runs.sum(), (runs > 0).sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phrases", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    # About one cell in fifty is lit, in notes of three steps: the density of real songs.
    rolls = torch.rand(options.phrases, TRACKS, BARS, STEPS, PITCHES, generator=rng) < 0.005
    for _ in range(2):
        rolls[:, :, :, 1:] |= rolls[:, :, :, :-1]
    loop = bars_a_second(one_bar_at_a_time, rolls[:CHUNK], options.rounds)
    print(f"{'':32} bars/s  times the loop")
    for name, run in (
        ("one bar at a time (NumPy)", one_bar_at_a_time),
        ("bgmusic, all pairs of tracks", all_metrics),
        ("bgmusic, as published", lambda part: published(part, RESOLUTION, DRUMS)),
    ):
        speed = loop if run is one_bar_at_a_time else bars_a_second(run, rolls, options.rounds)
        print(f"{name:32} {speed:6.0f} {speed / loop:8.1f}")


if __name__ == "__main__":
    main()
