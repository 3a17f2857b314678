"""From ticks to the grid: notes in steps, bars that follow the time signatures, and what was lost on the way.

Everything stays sparse here; nothing is allocated by the length that a file claims.

How notes of one pitch in one track share the grid: two that begin in the same step become one (the longer;
counted as ``merged``). Where one begins while another sounds, the earlier ends there and the later sounds
until both have ended (counted as ``cut``). So the notes of one pitch in one track never overlap, and their
cells are those of the piece.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import Song, Table
from bgmusic.music.rolls.tracks import TrackSet

# Nine hours at 120 beats a minute; a note at tick 2^28 is further out, and lost.
MAX_BEATS = 1 << 16
MAX_RESOLUTION = 480
COMMON_TIME = (4, 4)

# `onset` and `duration` are in steps; `track` is an index into the track set.
STEP_NOTE = np.dtype(
    [
        ("track", np.uint8),
        ("onset", np.int64),
        ("duration", np.int64),
        ("pitch", np.uint8),
    ]
)
_STEP_BITS = 25  # of a step: MAX_BEATS * MAX_RESOLUTION fit, and so do a track, a pitch and two steps in 63 bits
_KEY_BITS = 13  # of a track and a pitch


@dataclass(frozen=True)
class Losses:
    """How many of a piece's notes did not reach the grid as they were written, and why.

    ``notes`` are all of the piece, ``kept`` those on the grid. Lost are those with ``no_track`` that
    collects their program or part, ``out_of_range`` of their track, ``merged`` with another, and ``beyond``
    the longest piece that is read. Of those kept, ``cut`` have another length because another note of their
    pitch began. ``moved`` began off the grid, and were quantised to the nearest step.
    """

    notes: int = 0
    kept: int = 0
    no_track: int = 0
    out_of_range: int = 0
    merged: int = 0
    beyond: int = 0
    cut: int = 0
    moved: int = 0


@dataclass(frozen=True, eq=False)
class StepNotes:
    """The notes of one piece on the grid, at ``resolution`` steps a beat (a quarter note).

    ``notes`` (dtype ``STEP_NOTE``) is sorted by onset, track and pitch; no two of one track and pitch
    overlap. ``bar_starts`` (bars + 1,) are steps, the last is the piece's end; ``metres`` (bars, 2) are
    numerator and denominator; ``full`` (bars,) is False for a bar shorter than its metre (a pickup, or cut
    by a change).
    """

    track_set: TrackSet
    resolution: int
    notes: Table
    bar_starts: NDArray[np.int64]
    metres: NDArray[np.int32]
    full: NDArray[np.bool_]
    bpm: float
    losses: Losses

    @property
    def bars(self) -> int:
        """The number of bars."""
        return len(self.metres)

    def steps_per_bar(self, metre: tuple[int, int] = COMMON_TIME) -> int:
        """The steps of a full bar.

        Raises:
            UserError: a bar of this metre is no whole number of steps.

        """
        return steps_per_bar(metre, self.resolution)

    def phrase_starts(self, bars: int, metre: tuple[int, int] = COMMON_TIME, hop: int = 1) -> NDArray[np.int64]:
        """The first bars of all phrases of ``bars`` full bars in ``metre``, every ``hop`` bars in each run.

        Shape (phrases,), int64, ascending.

        Raises:
            UserError: a bar of this metre is no whole number of steps.

        """
        starts = [np.arange(start, stop - bars + 1, hop) for start, stop in self.runs(metre)]
        return np.concatenate([*starts, np.empty(0)]).astype(np.int64)

    def playing(self) -> NDArray[np.bool_]:
        """Which tracks sound in which bars: shape (bars, tracks)."""
        begin, track = self.notes["onset"], self.notes["track"]
        first, last = (
            np.searchsorted(self.bar_starts, step, side="right") - 1
            for step in (begin, begin + self.notes["duration"] - 1)
        )
        changes = np.zeros((self.bars + 1, len(self.track_set)), np.int64)
        np.add.at(changes, (first, track), 1)
        np.add.at(changes, (np.minimum(last + 1, self.bars), track), -1)
        return np.cumsum(changes[:-1], axis=0) > 0

    def runs(self, metre: tuple[int, int] = COMMON_TIME) -> list[tuple[int, int]]:
        """The unbroken runs of full bars in ``metre``: of each its first bar, and the bar after its last.

        Raises:
            UserError: a bar of this metre is no whole number of steps.

        """
        steps = self.steps_per_bar(metre)
        fits = self.full & (self.metres == metre).all(axis=1) & (np.diff(self.bar_starts) == steps)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], fits, [False]]).astype(np.int8)))
        return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def steps_per_bar(metre: tuple[int, int], resolution: int) -> int:
    """The steps of a bar of ``metre`` (numerator, denominator) at ``resolution`` steps a quarter note.

    Raises:
        UserError: it is no whole number of steps.

    """
    numerator, denominator = metre
    if numerator < 1 or denominator < 1 or (numerator * 4 * resolution) % denominator:
        raise UserError(f"a bar of {numerator}/{denominator} is no whole number of 1/{resolution} beats")
    return numerator * 4 * resolution // denominator


def parse_metre(text: str) -> tuple[int, int]:
    """Numerator and denominator of ``"4/4"``.

    Raises:
        UserError: it is something else.

    """
    numerator, slash, denominator = text.partition("/")
    if not (slash and numerator.isdecimal() and denominator.isdecimal() and len(text) < 8 and int(numerator)):
        raise UserError(f"metre {text!r}: write numerator and denominator, such as 4/4")
    if int(denominator) not in (1, 2, 4, 8, 16, 32, 64):
        raise UserError(f"metre {text!r}: a denominator is 1, 2, 4, 8, 16, 32 or 64")
    return int(numerator), int(denominator)


def quantise(
    song: Song,
    track_set: TrackSet,
    resolution: int,
    *,
    metre: tuple[int, int] | None = None,
    default_metre: tuple[int, int] = COMMON_TIME,
) -> StepNotes:
    """Put a song's notes on the grid of ``resolution`` steps a beat.

    Onsets and ends go to the nearest step (halves up), every note is at least one step long; drums are
    onsets, one step long. Bars follow the song's pickup and its time signatures, ``default_metre`` where it
    has none; ``metre`` overrules the song's time signatures.

    Raises:
        UserError: the song's parts don't fit a track set that goes by parts, or the resolution makes no
        sense.

    """
    if not 1 <= resolution <= MAX_RESOLUTION:
        raise UserError(f"resolution {resolution} is not within 1 to {MAX_RESOLUTION} steps a beat")
    written, pitches = song.notes["onset"], song.notes["pitch"]
    tracks = _tracks_of(song, track_set)
    within = written < MAX_BEATS * song.ticks_per_beat
    collected = within & (tracks < len(track_set))
    all_within, all_collected = int(np.count_nonzero(within)), int(np.count_nonzero(collected))
    # One row more, for notes that have no track.
    low = np.array([*(track.low for track in track_set.tracks), 0], dtype=np.uint8)
    high = np.array([*(track.high for track in track_set.tracks), 0], dtype=np.uint8)
    chosen = np.flatnonzero(collected & (pitches >= low.take(tracks)) & (pitches <= high.take(tracks)))

    ticks, tracks, pitches = written.take(chosen), tracks.take(chosen), pitches.take(chosen)
    onset = to_steps(ticks, song.ticks_per_beat, resolution)
    # A note may claim to last until tick 2^40: cut before it is multiplied.
    stop = np.minimum(ticks + song.notes["duration"].take(chosen), MAX_BEATS * song.ticks_per_beat)
    stop = np.maximum(to_steps(stop, song.ticks_per_beat, resolution), onset + 1)
    is_drum = np.array([track.is_drum for track in track_set.tracks], dtype=np.bool_)
    stop = np.where(is_drum.take(tracks), onset + 1, stop)
    placed, merged, cut = without_overlaps(tracks, pitches, onset, stop)
    losses = Losses(
        notes=len(song.notes),
        kept=len(placed),
        no_track=all_within - all_collected,
        out_of_range=all_collected - len(chosen),
        merged=merged,
        beyond=len(song.notes) - all_within,
        cut=cut,
        moved=_off_grid(ticks * resolution, song.ticks_per_beat),
    )

    end = int((placed["onset"] + placed["duration"]).max(initial=0))
    starts, metres, full = _bars(song, resolution, end, metre, default_metre)
    return StepNotes(track_set, resolution, placed, starts, metres, full, song.bpm, losses)


def to_steps(ticks: NDArray[np.int64], ticks_per_beat: int, resolution: int) -> NDArray[np.int64]:
    """The nearest steps to ``ticks``, halves up, in exact integers."""
    return (2 * ticks * resolution + ticks_per_beat) // (2 * ticks_per_beat)


def _off_grid(values: NDArray[np.int64], unit: int) -> int:
    """How many of ``values`` are no multiples of ``unit``."""
    return int(np.count_nonzero(values // unit * unit != values))  # division is faster than its remainder


def without_overlaps(
    track: NDArray[np.int64], pitch: NDArray[np.integer], onset: NDArray[np.int64], stop: NDArray[np.int64]
) -> tuple[Table, int, int]:
    """Notes (dtype ``STEP_NOTE``) by the rule at the top of this file, sorted by onset, track and pitch.

    Takes columns of one length, in steps from 0 to ``MAX_BEATS * MAX_RESOLUTION``. Returns the notes, how many were
    merged, and how many cut.
    """
    step = (1 << _STEP_BITS) - 1
    # Numbers sort several times as fast as rows: by track and pitch, then onset, then the longest first.
    packed = np.sort((track << 7 | pitch) << 2 * _STEP_BITS | onset << _STEP_BITS | step - stop)
    group = packed >> _STEP_BITS
    first = np.ones(len(packed), dtype=np.bool_)
    np.not_equal(group[1:], group[:-1], out=first[1:])
    merged = len(packed) - int(np.count_nonzero(first))
    if merged:
        packed = packed.take(np.flatnonzero(first))
    key, onset, stop = packed >> 2 * _STEP_BITS, packed >> _STEP_BITS & step, step - (packed & step)

    # The latest end so far within the key: keys are kept apart by an offset above every step.
    offset = key << _STEP_BITS
    until = np.maximum.accumulate(stop + offset) - offset
    until[:-1] = np.where(key[1:] == key[:-1], np.minimum(until[:-1], onset[1:]), until[:-1])
    cut = int(np.count_nonzero(until != stop))

    packed = np.sort(onset << _STEP_BITS + _KEY_BITS | key << _STEP_BITS | until)
    notes = np.empty(len(packed), dtype=STEP_NOTE)
    notes["onset"] = onset = packed >> _STEP_BITS + _KEY_BITS
    key = packed >> _STEP_BITS & (1 << _KEY_BITS) - 1
    notes["track"], notes["pitch"] = key >> 7, key & 127
    notes["duration"] = (packed & step) - onset
    return notes, merged, cut


def _tracks_of(song: Song, track_set: TrackSet) -> NDArray[np.int64]:
    """The track of every note; the number of tracks stands for none."""
    none = len(track_set)
    if track_set.by == "part":
        sounding = np.unique(song.notes["part"])
        found = track_set.assign_parts([song.parts[part] for part in sounding])
        by_part = np.full(len(song.parts), none, dtype=np.int64)
        by_part[sounding] = [none if track is None else track for track in found]
        return by_part.take(song.notes["part"])
    return track_set.by_sound.take(np.where(song.notes["is_drum"], 128, song.notes["program"]))


def _bars(
    song: Song, resolution: int, end: int, metre: tuple[int, int] | None, default_metre: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.bool_]]:
    """Bar starts in steps (with the end), metres, and whether the bars are full; they reach to ``end``."""
    beat = song.ticks_per_beat
    last = -(-end * beat // resolution)  # the end in ticks, rounded up
    changes = [(0, *(metre or default_metre))]
    if metre is None:
        changes += [(int(tick), int(n), int(d)) for tick, n, d in song.time_signatures.tolist()]
    if song.pickup:
        held = [change for change in changes if change[0] < song.pickup][-1]
        changes = [(0, *held[1:]), (song.pickup, *held[1:])] + [c for c in changes if c[0] >= song.pickup]

    starts, rows = [], []
    for i, (tick, numerator, denominator) in enumerate(changes):
        following = changes[i + 1][0] if i + 1 < len(changes) else None
        stop = last if following is None else min(following, last)
        if stop <= tick:
            continue
        # Bar k of this metre begins at tick + k * (4 * beat * numerator / denominator), exactly.
        count = -(-(stop - tick) * denominator // (4 * beat * numerator))
        starts.append(tick + np.arange(count, dtype=np.int64) * 4 * beat * numerator // denominator)
        rows.append(np.full((count, 2), (numerator, denominator), dtype=np.int32))
        if stop == last and (following is None or following >= last):
            last = tick + count * 4 * beat * numerator // denominator
            last = last if following is None else min(last, following)
            break
    ticks = np.concatenate([*starts, np.array([last if starts else 0], dtype=np.int64)])
    metres = np.concatenate([*rows, np.empty((0, 2), dtype=np.int32)])
    lengths = np.diff(ticks)
    full = lengths * metres[:, 1] >= (4 * beat * metres[:, 0]) // metres[:, 1] * metres[:, 1]
    steps = to_steps(ticks, beat, resolution)
    kept = np.diff(steps) > 0  # a bar shorter than half a step is none
    return np.concatenate([steps[:-1][kept], steps[-1:]]), metres[kept], full[kept]
