"""Find the longest runs of notes that occur in the training set, in any key.

Notes become tokens that do not depend on the key: the time since the note before, and the interval from it. A suffix
array of all sequences (Manber and Myers, "Suffix arrays: a new method for on-line string searches", 1993) gives the
longest match of every position in ``O(n log n)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.music.judging.metrics import note_begins
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.rolls.phrases import Phrases

ALL_TRACKS = "all tracks"
_BATCH = 1 << 25  # cells of the phrases that are read at a time
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CopiedRuns:
    """The longest run of each phrase that occurs in a training phrase, in notes.

    Attributes:
        tracks: int64 ``(n, tracks)``, runs of the notes of one track, in training phrases the same track.
        together: int64 ``(n,)``, runs of the notes of all tracks in order of time.

    """

    tracks: Ints
    together: Ints


def copied_runs(phrases: Phrases, training: Phrases) -> CopiedRuns:
    """Find the longest run of notes of each phrase that occurs in a training phrase, up to transposition.

    A run is a series of notes, in order of onset, then track, then pitch. Two runs are equal if the times between their
    onsets, their intervals and their tracks are; drums are not transposed. Lengths of notes do not matter. A run
    never reaches beyond a training phrase.

    Args:
        phrases: the phrases to look up.
        training: the training phrases, of the same tracks, resolution and shape.

    Raises:
        UserError: the tracks, resolutions or shapes differ.

    """
    phrases.require_like(training, "the training data")
    separate, together = (_longest(_sequences(phrases, split), _sequences(training, split)) for split in (True, False))
    return CopiedRuns(separate.reshape(len(phrases), -1), together)


@dataclass(frozen=True, eq=False)
class _Sequences:
    """Tokens of sequences of notes.

    Attributes:
        tokens: int64 ``(m, f)``, one row for each note but the first of a sequence.
        of: int64 ``(m,)``, the sequence of each token, ascending.
        notes: int64 ``(s,)``, notes of each sequence.

    """

    tokens: Ints
    of: Ints
    notes: Ints


def _sequences(phrases: Phrases, by_track: bool) -> _Sequences:
    """Return the sequences of each track, ``phrase * tracks + track``, or those of each phrase."""
    tracks = len(phrases.drums)
    size = max(1, _BATCH // int(np.prod(phrases.cells.shape[1:])))
    parts = [_notes(phrases[start : start + size], by_track) for start in range(0, len(phrases), size)]
    row = np.concatenate([part[0] + start * size for start, part in enumerate(parts)])
    step, track, pitch = (np.concatenate([part[column] for part in parts]) for column in (1, 2, 3))
    sequence = row * tracks + track if by_track else row
    count = len(phrases) * (tracks if by_track else 1)
    is_drum = phrases.drums[track]
    # The pitch before: of the last pitched note of the sequence; -1 if there is none.
    place = np.arange(len(row))
    last_pitched = np.maximum.accumulate(np.where(is_drum, -1, place))
    before = np.full(len(row), -1, dtype=np.int64)
    before[1:] = last_pitched[:-1]
    known = (before >= 0) & (sequence[before] == sequence)
    span = phrases.cells.shape[-1]
    # Intervals are shifted to be positive; 0 stands for "no pitched note before"; drums have their own values.
    value = np.where(is_drum, 2 * span + 1 + pitch, np.where(known, pitch - pitch[before] + span, 0))
    follows = np.flatnonzero(sequence[1:] == sequence[:-1]) + 1
    earlier = follows - 1
    earlier_drum = np.where(is_drum[earlier], pitch[earlier] + 1, 0)
    tokens = np.stack(
        [step[follows] - step[earlier], track[earlier], track[follows], value[follows], earlier_drum], axis=1
    )
    return _Sequences(tokens.astype(np.int64), sequence[follows], np.bincount(sequence, minlength=count))


def _notes(phrases: Phrases, by_track: bool) -> tuple[Ints, Ints, Ints, Ints]:
    """Return phrase, step, track and pitch of the notes, in order of phrase (and track), step, and pitch."""
    given = to_tensors(phrases)
    begins: Tensor = note_begins(given.cells, given.onsets, given.drums).flatten(2, 3)
    if by_track:
        row, track, step, pitch = (index.numpy() for index in begins.nonzero(as_tuple=True))
    else:
        row, step, track, pitch = (index.numpy() for index in begins.transpose(1, 2).nonzero(as_tuple=True))
    return row, step, track, pitch


def _longest(queries: _Sequences, training: _Sequences) -> Ints:
    """Return the longest run of each query sequence in notes: 0 for silence, 1 if no two notes match."""
    rows = np.concatenate([training.tokens, queries.tokens])
    ids = _number(rows)
    # A different separator after each sequence, so that no match reaches beyond it.
    of = np.concatenate([training.of, queries.of + len(training.notes)])
    count = len(training.notes) + len(queries.notes)
    text = np.full(len(ids) + count, -1, dtype=np.int64)
    at = np.arange(len(ids)) + of
    text[at] = ids
    gaps = text < 0
    text[gaps] = int(ids.max(initial=0)) + 1 + np.arange(count)
    sequence = np.zeros(len(text), dtype=np.int64)
    sequence[at] = of
    sequence[gaps] = np.arange(count)
    longest = int(np.bincount(of, minlength=1).max()) + 1
    matches = _matches(text, (sequence < len(training.notes)) & ~gaps, longest)
    best = np.zeros(count, dtype=np.int64)
    np.maximum.at(best, sequence[~gaps], matches[~gaps])
    return np.minimum(best[len(training.notes) :] + 1, queries.notes)


def _number(rows: Ints) -> Ints:
    """Number the distinct rows of a non-negative array."""
    key = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        key = np.unique(key * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1].reshape(-1)
    return key


def _matches(text: Ints, known: NDArray[np.bool_], longest: int) -> Ints:
    """Return the length of the longest match of each position with a known one.

    Args:
        text: int64 ``(n,)``; equal substrings are at most ``longest`` long.
        known: boolean ``(n,)``, the positions to match with.
        longest: upper bound of the length.

    """
    levels = [_ranks(text)]
    while 1 << len(levels) <= 2 * longest and int(levels[-1].max(initial=0)) + 1 < len(text):
        ranks = levels[-1].astype(np.int64)
        shift = 1 << (len(levels) - 1)
        after = np.zeros_like(ranks)
        after[: max(0, len(ranks) - shift)] = ranks[shift:] + 1
        levels.append(_ranks(ranks * (len(text) + 1) + after))
    order = np.argsort(levels[-1], kind="stable")
    place = np.arange(len(text))
    before = np.maximum.accumulate(np.where(known[order], place, -1))
    after_ = np.minimum.accumulate(np.where(known[order], place, len(text))[::-1])[::-1]
    found = np.zeros(len(text), dtype=np.int64)
    for neighbour in (before, after_):
        usable = (neighbour >= 0) & (neighbour < len(text))
        found[order[usable]] = np.maximum(
            found[order[usable]], _common(levels, order[usable], order[neighbour[usable]])
        )
    return found


def _ranks(values: Ints) -> NDArray[np.int32]:
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int32)


def _common(levels: list[NDArray[np.int32]], one: Ints, other: Ints) -> Ints:
    """Return the length of the common prefix of pairs of positions."""
    length = np.zeros(len(one), dtype=np.int64)
    end = len(levels[0])
    for level in reversed(range(len(levels))):
        a, b = one + length, other + length
        inside = (a < end) & (b < end)
        equal = inside & (levels[level][np.minimum(a, end - 1)] == levels[level][np.minimum(b, end - 1)])
        length += np.where(equal, 1 << level, 0)
    return length
