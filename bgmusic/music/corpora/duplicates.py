"""Find duplicates: the same music under another name, in another key, or with other instruments.

A fingerprint of a phrase is a hash of the pitched onsets of all tracks together. It uses steps and intervals, not
pitches, so it does not change under transposition. Drums are ignored. Pieces that share a fingerprint belong to one
group, and all pieces of a group are in the same split.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.rolls.grid import StepNotes

PHRASE_BARS = 4
# Phrases with less content get no fingerprint: held chords and ostinati occur in unrelated pieces.
MIN_ONSETS = 16
MIN_INTERVALS = 6

# Stored in every meta.json, byte for byte.
RULE = (
    f"pieces that share {PHRASE_BARS} bars, note for note up to transposition and instruments (pitched onsets "
    f"alone; at least {MIN_ONSETS} onsets and {MIN_INTERVALS} different intervals), or are the same file, "
    "are one group"
)

Hashes = NDArray[np.uint64]
Number = TypeVar("Number", np.int64, np.uint64)
_ODD = np.uint64(0x9E3779B97F4A7C15)


def fingerprints(piece: StepNotes, runs: list[tuple[int, int]]) -> Hashes:
    """Return the fingerprints of all phrases of ``PHRASE_BARS`` bars within runs of bars.

    Args:
        piece: a quantized piece.
        runs: unbroken runs of bars, as (first bar, bar after the last).

    Returns:
        Distinct hashes, uint64 (n,), ascending.

    """
    drums = np.array([track.is_drum for track in piece.track_set.tracks])
    # Merge all tracks: sort by onset and pitch, and keep each pitch once.
    pitched = np.flatnonzero(~drums.take(piece.notes["track"]))
    code = _distinct((piece.notes["onset"] << 7 | piece.notes["pitch"]).take(pitched))
    onset, pitch = code >> 7, code & 127
    bounds = np.searchsorted(onset, piece.bar_starts)
    bounds[-1] = len(code)
    counts = np.diff(bounds)
    if len(code) < MIN_ONSETS:
        return np.zeros(0, np.uint64)
    inner = np.zeros(len(pitch), np.int64)
    np.subtract(pitch[1:], pitch[:-1], out=inner[1:])
    inner[bounds[:-1][counts > 0]] = 0  # the first onset of a bar has no predecessor in it
    token = _mix((onset - np.repeat(piece.bar_starts[:-1], counts)) * 4096 + inner + 128)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(token, dtype=np.uint64)])
    contents = sums[bounds[1:]] - sums[bounds[:-1]]
    # The link between consecutive bars: the interval between their lowest first notes.
    first = np.where(counts > 0, pitch[np.minimum(bounds[:-1], len(pitch) - 1)], -1)
    joins = np.where((first[1:] >= 0) & (first[:-1] >= 0), first[1:] - first[:-1], 999)
    links = _mix(np.concatenate([[0], joins]) + 5000)
    rich = _rich(inner, bounds)
    return _distinct(np.concatenate([_windows(contents, links, rich, *run) for run in runs] or [sums[:0]]))


def _distinct(values: NDArray[Number]) -> NDArray[Number]:
    """Return what ``numpy.unique`` returns, without its overhead, which dominates on short arrays."""
    values = np.sort(values)
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return values.take(np.flatnonzero(new))


def _windows(contents: Hashes, links: Hashes, rich: NDArray[np.bool_], start: int, stop: int) -> Hashes:
    """Return the hashes of the windows within one run that have enough content."""
    count = stop - start - PHRASE_BARS + 1
    if count < 1:
        return np.zeros(0, np.uint64)
    total = np.zeros(count, np.uint64)
    for k in range(PHRASE_BARS):
        total = total * _ODD + contents[start + k : start + k + count]
        if k:
            total = total * _ODD + links[start + k : start + k + count]
    return _mix(total)[rich[start : start + count]]


def _rich(inner: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for every bar whether the window that starts there has enough onsets and distinct intervals."""
    bars = len(bounds) - 1
    ends = np.minimum(np.arange(bars) + PHRASE_BARS, bars)
    enough = bounds[ends] - bounds[:-1] >= MIN_ONSETS
    kinds = np.zeros((bars + PHRASE_BARS, 256), np.bool_)
    kinds[np.repeat(np.arange(bars), np.diff(bounds)), inner + 128] = True
    for length in (1, 2):  # from single bars to pairs, then to fours
        kinds = kinds[: len(kinds) - length] | kinds[length:]
    rich: NDArray[np.bool_] = enough & (kinds[:bars].sum(axis=1) >= MIN_INTERVALS)
    return rich


def _mix(values: NDArray[np.int64] | Hashes) -> Hashes:
    """Hash integers to 64 bits (the finalizer of splitmix64, public domain)."""
    x = values.astype(np.uint64) * _ODD
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = x ^ (x >> np.uint64(31))
    return mixed


def group_pieces(batches: Iterable[tuple[NDArray[np.int64], Hashes]], pieces: int) -> NDArray[np.int64]:
    """Group pieces that share a fingerprint, directly or through other pieces.

    Args:
        batches: pairs of ``owners`` (n,), indices of pieces, and ``prints`` (n,), their fingerprints. Equal
            fingerprints must be in the same batch.
        pieces: number of pieces.

    Returns:
        For each piece the smallest index in its group: int64 (pieces,).

    Raises:
        ValueError: the arrays of a batch differ in length.
        IndexError: an owner is not within 0 to ``pieces - 1``.

    """
    group = list(range(pieces))

    def find(piece: int) -> int:
        while group[piece] != piece:
            group[piece] = group[group[piece]]
            piece = group[piece]
        return piece

    for all_owners, all_prints in batches:
        if all_owners.shape != all_prints.shape or all_owners.ndim != 1:
            raise ValueError(f"owners {all_owners.shape} and prints {all_prints.shape} must both be (n,)")
        if len(all_owners) and not 0 <= all_owners.min() <= all_owners.max() < pieces:
            raise IndexError(f"owners must be within 0 to {pieces - 1}")
        # A stable sort pairs copies of a piece with the same neighbour for every fingerprint.
        order = np.argsort(all_prints, kind="stable")
        owners, prints = all_owners[order], all_prints[order]
        shared = np.flatnonzero(prints[1:] == prints[:-1])
        # Encode each pair as one number: NumPy sorts numbers far faster than rows.
        pairs = _distinct(owners[shared] * pieces + owners[shared + 1])
        for one, other in zip((pairs // pieces).tolist(), (pairs % pieces).tolist(), strict=True):
            a, b = find(one), find(other)
            group[max(a, b)] = min(a, b)
    return np.array([find(piece) for piece in range(pieces)], np.int64)
