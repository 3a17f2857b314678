"""What the papers' code computes under the names of their metrics, to stand beside their tables.

Not what the papers say, and not what the rest of this package computes: BinaryMuseGAN's code (its ``metrics.py``)

- cuts notes at bar lines, and takes notes of two steps for qualified (the paper: no shorter than three);
- counts steps with two pitches for polyphonic (the paper: more than two);
- sums runs of neighbouring pitches, not pitch classes, into its "chroma": its in-scale rate, its number of pitch
  classes and its tonal distance are of these;
- counts the ends of drum notes as hits (differences of booleans have no sign), and looks for the drum pattern's best
  rotation by up to five steps;
- drops a bar's tonal distance when either track is silent in one of its beats.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics.counts import polyphony_rate, qualified_note_rate
from bgmusic.music.judging.metrics.harmony import MAJOR, pairwise_distances, tonal_centroids
from bgmusic.music.judging.metrics.lanes import Lanes
from bgmusic.music.judging.metrics.rhythm import drum_pattern

_ROTATIONS = 6


def published(rolls: Tensor, resolution: int, drums: Tensor) -> dict[str, Tensor]:
    """The seven metrics and the tonal distance as BinaryMuseGAN's code has them, for every bar.

    ``rolls`` are booleans ``(batch, tracks, bars, steps, pitches)`` in the papers' (pause) encoding, ``resolution``
    steps a beat, ``drums`` boolean ``(tracks,)``. Returns float32 ``(batch, tracks, bars)`` each under
    "empty_bar_rate", "pitches_used", "qualified_note_rate", "polyphony_rate", "in_scale_rate" (of C major),
    "drum_in_pattern_rate", "pitch_classes_used", and ``(batch, tracks, tracks, bars)`` under "tonal_distance". NaN,
    as in the code, for all but the first in an empty bar, and where a metric is not taken of the track: drums have
    the first two and the pattern alone, the others all but the pattern. The tables are means over what is not NaN.
    """
    lanes = Lanes(rolls)
    counts = lanes.per_pitch
    empty = ~counts.ne(0).any(-1)
    runs = _runs(counts)
    total = runs.sum(-1)
    scale = torch.tensor(MAJOR, dtype=torch.float32, device=rolls.device)
    # Bars as phrases of one bar: notes end with them.
    bars = rolls.flatten(1, 2).unsqueeze(2)
    values = {
        "pitches_used": counts.ne(0).sum(-1),
        "qualified_note_rate": qualified_note_rate(bars, 2).view(empty.shape),
        "polyphony_rate": polyphony_rate(bars, 1).view(empty.shape),
        "in_scale_rate": (runs @ scale) / total,
        "drum_in_pattern_rate": _drum_pattern_rate(rolls, resolution, drums),
        "pitch_classes_used": runs.ne(0).sum(-1),
    }
    of_drums, of_others = drums.view(1, -1, 1), ~drums.view(1, -1, 1)
    result = {"empty_bar_rate": empty.float()}
    for name, value in values.items():
        kept = ~empty
        if name != "pitches_used":
            kept = kept & (of_drums if name == "drum_in_pattern_rate" else of_others)
        result[name] = torch.where(kept, value.float(), torch.nan)
    result["tonal_distance"] = _tonal_distance(rolls, resolution)
    return result


def _runs(counts: Tensor) -> Tensor:
    """The code's "chroma": pitches ``(..., pitches)`` padded (by twelve where none is needed), cut into 12 runs."""
    pitches = counts.shape[-1]
    runs: Tensor = F.pad(counts, (0, 12 - pitches % 12)).unflatten(-1, (12, -1)).sum(-1)
    return runs


def _drum_pattern_rate(rolls: Tensor, resolution: int, drums: Tensor) -> Tensor:
    """Onsets and ends alike on the best of six rotations of the pattern: float32 ``(batch, tracks, bars)``."""
    rate = torch.full(rolls.shape[:3], torch.nan, device=rolls.device)
    hit = rolls[:, drums]
    hit = hit ^ F.pad(hit[..., :-1, :], (0, 0, 1, 0))
    changes = Lanes(hit).per_step.float()
    pattern = drum_pattern(resolution, rolls.shape[3]).to(rolls.device).float()
    rotated = torch.stack([pattern.roll(shift) for shift in range(_ROTATIONS)])
    rate[:, drums] = (changes @ rotated.T).amax(-1) / changes.sum(-1)
    return rate


def _tonal_distance(rolls: Tensor, resolution: int) -> Tensor:
    """Means over the beats of a bar, NaN where one is silent: ``(batch, tracks, tracks, bars)``."""
    # Bars as phrases of one bar: where a bar is no whole number of beats, its last is short.
    bars = rolls.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    points = tonal_centroids(_runs(Lanes(bars).per_beat(resolution))).transpose(1, 2)
    distances: Tensor = pairwise_distances(points).mean(1).unflatten(0, (len(rolls), -1)).permute(0, 2, 3, 1)
    return distances
