"""Read and write batches of phrases as npz files.

The file holds ``rolls``, boolean ``(phrases, tracks, bars, steps, pitches)``; with the lossless encoding ``onsets`` of
the same shape; and ``meta``, a JSON object with the keys "track_set", "resolution", "encoding", and any others. Among
them may be "metre" (numerator and denominator) or "metres" (one for each phrase), and "bpm" (one tempo) or "tempos" (a
tempo map for each phrase); files without them still load.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.files import read_npz, write_npz
from bgmusic.music.rolls.checks import MAX_RESOLUTION
from bgmusic.music.rolls.encodings import ENCODINGS
from bgmusic.music.rolls.metre import require_bar
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tempo import require_tempos
from bgmusic.music.rolls.tracks import TrackSet

_MAX_META = 1 << 20  # characters of JSON in an npz


def write_phrases(phrases: Phrases, path: str | Path, **about: Any) -> None:
    """Write phrases to an npz file, atomically.

    Args:
        phrases: the batch. ``pieces`` are not kept.
        path: the file.
        about: further values for the file's ``meta``, such as ``seed=1``.

    Raises:
        OSError: the file cannot be written.

    """
    meta = {"track_set": phrases.track_set.to_dict(), "resolution": phrases.resolution, "encoding": phrases.encoding}
    meta |= about | _timing(phrases)
    arrays: dict[str, Any] = {"rolls": phrases.cells, "meta": np.array(json.dumps(meta))}
    if phrases.onsets is not None:
        arrays["onsets"] = phrases.onsets
    write_npz(path, arrays)


def read_phrases(path: str | Path, limit: int = 1 << 30) -> tuple[Phrases, dict[str, Any]]:
    """Read phrases and their ``meta`` from an npz file that ``write_phrases`` wrote.

    The file is untrusted input: nothing in it is unpickled, and sizes are checked before arrays are read.

    Args:
        path: the file.
        limit: the largest size in memory, in bytes.

    Raises:
        UserError: the file is damaged, too large, or of another kind.
        OSError: the file cannot be read.

    """
    arrays = read_npz(path, ["rolls", "meta"], limit)
    try:
        text = str(arrays["meta"][()])
        meta: dict[str, Any] = json.loads(text) if len(text) <= _MAX_META else {}
        resolution, encoding = meta["resolution"], meta["encoding"]
        if not (type(resolution) is int and 1 <= resolution <= MAX_RESOLUTION) or encoding not in ENCODINGS:
            raise ValueError
        track_set = TrackSet.from_dict(meta["track_set"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise UserError(f"{path}: no valid track_set, resolution and encoding in its meta") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    planes = [arrays["rolls"]] + ([read_npz(path, ["onsets"], limit)["onsets"]] if encoding == "onset" else [])
    if not all(plane.dtype.kind in "bu" and plane.size and plane.max() <= 1 for plane in planes):
        raise UserError(f"{path}: rolls and onsets must hold zeros and ones, and at least one phrase")
    cells, *onsets = (plane.astype(np.bool_) for plane in planes)
    try:
        phrases = Phrases(track_set, resolution, cells, onsets[0] if onsets else None)
        return _timed(phrases, meta), meta
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _timing(phrases: Phrases) -> dict[str, Any]:
    """Return the metre and tempos as values for ``meta``: one for all phrases where they are equal."""
    values: dict[str, Any] = {}
    if phrases.metres is not None:
        metres = phrases.metres.tolist()
        values |= {"metre": metres[0]} if all(one == metres[0] for one in metres) else {"metres": metres}
    if phrases.tempos is not None:
        first = phrases.tempos[0]
        same = len(first) == 1 and all(one == first for one in phrases.tempos)
        values |= {"bpm": first[0][1]} if same else {"tempos": phrases.tempos}
    return values


def _timed(phrases: Phrases, meta: dict[str, Any]) -> Phrases:
    """Return the phrases with the metre and tempos of an untrusted ``meta``."""
    count, steps = len(phrases), phrases.cells.shape[3]
    metres: list[Any] = meta.get("metres") or ([meta["metre"]] * count if meta.get("metre") else [])
    maps: list[Any] = meta.get("tempos") or ([((0, meta["bpm"]),)] * count if meta.get("bpm") else [])
    try:
        pairs = [require_bar(tuple(metre), phrases.resolution, steps) for metre in metres]
        return replace(
            phrases,
            metres=np.array(pairs, dtype=np.int32) if pairs else None,
            tempos=tuple(require_tempos(tempos) for tempos in maps) or None,
        )
    except TypeError as error:
        raise UserError(f"its meta is damaged: {error}") from None


def save_roll(path: str | Path, roll: Roll, bpm: float | None = None, **about: Any) -> None:
    """Write a roll to an npz file as a batch of one; see ``write_phrases``. ``bpm`` replaces its tempos."""
    write_phrases(stack_rolls([roll.at_tempo(bpm)]), path, **about)
