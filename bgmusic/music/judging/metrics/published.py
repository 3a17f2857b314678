"""BinaryMuseGAN's metrics as its code computes them, for comparison with its tables.

The code (``metrics.py``) differs from the paper, and from the metrics of this package, in these points. It

- cuts notes at bar lines, and qualifies notes of two steps (the paper: no shorter than three);
- counts steps with two pitches as polyphonic (the paper: more than two);
- sums runs of neighbouring pitches, not pitch classes, into its "chroma", which its in-scale rate, number of pitch
  classes and tonal distance are computed from;
- counts the ends of drum notes as hits (differences of booleans have no sign), and searches for the drum pattern's
  best rotation by up to five steps;
- drops the tonal distance of a bar if either track is silent in one of its beats.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.judging.metrics.checks import require_boolean, require_drums, require_integer
from bgmusic.music.judging.metrics.counts import polyphony_rate, qualified_note_rate
from bgmusic.music.judging.metrics.harmony import MAJOR, pairwise_distances, tonal_centroids
from bgmusic.music.judging.metrics.packed import PackedRolls
from bgmusic.music.judging.metrics.rhythm import drum_pattern

_ROTATIONS = 6


def published(rolls: Tensor, resolution: int, drums: Tensor) -> dict[str, Tensor]:
    """Return the seven metrics and the tonal distance of every bar, as BinaryMuseGAN's code computes them.

    Args:
        rolls: boolean ``(batch, tracks, bars, steps, pitches)`` in the papers' (pause) encoding.
        resolution: steps a beat.
        drums: boolean mask ``(tracks,)``.

    Returns:
        float32 ``(batch, tracks, bars)`` each under "empty_bar_rate", "pitches_used", "qualified_note_rate",
        "polyphony_rate", "in_scale_rate" (of C major), "drum_in_pattern_rate" and "pitch_classes_used", and
        ``(batch, tracks, tracks, bars)`` under "tonal_distance". All but the first are NaN in an empty bar, as in the
        code, and where a metric does not apply to the track: drum tracks have the first two and the drum pattern, the
        other tracks all but the drum pattern. The paper's tables are means over values that are not NaN.

    Raises:
        TypeError: rolls or drums are not boolean tensors, or the resolution is no integer.
        ValueError: the shapes do not fit, or the resolution is below 1.

    """
    require_boolean(rolls, "rolls")
    require_integer(resolution, "resolution", 1)
    require_drums(drums, rolls.shape[1])
    counts = PackedRolls(rolls).per_pitch
    empty = ~counts.ne(0).any(-1)
    runs = _runs(counts)
    total = runs.sum(-1)
    scale = torch.tensor(MAJOR, dtype=torch.float32, device=rolls.device)
    # Each bar as a phrase of one bar, so that notes end at bar lines.
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
    """Return the code's "chroma": sums over 12 runs of pitches, padded to a multiple of 12 (by 12 if it is one)."""
    pitches = counts.shape[-1]
    runs: Tensor = F.pad(counts, (0, 12 - pitches % 12)).unflatten(-1, (12, -1)).sum(-1)
    return runs


def _drum_pattern_rate(rolls: Tensor, resolution: int, drums: Tensor) -> Tensor:
    """Score onsets and ends on the best of six rotations of the pattern: float32 ``(batch, tracks, bars)``."""
    rate = torch.full(rolls.shape[:3], torch.nan, device=rolls.device)
    hit = rolls[:, drums]
    hit = hit ^ F.pad(hit[..., :-1, :], (0, 0, 1, 0))
    changes = PackedRolls(hit).per_step.float()
    pattern = drum_pattern(resolution, rolls.shape[3]).to(rolls.device).float()
    rotated = torch.stack([pattern.roll(shift) for shift in range(_ROTATIONS)])
    rate[:, drums] = (changes @ rotated.T).amax(-1) / changes.sum(-1)
    return rate


def _tonal_distance(rolls: Tensor, resolution: int) -> Tensor:
    """Average over the beats of a bar, NaN where a track is silent in one: ``(batch, tracks, tracks, bars)``."""
    # Each bar as a phrase of one bar, so that a beat never crosses a bar line; the last beat may be short.
    bars = rolls.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    points = tonal_centroids(_runs(PackedRolls(bars).per_beat(resolution))).transpose(1, 2)
    distances: Tensor = pairwise_distances(points).mean(1).unflatten(0, (len(rolls), -1)).permute(0, 2, 3, 1)
    return distances
