"""Time signatures and the bars that they make on the grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import COMMON_TIME, Song
from bgmusic.music.rolls.checks import require_metre, require_resolution
from bgmusic.music.rolls.steps import to_steps

__all__ = ["COMMON_TIME", "bars_of", "parse_metre", "steps_per_bar"]

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
    """Place bar lines from the start of a song to ``end``, by its pickup and time signatures.

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
    beat = song.ticks_per_beat
    last = -(-end * beat // resolution)  # the end in ticks, rounded up
    changes = [(0, *(metre or default_metre))]
    if metre is None:
        changes += [(int(tick), int(n), int(d)) for tick, n, d in song.time_signatures.tolist()]
    if song.pickup:
        current = [change for change in changes if change[0] < song.pickup][-1]
        changes = [(0, *current[1:]), (song.pickup, *current[1:])] + [c for c in changes if c[0] >= song.pickup]

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
    kept = np.diff(steps) > 0  # drop bars shorter than half a step
    return np.concatenate([steps[:-1][kept], steps[-1:]]), metres[kept], full[kept]
