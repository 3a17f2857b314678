"""Apply MIDI controllers to the loudness of notes: channel volume and expression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import Song, channel_ids

_VOLUME, _EXPRESSION, _RESET_CONTROLLERS = 7, 11, 121
_DEFAULTS = {_VOLUME: 100, _EXPRESSION: 127}  # General MIDI: values before the first event


def level_factors(song: Song) -> NDArray[np.float32]:
    """Return the amplitude factor of each note, float32 ``(notes,)``: its channel's volume and expression at its onset.

    The factor is 1 at the defaults of General MIDI, and grows with the square of a controller's value (40 dB per
    factor of ten). "Reset all controllers" restores expression, but not volume (RP-015).
    """
    factors = np.ones(len(song.notes), np.float32)
    channels = channel_ids(song)
    channel_of_note = channels[song.notes["part"]]
    for number, default in _DEFAULTS.items():
        numbers = (number, _RESET_CONTROLLERS) if number == _EXPRESSION else (number,)
        rows = song.controls[np.isin(song.controls["number"], numbers)]
        channel_of_row = channels[rows["part"]]
        for channel in np.unique(channel_of_row).tolist():
            own = rows[channel_of_row == channel]
            values = np.append(default, np.where(own["number"] == number, own["value"], default))
            indices = np.flatnonzero(channel_of_note == channel)
            row = np.searchsorted(own["tick"], song.notes["onset"][indices], side="right")
            factors[indices] *= np.square(values[row] / default, dtype=np.float32)
    return factors
