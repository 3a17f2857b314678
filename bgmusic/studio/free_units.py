"""Units to compose, as text on the command line: ``Alto:2-3, Bass``.

Items have commas between them. ``Alto:2-3`` is bars 2 to 3 of a track, ``Alto:2.3-4.1`` goes from the third beat of bar
2 to the first of bar 4, ``Alto`` is the whole track, ``2-3`` these bars of all tracks, ``all`` everything.
"""

from __future__ import annotations

import re

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.typed import find_track
from bgmusic.studio.state import Units

EVERYTHING = "all"
_PLACE = r"(\d{1,4})(?:\.(\d{1,3}))?"
_RANGE = re.compile(f"{_PLACE}(?:-{_PLACE})?")
_LONGEST = 100_000  # characters


def parse_free(text: str, shape: PlanShape) -> Units:
    """Read units from text; see the module.

    Args:
        text: of a user.
        shape: tracks, bars and beats of the piece.

    Returns:
        Booleans ``(tracks, bars * beats)``.

    Raises:
        UserError: the text is not understood, or names nothing of the piece.

    """
    free = np.zeros((len(shape.tracks), shape.bars * shape.beats), np.bool_)
    if len(text) > _LONGEST:
        raise UserError(f"--free: at most {_LONGEST:,} characters are read")
    if not text.strip():
        raise UserError("--free: nothing is given; write Alto:2-3, or all")
    for item in text.split(","):
        track, colon, value = item.rpartition(":")
        value = value.strip()
        rows: int | slice = find_track(shape, track) if colon else slice(None)
        if value.lower() == EVERYTHING:
            free[rows] = True
        elif all(_RANGE.fullmatch(word) for word in value.split()) and value:
            for word in value.split():
                free[rows, _beats(word, shape)] = True
        elif colon:
            raise UserError(f"--free: {value[:40]!r} is not understood; write Alto:2-3, or Alto:2.1-3.4 with beats")
        else:
            free[find_track(shape, value)] = True
    return free


def write_free(free: Units, shape: PlanShape) -> str:
    """Write units so that :func:`parse_free` reads them back."""
    if free.all():
        return EVERYTHING
    rows = [_ranges(row, shape.beats) for row in free.tolist()]
    if len(set(rows)) == 1:
        return rows[0]
    whole = _ranges([True] * free.shape[1], shape.beats)
    items = [f"{_name(shape, track)}:{EVERYTHING if row == whole else row}" for track, row in enumerate(rows) if row]
    return ", ".join(items)


def _name(shape: PlanShape, track: int) -> str:
    """Return a track's name, or its number where the name is read as something else."""
    name = shape.tracks[track]
    plain = re.fullmatch(r"[^\W\d][\w ]*", name) and name.lower() != EVERYTHING
    return name if plain and find_track(shape, name) == track else str(track)


def _beats(word: str, shape: PlanShape) -> slice:
    found = _RANGE.fullmatch(word)
    first_bar, first_beat, last_bar, last_beat = found.groups() if found else (None,) * 4
    if last_bar is None:
        last_bar, last_beat = first_bar, first_beat
    first = (int(first_bar or 0) - 1) * shape.beats + int(first_beat or 1) - 1
    last = (int(last_bar or 0) - 1) * shape.beats + int(last_beat or shape.beats) - 1
    beats = (int(beat) for beat in (first_beat, last_beat) if beat is not None)
    if any(not 1 <= beat <= shape.beats for beat in beats):
        raise UserError(f"--free: {word}: beats are numbered from 1 to {shape.beats}")
    if last < first:
        raise UserError(f"--free: {word} ends before it begins")
    if not 0 <= first <= last < shape.bars * shape.beats:
        raise UserError(f"--free: {word}: bars are numbered from 1 to {shape.bars}")
    return slice(first, last + 1)


def _ranges(row: list[bool], beats: int) -> str:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8))).reshape(-1, 2)
    return " ".join(_range(int(first), int(stop), beats) for first, stop in edges)


def _range(first: int, stop: int, beats: int) -> str:
    if first % beats == 0 and stop % beats == 0:
        bars = first // beats + 1, stop // beats
        return f"{bars[0]}" if bars[0] == bars[1] else f"{bars[0]}-{bars[1]}"
    begin, end = (f"{beat // beats + 1}.{beat % beats + 1}" for beat in (first, stop - 1))
    return begin if begin == end else f"{begin}-{end}"
