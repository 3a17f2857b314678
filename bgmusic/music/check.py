"""What a piece would become on a grid, and what is wrong with it, in words."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bgmusic.music.beat import USABLE_BEAT, grid_fit
from bgmusic.music.grid import COMMON_TIME, Losses, StepNotes, quantise
from bgmusic.music.roll import encoding_loss
from bgmusic.music.song import Song
from bgmusic.music.tracks import TrackSet

_REASONS = (
    ("no_track", "of programs or parts that no track collects"),
    ("out_of_range", "outside their track's pitches"),
    ("merged", "in one step with another of their pitch"),
    ("beyond", "too late"),
)


def describe(song: Song, track_set: TrackSet, resolution: int, bars: int) -> list[str]:
    """Lines that say what a song becomes at ``resolution`` steps a beat, in phrases of ``bars`` 4/4 bars.

    Raises:
        UserError: none of its notes reaches the grid, or it doesn't fit the track set.

    """
    piece = quantise(song, track_set, resolution)
    lines = [_form(piece, bars), _tracks(piece)]
    if song.title:
        lines.insert(0, f"title: {song.title}")
    fit = grid_fit(song, resolution)
    warning = "" if fit >= USABLE_BEAT else ": too few, the notes follow no beat, and a corpus leaves this out"
    lines.append(f"beat: {fit:.0%} of onsets lie within a quarter step of a grid{warning}")
    lines.append(_losses(piece.losses))
    pause = encoding_loss(piece.notes, track_set, "pause")
    lines.append(
        f"repeated notes: the onset encoding loses none, the pause encoding {pause.lost:.1%} "
        f"({pause.fused} fused, {pause.shortened} a step shorter)"
    )
    lines += [f"mended: {repair}" for repair in song.repairs]
    return lines


def _form(piece: StepNotes, bars: int) -> str:
    metres = Counter(f"{numerator}/{denominator}" for numerator, denominator in piece.metres.tolist())
    named = ", ".join(f"{count} in {metre}" for metre, count in metres.most_common(4))
    others = len(metres) - 4
    more = f" and {others} more metres" if others > 0 else ""
    starts = piece.phrase_starts(bars, COMMON_TIME)
    edges = np.stack([piece.bar_starts[starts], piece.bar_starts[starts + bars]])
    before = np.searchsorted(piece.notes["onset"], edges)
    return (
        f"form: bars: {piece.bars} ({named}{more}); {piece.bpm:.4g} beats a minute; "
        f"phrases of {bars} bars in 4/4: {int((before[1] > before[0]).sum())}"
    )


def _tracks(piece: StepNotes) -> str:
    counts = np.bincount(piece.notes["track"], minlength=len(piece.track_set)).tolist()
    named = [f"{track.name} {count}" for track, count in zip(piece.track_set.tracks, counts, strict=True)]
    return f"notes: {', '.join(named)}"


def _losses(losses: Losses) -> str:
    lost = losses.notes - losses.kept
    why = [f"{getattr(losses, name)} {what}" for name, what in _REASONS if getattr(losses, name)]
    share = lost / losses.notes if losses.notes else 0.0
    text = f"lost: {lost} of {losses.notes} notes ({share:.1%})" + (f": {', '.join(why)}" if why else "")
    if losses.moved:
        text += f"; {losses.moved} moved to the nearest step"
    if losses.cut:
        text += f"; {losses.cut} cut where their pitch sounds again"
    return text
