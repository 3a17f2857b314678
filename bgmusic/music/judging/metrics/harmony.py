"""Metrics of harmony: pitch classes, scales, and the tonal distance between tracks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bgmusic.music.judging.metrics.checks import require_boolean, require_integer
from bgmusic.music.judging.metrics.counts import fold
from bgmusic.music.judging.metrics.packed import PackedRolls, pack

# Pitch classes of C major, and of its relative natural minor, A minor.
MAJOR = (1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1)


def chroma(rolls: Tensor | PackedRolls, low: int) -> Tensor:
    """Count the lit cells of each pitch class in each bar: float32 ``(batch, tracks, bars, 12)``, C first.

    ``low`` is the MIDI pitch of the first row.
    """
    return fold(pack(rolls).per_pitch, low)


def scales(device: torch.device | None = None) -> Tensor:
    """Return the twelve major scales by tonic: float ``(12 tonics, 12 pitch classes)`` of zeros and ones.

    Each is a natural minor scale too.
    """
    major = torch.tensor(MAJOR, dtype=torch.float32, device=device)
    return torch.stack([major.roll(tonic) for tonic in range(12)])


def in_scale_rate(rolls: Tensor | PackedRolls, low: int, tonic: int | None = None) -> Tensor:
    """Return the share of lit cells whose pitch lies in a major scale: float ``(batch,)``, 0 to 1.

    All tracks count together. For onsets instead of lit cells it is the share of notes; with the best scale that is
    muspy's ``scale_consistency`` (Mogren, arXiv 1611.09904). NaN for a phrase without a lit cell; a full roll gives
    about 7/12.

    Args:
        rolls: boolean ``(batch, tracks, bars, steps, pitches)``, or packed.
        low: MIDI pitch of the first row.
        tonic: pitch class of the scale's tonic (0 is C); a minor key has the scale of the major key three semitones
            above. None: the scale that fits each phrase best.

    """
    if tonic is not None:
        require_integer(tonic, "tonic")
    counts = chroma(rolls, low).sum((1, 2))
    within = counts @ scales(counts.device).T
    best = within.amax(-1) if tonic is None else within[:, tonic % 12]
    return best / counts.sum(-1)


def pitch_classes_per_step(rolls: Tensor, low: int) -> Tensor:
    """Return the number of pitch classes in each step over all tracks: int64 ``(batch, bars, steps)``, 0 to 12.

    ``low`` is the MIDI pitch of the first row.
    """
    return fold(require_boolean(rolls, "rolls").any(1), low).ne(0).sum(-1)


def tonal_centroids(weights: Tensor) -> Tensor:
    """Map chroma vectors ``(..., 12)`` to the tonal space: float32 ``(..., 6)``; NaN where all twelve are 0.

    The space has the circles of fifths, minor thirds and major thirds, with radii 1, 1 and 1/2: Harte, Sandler and
    Gasser, "Detecting harmonic change in musical audio", ACM AMCMM 2006, equations 1 to 3.
    """
    turns = torch.arange(12, dtype=torch.float64, device=weights.device) * math.pi
    angles = torch.stack([turns * 7 / 6, turns * 3 / 2, turns * 2 / 3])
    radii = torch.tensor([1.0, 1.0, 0.5], dtype=torch.float64, device=weights.device)[:, None]
    basis = torch.cat([angles.sin() * radii, angles.cos() * radii]).float()
    return (weights @ basis.T) / weights.sum(-1, keepdim=True)


def tonal_distance(rolls: Tensor | PackedRolls, low: int, resolution: int) -> Tensor:
    """Return the tonal distance of all pairs of tracks: float32 ``(batch, tracks, tracks)``, 0 to 3.

    BinaryMuseGAN's TD: the Euclidean distance of the two tracks' chroma in the tonal space (``tonal_centroids``),
    averaged over the beats in which both sound. Symmetric, 0 on the diagonal. NaN for pairs that never sound in the
    same beat.

    Args:
        rolls: boolean ``(batch, tracks, bars, steps, pitches)``, or packed.
        low: MIDI pitch of the first row.
        resolution: steps a beat.

    """
    points = tonal_centroids(fold(pack(rolls).per_beat(resolution), low)).transpose(1, 2)
    heard = ~points[..., 0].isnan()
    both = (heard.unsqueeze(2) & heard.unsqueeze(3)).float()
    distances = pairwise_distances(points.nan_to_num(0.0))
    return (distances * both).sum(1) / both.sum(1)


def pairwise_distances(points: Tensor) -> Tensor:
    """Return Euclidean distances of all pairs, ``(..., n, f)`` to ``(..., n, n)``, exactly 0 for equal points."""
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
