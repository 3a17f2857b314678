"""End a piece on a bar line, so that a loop repeats in time."""

from __future__ import annotations

from bgmusic.music.midi.song import COMMON_TIME, Song

_SLACK = 24  # an end within a 24th of a beat of a bar line is on it: writers add a tick, and legato notes overlap


def piece_end(song: Song) -> int:
    """Return the tick at which a piece ends: the bar line after its last note, or later if the song has silent bars.

    A silent bar counts if ``song.end`` reaches its end. A song without time signatures is in 4/4, but
    ends at ``song.end`` if that is later.
    """
    sounding = int((song.notes["onset"] + song.notes["duration"]).max(initial=0))
    end = max(song.end, sounding)
    slack = song.ticks_per_beat // _SLACK
    rows = [row for row in song.time_signatures.tolist() if row[0] < max(end - slack, 1)]
    start, numerator, denominator = rows[-1] if rows else (0, *COMMON_TIME)
    start = max(start, song.pickup)
    bar = 4 * song.ticks_per_beat * numerator  # in ticks, times the denominator
    played = -(-(sounding - slack - start) * denominator // bar)
    whole = (end + slack - start) * denominator // bar
    line = start + max(played, whole, 0) * bar // denominator
    return max(line, sounding if rows or end <= line + slack else end)
