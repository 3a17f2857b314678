"""Quantize a song: notes in steps, bars that follow its time signatures, and counts of lost notes.

Notes stay sparse: no array is as long as the length that a file claims.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import COMMON_TIME, Song, Table, require_valid_notes
from bgmusic.music.rolls.checks import require_metre, require_resolution
from bgmusic.music.rolls.collecting import split_annotations, tracks_of
from bgmusic.music.rolls.metre import bars_of, join_bars, steps_per_bar
from bgmusic.music.rolls.steps import MAX_BEATS, to_steps, without_overlaps
from bgmusic.music.rolls.tempo import DEFAULT_TEMPOS, TempoMap, tempo_map
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.plurals import count_of


@dataclass(frozen=True)
class Losses:
    """Counts of notes that quantization dropped or changed.

    Attributes:
        notes: notes of the song, without annotations.
        kept: notes on the grid.
        no_track: dropped, because no track collects their program or part.
        out_of_range: dropped, because their pitch is outside the range of their track.
        merged: dropped, because a longer note of their pitch and track begins in the same step.
        beyond: dropped, because they begin after ``MAX_BEATS`` beats.
        cut: kept with another duration, because of an overlapping note of their pitch and track.
        moved: in range, but off the grid; moved to the nearest step.
        annotations: notes of parts that the track set names as annotations; not counted as lost.

    """

    notes: int = 0
    kept: int = 0
    no_track: int = 0
    out_of_range: int = 0
    merged: int = 0
    beyond: int = 0
    cut: int = 0
    moved: int = 0
    annotations: int = 0


@dataclass(frozen=True, eq=False)
class StepNotes:
    """The notes of one piece on the grid.

    Attributes:
        track_set: the tracks.
        resolution: steps per beat (quarter note).
        notes: dtype ``STEP_NOTE``, sorted by onset, track and pitch; no two of one track and pitch overlap.
        bar_starts: int64 ``(bars + 1,)``, in steps; the last is the end of the piece.
        metres: int32 ``(bars, 2)``, numerators and denominators.
        full: boolean ``(bars,)``, False for a bar shorter than its metre (a pickup, or before a change).
        bpm: tempo at the first note, in beats per minute.
        losses: what quantization dropped or changed.
        tempos: the tempo map, see ``tempo``.

    """

    track_set: TrackSet
    resolution: int
    notes: Table
    bar_starts: NDArray[np.int64]
    metres: NDArray[np.int32]
    full: NDArray[np.bool_]
    bpm: float
    losses: Losses
    tempos: TempoMap = DEFAULT_TEMPOS

    def __repr__(self) -> str:
        sizes = (count_of(self.bars, "bar"), count_of(len(self.notes), "note"), count_of(self.resolution, "step"))
        return f"StepNotes({self.track_set.name!r:.60}: {', '.join(sizes)} per beat)"

    @property
    def bars(self) -> int:
        """The number of bars."""
        return len(self.metres)

    def steps_per_bar(self, metre: tuple[int, int] = COMMON_TIME) -> int:
        """Return the number of steps in a full bar of ``metre``.

        Raises:
            UserError: the bar is not a whole number of steps.

        """
        return steps_per_bar(metre, self.resolution)

    def phrase_starts(self, bars: int, metre: tuple[int, int] = COMMON_TIME, hop: int = 1) -> NDArray[np.int64]:
        """Return the first bar of every phrase of ``bars`` full bars in ``metre``.

        Args:
            bars: bars of a phrase.
            metre: numerator and denominator.
            hop: bars from one phrase to the next, within each run of full bars.

        Returns:
            int64 ``(phrases,)``, ascending.

        Raises:
            UserError: a bar of this metre is not a whole number of steps.

        """
        if bars < 1 or hop < 1:
            raise ValueError(f"bars and hop must be at least 1, not {bars} and {hop}")
        starts = [np.arange(start, stop - bars + 1, hop) for start, stop in self.runs(metre)]
        return np.concatenate([*starts, np.empty(0)]).astype(np.int64)

    def metre_of_bars(self, first: int, bars: int) -> tuple[int, int] | None:
        """Return the most frequent metre of some bars of one length; None if no bar of a metre has this length."""
        steps = int(self.bar_starts[first + 1] - self.bar_starts[first])
        counts = Counter(map(tuple, self.metres[first : first + bars].tolist()))
        for (numerator, denominator), _ in counts.most_common():
            if numerator * 4 * self.resolution == steps * denominator:
                return numerator, denominator
        return None

    def playing(self) -> NDArray[np.bool_]:
        """Return which tracks sound in which bars: boolean ``(bars, tracks)``."""
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
        """Return the unbroken runs of full bars in ``metre``, each as (first bar, bar after the last).

        Raises:
            UserError: a bar of this metre is not a whole number of steps.

        """
        steps = self.steps_per_bar(metre)
        fits = self.full & (self.metres == metre).all(axis=1) & (np.diff(self.bar_starts) == steps)
        return _runs(fits, np.zeros(self.bars, dtype=np.bool_))

    def runs_of_length(self, steps: int) -> list[tuple[int, int]]:
        """Return the unbroken runs of full bars of one metre whose bars have ``steps`` steps, as ``runs`` does."""
        changes = np.zeros(self.bars, dtype=np.bool_)
        changes[1:] = (np.diff(self.metres, axis=0) != 0).any(axis=1)
        exact = self.metres[:, 0] * 4 * self.resolution == self.metres[:, 1] * steps
        return _runs(self.full & exact & (np.diff(self.bar_starts) == steps), changes)


def _runs(fits: NDArray[np.bool_], breaks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the runs of True in ``fits``, as (start, stop); another run begins where ``breaks`` is True."""
    starts = fits & ~np.append(False, fits[:-1] & ~breaks[1:])[: len(fits)]
    stops = fits & ~np.append(fits[1:] & ~breaks[1:], False)[: len(fits)]
    return list(zip(np.flatnonzero(starts).tolist(), (np.flatnonzero(stops) + 1).tolist(), strict=True))


