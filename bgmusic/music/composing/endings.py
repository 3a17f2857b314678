"""Endings: the last bar of a piece holds the tonic chord of its key, after the dominant.

The key and the tracks that play are those of the bars before, so an ending is decided when these are composed. What a
plan says of the last bar stays.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.keys import key_of, pitch_classes
from bgmusic.music.plans.chord_kinds import INTERVALS
from bgmusic.music.plans.chord_names import bits_of
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import Bits, Plans
from bgmusic.music.plans.shape import CLASSES
from bgmusic.music.rolls.shape import RollShape

_MAJOR, _MINOR = "", "m"
_RELATIVE, _DOMINANT = 9, 7  # semitones from a major tonic up to its relative minor's; from a tonic to the dominant


def require_ending(bars: int, shape: RollShape) -> None:
    """Check that something is composed before the last phrase, so that an ending can follow from it.

    Raises:
        UserError: the piece is no longer than a phrase.

    """
    if bars <= shape.bars:
        raise UserError(f"an ending needs {shape.bars + 1} bars or more: it follows from the phrase before")


def with_ending(plans: Plans, rolls: Tensor, start: int, heard: int, last: int, shape: RollShape) -> Plans:
    """Return plans of a window that ends a piece.

    Args:
        plans: of the window, as many as pieces.
        rolls: boolean ``(batch, channels, bars, steps, pitches)``, of the whole pieces.
        start: the window's first bar.
        heard: number of bars at the beginning of the pieces that are composed, 1 or more.
        last: number of the pieces' last bar; it is in the window, and not composed.
        shape: of the phrases.

    """
    music = rolls[:, :, :heard]
    tonics, minor = _keys(plans, music, shape)
    arrays = {name: values.copy() for name, values in plans.arrays().items()}
    bar, beats = last - start, shape.beats
    harmony, known = arrays["harmony"], arrays["harmony_known"]
    ending, before = slice(bar * beats, (bar + 1) * beats), bar * beats - 1
    for piece in np.flatnonzero(~known[:, ending].any(1)).tolist():
        tonic = int(tonics[piece])
        harmony[piece, ending] = _triad(tonic, _MINOR if minor[piece] else _MAJOR)
        known[piece, ending] = True
        if last > heard and not known[piece, before]:
            harmony[piece, before], known[piece, before] = _triad(tonic + _DOMINANT, _MAJOR), True
    # Tracks that have just played strike once.
    playing = extract_channels(music[:, :, -1:].numpy(), shape).instruments[:, :, 0]
    said = arrays["activity_known"][:, :, bar] | arrays["instruments_known"][:, :, bar]
    ends = playing & ~said
    for name in ("instruments", "instruments_known", "activity_known"):
        arrays[name][:, :, bar] |= ends
    arrays["activity"][:, :, bar, 0] |= ends
    return Plans(plans.shape, **arrays)


def faults(plans: Plans, made: Tensor, bar: int, shape: RollShape) -> Tensor:
    """Return how many tracks do not end as planned: int64 ``(batch,)``.

    A track that is to strike once holds notes of the planned chord for the whole bar; drums strike at its beginning
    alone.

    Args:
        plans: of the phrases, see :func:`with_ending`.
        made: booleans ``(batch, channels, bars, steps, pitches)``.
        bar: number of the last bar.
        shape: of the phrases.

    """
    tracks, drums = len(shape.track_set), torch.tensor(shape.drums)
    cells, onsets = made[:, :tracks, bar], made[:, -tracks:, bar]
    first, later = cells[:, :, :1], cells[:, :, 1:]
    held = (later == first).all((2, 3))
    if shape.planes > 1:
        held &= ~onsets[:, :, 1:].any((2, 3))
    chord = torch.from_numpy(plans.harmony[:, bar * shape.beats, :CLASSES].copy())
    rows = chord[:, (torch.arange(shape.pitches) + shape.track_set.low) % CLASSES]
    inside = ~(first[:, :, 0] & ~rows[:, None]).any(2)
    right = torch.where(drums, ~later.any((2, 3)), held & inside) & first.any((2, 3))
    levels, known = plans.activity[:, :, bar].sum(-1), plans.activity_known[:, :, bar]
    once = torch.from_numpy((levels == 1) & known & plans.instruments[:, :, bar])
    return (once & ~right).sum(1)


def _keys(plans: Plans, music: Tensor, shape: RollShape) -> tuple[NDArray[np.int64], Bits]:
    """Return the tonics of pieces, and whether their keys are minor: those that plans say, else those heard."""
    scales = key_of(pitch_classes(to_draft(music, shape).cells, shape)).numpy()
    chords = extract_channels(music.numpy(), shape).harmony
    relative = (scales + _RELATIVE) % CLASSES
    counts = [
        np.array([(found == _triad(tonic, kind)).all(1).sum() for found, tonic in zip(chords, roots, strict=True)])
        for roots, kind in ((scales, _MAJOR), (relative, _MINOR))
    ]
    minor = counts[1] > counts[0]
    tonics = np.where(minor, relative, scales)
    numbers, said = plans.key[:, 0].argmax(-1), plans.key_known[:, 0]
    return np.where(said, numbers % CLASSES, tonics), np.where(said, numbers >= CLASSES, minor)


def _triad(root: int, kind: str) -> Bits:
    """Return the bits of a triad in root position, boolean ``(24,)``; see :data:`.chord_kinds.INTERVALS`."""
    return bits_of({(root + interval) % CLASSES for interval in INTERVALS[kind]}, root % CLASSES)


def without_form_at(plans: Plans, bar: int) -> Plans:
    """Return plans that leave open which bar is repeated in ``bar``."""
    keep = np.ones_like(plans.form_known)
    keep[:, :, bar] = False
    return plans.hidden(form=keep)


def leading_bars(free: Tensor, beats: int) -> int:
    """Return how many bars at the beginning are composed in all tracks: of free units ``(batch, tracks, units)``."""
    open_bars = free.unflatten(2, (-1, beats)).any(3).any(1).any(0)
    return int(torch.cat([open_bars.long(), torch.ones(1, dtype=torch.int64)]).argmax())
