"""Ways out of the studio: files in every format, and ways in: MIDI files."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.composing.kept import read_kept
from bgmusic.music.midi.song import PLAYABLE_BPM, Song, Table
from bgmusic.music.plans.storing import plan_json
from bgmusic.music.rolls.shape import RollShape
from bgmusic.studio.command import GIVEN, PLAN, composed_plan, given_state
from bgmusic.studio.state import MAX_BARS, State

KINDS = {
    "mid": "audio/midi",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "musicxml": "application/vnd.recordare.musicxml+xml",
    "svg": "image/svg+xml",
    "png": "image/png",
    GIVEN: "audio/midi",
    PLAN: "application/json",
}
"""Suffixes of files, and their media types."""


def export(state: State, kind: str) -> bytes:
    """Return the piece as the content of a file.

    Raises:
        UserError: the format is unknown, a library is missing, or the piece does not fit the format.

    """
    if kind not in KINDS:
        raise UserError(f"no format {kind[:20]!r}: choose {', '.join(KINDS)}")
    if kind == PLAN:
        return plan_json(composed_plan(state)).encode()
    if kind == GIVEN:
        state, kind = given_state(state), "mid"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"piece.{kind}"
        options: dict[str, Any] = {"title": state.title} if kind == "musicxml" else {}
        state.roll().save(path, **options)
        return path.read_bytes()


def load_edit(state: State, content: bytes, given: list[int], more: int = 0) -> tuple[dict[str, Any], str]:
    """Return the edit that loads a MIDI file, which is untrusted, into the tracks of the project's composer.

    With it comes what is left out, in words for the page.

    Args:
        state: the project.
        content: content of the file.
        given: numbers of the tracks that are taken from the file and locked; the others are left to the composer. With
            none, all tracks are taken, and nothing is locked.
        more: bars that are added after the end; then what is before is locked.

    Raises:
        UserError: it is no MIDI file, or has no such tracks, or no bars of the composer's length.

    """
    tracks = state.shape.track_set.tracks
    if any(track >= len(tracks) for track in given):
        raise UserError(f"there is no track {max(given)}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dropped.mid"
        path.write_bytes(content)
        try:
            notes, bars, bpm, left_out = _given(path, state, given) if given else _everything(path, state.shape)
        except UserError as error:
            raise UserError(str(error).replace(str(path), "the file")) from None
    if more and bars + more > MAX_BARS:
        raise UserError(f"the file has {bars} bars: with {more} more they are over {MAX_BARS}, the most of a piece")
    if bars > MAX_BARS:
        left_out.append(f"its last {bars - MAX_BARS} bars")
        bars = MAX_BARS
    inside = (notes["onset"] >= 0) & (notes["onset"] + notes["duration"] <= bars * state.shape.steps)
    rows = [list(row) for row in notes[inside].tolist() if tracks[row[0]].low <= row[3] <= tracks[row[0]].high]
    if not rows:
        raise UserError("the file has no notes for the tracks of this composer")
    low, high = PLAYABLE_BPM
    edit = {"do": "load", "notes": rows, "bars": bars, "more": more, "bpm": min(max(bpm, low), high), "given": given}
    return edit, f"left out of the file: {'; '.join(left_out)}" if left_out else ""


_Loaded = tuple[Table, int, float, list[str]]
"""Notes, bars and tempo of a file, and what is left out."""


def _given(path: Path, state: State, given: list[int]) -> _Loaded:
    """Read some tracks of a file, in its longest run of bars that fit."""
    from bgmusic.music.composing.given import read_given

    parts = [read_given(path, state.shape, track) for track in given]
    start, bars = max(parts[0].stretches, key=lambda stretch: stretch[1])
    notes = np.concatenate([part.notes for part in parts])
    notes["onset"] -= start
    return notes, bars, parts[0].song.bpm, _other_tempos(parts[0].song)


def _everything(path: Path, shape: RollShape) -> _Loaded:
    """Read all notes of a file that fit the composer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which bars were read is told below
        kept = read_kept(path, shape)
    roll, left_out = kept.roll, []
    if kept.first or kept.more:
        left_out.append(f"all bars but {kept.first + 1} to {kept.first + roll.bars}")
    if kept.unheard:
        left_out.append(f"{kept.unheard} of {len(kept.song.notes)} notes, which fit no track of this composer")
    return roll.notes(), roll.bars, roll.bpm, left_out + _other_tempos(kept.song)


def _other_tempos(song: Song) -> list[str]:
    return ["its other tempos"] if len(np.unique(song.tempos["bpm"])) > 1 else []
