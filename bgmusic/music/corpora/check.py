"""Describe how a song fits a corpus: bars, notes, losses and repairs, as lines of text."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bgmusic.music.corpora.settings import Settings
from bgmusic.music.midi.pedal import pedal_use
from bgmusic.music.midi.song import Song
from bgmusic.music.rolls.collecting import split_annotations, tracks_of
from bgmusic.music.rolls.encodings import encoding_loss
from bgmusic.music.rolls.grid import Losses, StepNotes
from bgmusic.music.rolls.grid_fit import grid_fit
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.plurals import count_of

_MOST_PARTS = 8
_LOSSES = (
    ("no_track", "of programs or parts without a track"),
    ("out_of_range", "outside their track's pitch range"),
    ("merged", "in the same step as another note of their pitch"),
    ("beyond", "beyond the longest piece that is read"),
)


def describe(song: Song, settings: Settings) -> list[str]:
    """Describe what a song becomes in a corpus with these settings, as lines of text.

    The song must have been read with its controllers for the lines about the sustain pedal.

    Raises:
        UserError: none of its notes fits the grid, or its parts don't fit the track set.

    """
    track_set, resolution = settings.shape.track_set, settings.shape.resolution
    piece = settings.quantise(song)
    lines = [_form(piece, settings), _tracks(piece)]
    if song.title:
        lines.insert(0, f"title: {song.title}")
    fit = grid_fit(split_annotations(song, track_set)[0], resolution)
    warning = "" if fit >= settings.min_grid_fit else ": too few, the notes follow no beat, and a corpus skips the file"
    lines.append(f"beat: {fit:.0%} of onsets lie within a quarter step of a grid{warning}")
    lines += [_losses(piece.losses), *_without_track(song, track_set)]
    pause = encoding_loss(piece.notes, track_set, "pause")
    lines.append(
        f"repeated notes: the onset encoding loses none, the pause encoding {pause.lost:.1%} "
        f"({pause.fused} fused, {pause.shortened} a step shorter)"
    )
    lines += _pedal(song, settings)
    lines += [f"repaired: {repair}" for repair in song.repairs]
    return lines


def _without_track(song: Song, track_set: TrackSet) -> list[str]:
    """List the parts that lose notes because no track collects them."""
    music, _ = split_annotations(song, track_set)
    lost = music.notes[tracks_of(music, track_set) == len(track_set)]
    rows, counts = np.unique(lost[["part", "program", "is_drum"]], return_counts=True)
    named = [
        f"{song.parts[part] if part < len(song.parts) and song.parts[part] else '(no name)'} "
        f"({'percussion' if is_drum else f'program {program}'}) {count}"
        for (part, program, is_drum), count in zip(rows.tolist(), counts.tolist(), strict=True)
    ]
    more = f" and {len(named) - _MOST_PARTS} more" if len(named) > _MOST_PARTS else ""
    return [f"without a track: {', '.join(named[:_MOST_PARTS])}{more}"] if named else []


def _pedal(song: Song, settings: Settings) -> list[str]:
    """Say how the sustain pedal changes notes, if the song was read with its controllers and has one."""
    use = pedal_use(song)
    if not use.pressed:
        return []
    pitched = int(np.count_nonzero(~song.notes["is_drum"]))
    longer = f"{use.longer} of {count_of(pitched, 'pitched note')}"
    change = f"{longer} sound longer than they are held, by {use.beats:.2g} beats on average"
    setting = "as they do in the corpus" if settings.pedal else "--pedal makes them last as they sound"
    presses = f"{use.pressed} press{'es' if use.pressed > 1 else ''}"
    return [f"pedal: {presses}; {change}" + (f" ({setting})" if use.longer else "")]


def _form(piece: StepNotes, settings: Settings) -> str:
    metres = Counter(f"{numerator}/{denominator}" for numerator, denominator in piece.metres.tolist())
    named = ", ".join(f"{count} in {metre}" for metre, count in metres.most_common(4))
    others = len(metres) - 4
    more = f" and {count_of(others, 'more metre')}" if others > 0 else ""
    playing = piece.playing()
    phrases = sum(len(settings.hops(playing[start:stop])) for start, stop in settings.runs(piece))
    slowest, fastest = min(bpm for _, bpm in piece.tempos), max(bpm for _, bpm in piece.tempos)
    count = len(piece.tempos) - 1
    changes = f" ({count_of(count, 'change')}, {slowest:.4g} to {fastest:.4g})" if count else ""
    return (
        f"form: bars: {piece.bars} ({named}{more}); {piece.bpm:.4g} beats per minute{changes}; phrases of "
        f"{count_of(settings.shape.bars, 'bar')} in {settings.metre_name} in which {settings.needed_tracks} or more "
        f"tracks play (--min-tracks): {phrases}"
    )


def _tracks(piece: StepNotes) -> str:
    counts = np.bincount(piece.notes["track"], minlength=len(piece.track_set)).tolist()
    named = [f"{track.name} {count}" for track, count in zip(piece.track_set.tracks, counts, strict=True)]
    return f"notes: {', '.join(named)}"


def _losses(losses: Losses) -> str:
    lost = losses.notes - losses.kept
    reasons = [f"{getattr(losses, name)} {text}" for name, text in _LOSSES if getattr(losses, name)]
    share = lost / losses.notes if losses.notes else 0.0
    text = f"lost: {lost} of {count_of(losses.notes, 'note')} ({share:.1%})"
    text += f": {', '.join(reasons)}" if reasons else ""
    if losses.moved:
        text += f"; {losses.moved} moved to the nearest step"
    if losses.annotations:
        text += f"; {losses.annotations} of annotations, not counted"
    if losses.cut:
        text += f"; {losses.cut} shortened where their pitch is played again"
    return text
