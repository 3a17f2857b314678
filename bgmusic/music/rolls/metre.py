"""Time signatures and the bars that they make on the grid."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import COMMON_TIME, Song
from bgmusic.music.rolls.checks import require_metre, require_resolution
from bgmusic.music.rolls.steps import MAX_BEATS, step_of

__all__ = ["COMMON_TIME", "bars_of", "join_bars", "parse_metre", "steps_per_bar"]

MAX_REST = 64  # silent bars after the last note: some files claim hours
_SLACK = 24  # a piece that ends within a 24th of a beat before a bar line ends on it

_DENOMINATORS = (1, 2, 4, 8, 16, 32, 64)


def steps_per_bar(metre: tuple[int, int], resolution: int) -> int:
    """Return the number of steps in a bar.

    Args:
        metre: numerator and denominator of the time signature.
        resolution: steps per beat (quarter note).

    Raises:
        TypeError: ``metre`` is not a pair of integers, or ``resolution`` not an integer.
        UserError: the bar is not a whole number of steps.

    """
    require_metre(metre)
    require_resolution(resolution)
    numerator, denominator = metre
    if (numerator * 4 * resolution) % denominator:
        raise UserError(f"a bar of {numerator}/{denominator} is not a whole number of steps at {resolution} per beat")
    return numerator * 4 * resolution // denominator


def require_bar(metre: tuple[int, int], resolution: int, steps: int) -> tuple[int, int]:
    """Return a time signature whose bars have ``steps`` steps, as a pair of ints.

    Raises:
        TypeError: ``metre`` is not a pair of integers.
        UserError: its bars have another length, or it is no time signature.

    """
    length = steps_per_bar(metre, resolution)
    numerator, denominator = int(metre[0]), int(metre[1])
    if length != steps:
        raise UserError(f"a bar of {numerator}/{denominator} has {length} steps at {resolution} per beat, not {steps}")
    return numerator, denominator


def parse_metre(text: str) -> tuple[int, int]:
    """Parse a time signature such as ``"4/4"`` into numerator and denominator.

    Raises:
        UserError: the text is not a time signature.

    """
    numerator, slash, denominator = text.partition("/")
    if not (slash and numerator.isdecimal() and denominator.isdecimal() and len(text) < 8 and int(numerator)):
        raise UserError(f"metre {text!r}: write numerator and denominator, such as 4/4")
    if int(denominator) not in _DENOMINATORS:
        raise UserError(f"metre {text!r}: the denominator must be 1, 2, 4, 8, 16, 32 or 64")
    return int(numerator), int(denominator)


def bars_of(
    song: Song, resolution: int, end: int, metre: tuple[int, int] | None, default_metre: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.bool_]]:
    """Place bar lines on the step grid from the start of a song to ``end``, by its pickup and time signatures.

    Time signatures move to the nearest step first, as notes do, so one that is a tick early changes nothing. After
    ``end``, silent bars follow up to the end of the song: those that it holds whole, at most ``MAX_REST``.

    Args:
        song: the song.
        resolution: steps per beat.
        end: the last step that bars must cover.
        metre: replaces the song's time signatures; None to follow them.
        default_metre: applies where the song has no time signature.

    Returns:
        Bar starts in steps, with the end, int64 ``(bars + 1,)``; numerators and denominators, int32 ``(bars, 2)``;
        whether each bar is as long as its metre, boolean ``(bars,)``.

    """
    changes = _changes(song, resolution, metre, default_metre)
    beat = song.ticks_per_beat
    rest = step_of(min(song.end + beat // _SLACK, MAX_BEATS * beat), beat, resolution) if end else 0
    parts: list[NDArray[np.int64]] = []
    rows: list[tuple[int, int]] = []
    counts: list[int] = []
    cut: list[int] = []
    last = 0
    for i, (start, numerator, denominator) in enumerate(changes):
        following = changes[i + 1][0] if i + 1 < len(changes) else None
        bar = 4 * resolution * numerator  # in steps, times the denominator
        is_last = following is None or following >= max(end, rest)
        if following is None or is_last:
            sounding = max(0, -(-(end - start) * denominator // bar))
            count = max(sounding, min((rest - start) * denominator // bar, sounding + MAX_REST))
        else:
            count = -(-(following - start) * denominator // bar)
        # Bar k begins at the step nearest to start + k * bar / denominator.
        lines = start + (np.arange(0, 2 * (count + 1) * bar, 2 * bar) + denominator) // (2 * denominator)
        last = int(lines[-1])
        if count and following is not None and last > following:
            last = following
            cut.append(sum(counts) + count - 1)
        parts.append(lines[:-1])
        rows.append((numerator, denominator))
        counts.append(count)
        if is_last:
            break
    parts.append(np.array([last]))
    steps = np.concatenate(parts)
    metres = np.array(rows, dtype=np.int32).repeat(counts, axis=0)
    full = np.ones(len(metres), dtype=np.bool_)
    full[cut] = False
    kept = steps[1:] > steps[:-1]
    if not kept.all():  # drop bars shorter than half a step
        steps, metres, full = np.append(steps[:-1][kept], last), metres[kept], full[kept]
    return steps, metres, full


def _changes(
    song: Song, resolution: int, metre: tuple[int, int] | None, default_metre: tuple[int, int]
) -> list[tuple[int, int, int]]:
    """Return the steps at which bars begin anew, with numerator and denominator; the first is 0."""
    beat = song.ticks_per_beat
    by_step = {0: metre or default_metre}
    for tick, numerator, denominator in song.time_signatures.tolist() if metre is None else ():
        by_step[step_of(min(tick, MAX_BEATS * beat), beat, resolution)] = (numerator, denominator)
    if song.pickup:
        pickup = step_of(song.pickup, beat, resolution)
        before = by_step[max(step for step in by_step if step < max(pickup, 1))]
        by_step = {0: before, pickup: before} | {step: row for step, row in by_step.items() if step >= pickup}
    return [(step, *by_step[step]) for step in sorted(by_step)]


def join_bars(
    starts: NDArray[np.int64],
    metres: NDArray[np.int32],
    full: NDArray[np.bool_],
    onsets: NDArray[np.int64],
    metre: tuple[int, int],
    steps: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.bool_]]:
    """Join short bars, such as 2/4 and 1/4, to bars of a longer metre, such as 4/4.

    Joined are runs of full bars of one metre, of which two or more make a bar of ``metre``. The first joined bar begins
    so that a bar line falls on the first downbeat: the first bar line of the run at which a note begins. Bars before it
    that make no whole bar stay short; so do those left at the end of a run, except at the end of the piece.

    Args:
        starts: bar starts in steps, with the end, ``(bars + 1,)``.
        metres: numerators and denominators, ``(bars, 2)``.
        full: whether each bar is as long as its metre, ``(bars,)``.
        onsets: the steps at which notes begin, ascending.
        metre: numerator and denominator to join to.
        steps: steps of a bar of ``metre``.

    Returns:
        ``starts``, ``metres`` and ``full`` of the joined bars.

    """
    lengths = np.diff(starts)
    sounding = np.isin(starts[:-1], onsets)
    begins = np.ones(len(lengths), dtype=np.bool_)
    joined = np.zeros(len(lengths), dtype=np.bool_)
    end = int(starts[-1])
    changes = np.flatnonzero((np.diff(metres, axis=0) != 0).any(axis=1) | (np.diff(lengths) != 0) | ~full[1:]) + 1
    for start, stop in pairwise([0, *changes.tolist(), len(lengths)]):
        if stop <= start or not full[start]:
            continue
        count, rest = divmod(steps, int(lengths[start]))
        if rest or count < 2:
            continue
        downbeats = np.flatnonzero(sounding[start:stop])
        first = start + (int(downbeats[0]) % count if len(downbeats) else 0)
        whole = first + (stop - first) // count * count
        if stop == len(lengths) and whole < stop:
            end = int(starts[whole]) + steps
            whole = stop
        begins[first:whole] = (np.arange(first, whole) - first) % count == 0
        joined[first:whole] = True
    metres = np.where(joined[:, None], np.array(metre, dtype=np.int32), metres)
    return np.append(starts[:-1][begins], end), metres[begins], full[begins]
