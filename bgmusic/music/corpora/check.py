"""What a piece would become on a grid, and what is wrong with it, in words."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bgmusic.music.corpora.settings import Settings
from bgmusic.music.midi.song import Song
from bgmusic.music.rolls.grid import Losses, StepNotes, quantise
from bgmusic.music.rolls.grid_fit import grid_fit
from bgmusic.music.rolls.roll import encoding_loss

_REASONS = (
    ("no_track", "of programs or parts that no track collects"),
    ("out_of_range", "outside their track's pitches"),
    ("merged", "in one step with another of their pitch"),
    ("beyond", "too late"),
)


def describe(song: Song, settings: Settings) -> list[str]:
    """Lines that say what a song becomes in a corpus of these settings.

    Raises:
        UserError: none of its notes reaches the grid, or it doesn't fit the track set.

    """
    piece = quantise(song, settings.track_set, settings.resolution, default_metre=settings.metre)
    lines = [_form(piece, settings), _tracks(piece)]
    if song.title:
        lines.insert(0, f"title: {song.title}")
    fit = grid_fit(song, settings.resolution)
    warning = "" if fit >= settings.min_grid_fit else ": too few, the notes follow no beat: a corpus leaves this out"
    lines.append(f"beat: {fit:.0%} of onsets lie within a quarter step of a grid{warning}")
    lines.append(_losses(piece.losses))
    pause = encoding_loss(piece.notes, settings.track_set, "pause")
    lines.append(
        f"repeated notes: the onset encoding loses none, the pause encoding {pause.lost:.1%} "
        f"({pause.fused} fused, {pause.shortened} a step shorter)"
    )
    lines += [f"mended: {repair}" for repair in song.repairs]
    return lines


def _form(piece: StepNotes, settings: Settings) -> str:
    metres = Counter(f"{numerator}/{denominator}" for numerator, denominator in piece.metres.tolist())
    named = ", ".join(f"{count} in {metre}" for metre, count in metres.most_common(4))
    others = len(metres) - 4
    more = f" and {others} more metres" if others > 0 else ""
    playing, (n, d) = piece.playing(), settings.metre
    phrases = sum(len(settings.hops(playing[start:stop])) for start, stop in piece.runs(settings.metre))
    return (
        f"form: bars: {piece.bars} ({named}{more}); {piece.bpm:.4g} beats a minute; phrases of {settings.bars} bars in "
        f"{n}/{d} in which {settings.needed_tracks} or more tracks play (--min-tracks): {phrases}"
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