def quantise(
    song: Song,
    track_set: TrackSet,
    resolution: int,
    *,
    metre: tuple[int, int] | None = None,
    default_metre: tuple[int, int] = COMMON_TIME,
    join: tuple[int, int] | None = None,
) -> StepNotes:
    """Quantize a song to a grid of ``resolution`` steps per beat.

    Onsets and ends move to the nearest step, halves up. Each note is at least one step long, each drum hit exactly
    one. Notes of one pitch in one track are separated as ``steps.without_overlaps`` describes.

    Args:
        song: the song.
        track_set: the tracks that collect its notes.
        resolution: steps per beat (quarter note).
        metre: replaces the song's time signatures; None to follow them.
        default_metre: applies where the song has no time signature.
        join: a metre, such as 4/4, to which shorter bars, such as 2/4, are joined; see ``metre.join_bars``.

    Raises:
        TypeError: an argument has another type.
        UserError: ``resolution``, a metre or a note's value is out of range, or the song's parts do not match a track
            set with ``by="part"``.

    """
    require_resolution(resolution)
    require_metre(default_metre if metre is None else metre)
    require_valid_notes(song)
    annotations = 0
    if track_set.annotations:
        song, aside = split_annotations(song, track_set)
        annotations = len(aside.notes)
    written, pitches = song.notes["onset"], song.notes["pitch"]
    tracks = tracks_of(song, track_set)
    within = written < MAX_BEATS * song.ticks_per_beat
    collected = within & (tracks < len(track_set))
    all_within, all_collected = int(np.count_nonzero(within)), int(np.count_nonzero(collected))
    # One more row, for notes without a track.
    low = np.array([*(track.low for track in track_set.tracks), 0], dtype=np.uint8)
    high = np.array([*(track.high for track in track_set.tracks), 0], dtype=np.uint8)
    chosen = np.flatnonzero(collected & (pitches >= low.take(tracks)) & (pitches <= high.take(tracks)))

    ticks, tracks, pitches = written.take(chosen), tracks.take(chosen), pitches.take(chosen)
    onset = to_steps(ticks, song.ticks_per_beat, resolution)
    # A note may claim to last until tick 2^40: cut it before multiplying.
    stop = np.minimum(ticks + song.notes["duration"].take(chosen), MAX_BEATS * song.ticks_per_beat)
    stop = np.maximum(to_steps(stop, song.ticks_per_beat, resolution), onset + 1)
    stop = np.where(track_set.drums.take(tracks), onset + 1, stop)
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
        annotations=annotations,
    )

    end = int((placed["onset"] + placed["duration"]).max(initial=0))
    starts, metres, full = bars_of(song, resolution, end, metre, default_metre)
    if join is not None:
        starts, metres, full = join_bars(starts, metres, full, placed["onset"], join, steps_per_bar(join, resolution))
    tempos = tempo_map(song, resolution)
    return StepNotes(track_set, resolution, placed, starts, metres, full, song.bpm, losses, tempos)


def _off_grid(values: NDArray[np.int64], unit: int) -> int:
    """Count the values that are not multiples of ``unit``."""
    return int(np.count_nonzero(values // unit * unit != values))  # faster than the remainder
