"""Extract plans from music."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.plans.harmony import recognize
from bgmusic.music.plans.plan import PARTS, Bits, Plan, Plans
from bgmusic.music.plans.shape import HARMONY, LEVELS, PlanShape
from bgmusic.music.rolls.checks import kind_of, require_boolean
from bgmusic.music.rolls.encodings import note_begins
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import TrackSet

_CHUNK = 512  # phrases at a time, to bound the memory


def extract(roll: Roll) -> Plan:
    """Extract the plan of a roll; everything in it is known.

    Raises:
        TypeError: it is no roll.
        UserError: the roll has too many bars.

    """
    if not isinstance(roll, Roll):
        raise TypeError(f"a plan is extracted from a Roll, not {kind_of(roll)}")
    onsets = None if roll.onsets is None else roll.onsets[None]
    return _extract(roll.cells[None], onsets, roll.track_set, roll.resolution).plan(0)


def extract_batch(phrases: Phrases) -> Plans:
    """Extract the plans of phrases; everything in them is known.

    Rules, for each bar and track:

    - form: bars are equal if all their cells and onsets are.
    - instruments: a track plays in a bar if a cell of it is on, also of a note that began before.
    - activity: the number of steps at which the track begins notes; notes that begin together count once, and a note
      that goes on from the bar before does not.
    - harmony: the chord of each beat, over all tracks but drums, see :mod:`bgmusic.music.plans.harmony`.

    Raises:
        TypeError: they are no phrases.
        UserError: the phrases have too many bars.

    """
    if not isinstance(phrases, Phrases):
        raise TypeError(f"plans are extracted from Phrases, not {kind_of(phrases)}")
    return _extract(phrases.cells, phrases.onsets, phrases.track_set, phrases.resolution)


def extract_channels(channels: Bits, shape: RollShape) -> Plans:
    """Extract the plans of phrases as networks see them.

    Args:
        channels: boolean ``(batch, channels, bars, steps, pitches)``, as ``Roll.channels``; any number of bars.
        shape: the shape of the phrases.

    Raises:
        TypeError: ``channels`` is not boolean.
        UserError: it has another shape.

    """
    require_boolean("channels", channels)
    wanted = (shape.channels, shape.steps, shape.pitches)
    if channels.ndim != 5 or (channels.shape[1], *channels.shape[3:]) != wanted or min(channels.shape[1:]) < 1:
        raise UserError(
            f"channels need shape (batch, {shape.channels}, bars, {shape.steps}, {shape.pitches}), not {channels.shape}"
        )
    tracks = len(shape.track_set)
    onsets = channels[:, tracks:] if shape.encoding == "onset" else None
    return _extract(channels[:, :tracks], onsets, shape.track_set, shape.resolution)


def _extract(cells: Bits, onsets: Bits | None, tracks: TrackSet, resolution: int) -> Plans:
    _, _, bars, steps, _ = cells.shape
    unit = math.gcd(steps, resolution)
    names = tuple(track.name for track in tracks.tracks)
    shape = PlanShape(names, tuple(track.is_drum for track in tracks.tracks), bars, steps // unit)
    parts = [
        _parts(cells[start : start + _CHUNK], None if onsets is None else onsets[start : start + _CHUNK], tracks, unit)
        for start in range(0, len(cells), _CHUNK)
    ]
    arrays = {name: np.zeros((len(cells), *size), np.bool_) for name, size in shape.arrays.items()}
    for name in PARTS:
        arrays[f"{name}_known"][:] = True
        if parts:
            arrays[name] = np.concatenate([part[name] for part in parts])
    return Plans(shape, **arrays)


def _parts(cells: Bits, onsets: Bits | None, tracks: TrackSet, unit: int) -> dict[str, Bits]:
    batch, _, bars, steps, pitches = cells.shape
    begins = note_begins(cells, None, tracks.drums) if onsets is None else onsets
    on = cells | begins
    pitched = ~tracks.drums
    sounding = on[:, pitched].any(1) if pitched.any() else np.zeros((batch, bars, steps, pitches), np.bool_)
    harmony = recognize(sounding.reshape(batch, -1, unit, pitches), tracks.low).reshape(batch, bars, -1, HARMONY)
    first = _first_equal(on, begins)
    if pitched.any():
        # Recognition hears a bar in its context; bars that are equal in all pitched tracks have one harmony.
        of_all = first[:, pitched]
        same = (of_all == of_all[:, :1]).all(1)
        harmony = harmony[np.arange(batch)[:, None], np.where(same, of_all[:, 0], np.arange(bars))]
    return {
        "form": first[..., None] == np.arange(bars),
        "instruments": on.any((3, 4)),
        "harmony": harmony.reshape(batch, -1, HARMONY),
        "activity": begins.any(-1).sum(-1)[..., None] >= np.array(LEVELS),
    }


def _first_equal(cells: Bits, onsets: Bits) -> NDArray[np.int64]:
    """Return for each bar the number of the first that is equal to it: ``(batch, tracks, bars)``."""
    packed = np.concatenate([np.packbits(plane.reshape(*plane.shape[:3], -1), -1) for plane in (cells, onsets)], -1)
    bars = packed.shape[2]
    first = np.full(packed.shape[:3], bars, np.int64)
    for bar in range(bars):
        new = first[:, :, bar] == bars
        same = (packed[:, :, bar:] == packed[:, :, bar : bar + 1]).all(-1) & new[..., None]
        first[:, :, bar:] = np.where(same, bar, first[:, :, bar:])
    return first
