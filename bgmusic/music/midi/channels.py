"""Assign MIDI channels to the parts of a song.

A channel has one program and one set of controllers at a time. So parts share a channel only if their programs are
equal, and either they shared a channel before or none of them has controllers. A port has 15 channels for pitched
parts, and channel 10 for drums: one kit, or several that follow one another. Further channels are on further ports
(meta event 0x21).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.rhythm import BANK_SELECTS, CHANNELS, DRUM_CHANNEL
from bgmusic.music.midi.song import Song, Table, channel_ids

_PITCHED = [channel for channel in range(CHANNELS) if channel != DRUM_CHANNEL]
_MAX_PORTS = 128


@dataclass(frozen=True)
class Voice:
    """The notes of one part that have one program: a track of the file.

    Attributes:
        part: index of the part.
        program: program of all notes.
        is_drum: whether they are drums.
        channel: port * 16 + channel.
        source: the channel of the part in the song, see ``song.channel_ids``.

    """

    part: int
    program: int
    is_drum: bool
    channel: int
    source: int


def voices_of(song: Song) -> list[Voice]:
    """Return the voices of a song, sorted by part.

    Raises:
        UserError: they need more than 128 ports.

    """
    sources = channel_ids(song)
    keys = (song.notes["part"].astype(np.int64) * 2 + song.notes["is_drum"]) * 128 + song.notes["program"]
    found = [(key // 256, key % 128, bool(key // 128 % 2)) for key in np.unique(keys).tolist()]
    controlled = set(sources[np.unique(song.controls["part"])].tolist())

    in_turn = bool(kit_changes(song))

    def drum_kit(part: int, program: int) -> tuple[int, int]:
        source = int(sources[part])
        return -1 if in_turn else program, source if source in controlled else -1

    def instrument(part: int, program: int, merge: bool) -> tuple[int, int]:
        source = int(sources[part])
        return program, -1 if merge and source not in controlled else source

    pitched = [(part, program) for part, program, is_drum in found if not is_drum]
    # With more than 15 channels, parts of equal program are merged before a further port is used.
    merge = len({instrument(*one, False) for one in pitched}) > len(_PITCHED)
    kits = _numbered([drum_kit(part, program) for part, program, is_drum in found if is_drum])
    instruments = _numbered([instrument(*one, merge) for one in pitched])
    if max(len(kits), -(-len(instruments) // len(_PITCHED))) > _MAX_PORTS:
        raise UserError(f"{len(instruments)} instruments and {len(kits)} drum kits are too many for a MIDI file")
    voices = []
    for part, program, is_drum in found:
        if is_drum:
            channel = kits[drum_kit(part, program)] * CHANNELS + DRUM_CHANNEL
        else:
            port, index = divmod(instruments[instrument(part, program, merge)], len(_PITCHED))
            channel = port * CHANNELS + _PITCHED[index]
        voices.append(Voice(part, program, is_drum, channel, int(sources[part])))
    return voices


def kit_changes(song: Song) -> list[tuple[int, int]]:
    """Return tick and program of each drum kit that follows another, the first kit first.

    Empty if there is one kit, if two kits begin notes at one tick, or if the drums have banks, which a change of
    program would apply.
    """
    drums = song.notes[song.notes["is_drum"]]
    drums = drums[np.argsort(drums["onset"], kind="stable")]
    starts = np.flatnonzero(np.diff(drums["program"], prepend=-1))
    onset = drums["onset"]
    sources = channel_ids(song)
    banks = song.controls["part"][np.isin(song.controls["number"], BANK_SELECTS)]
    later = starts[1:]
    if not len(later) or (onset[later] == onset[later - 1]).any():
        return []
    if np.isin(sources[banks], sources[np.unique(drums["part"])]).any():
        return []
    return [(int(onset[start]), int(drums["program"][start])) for start in starts]


def controls_of(song: Song, voices: Sequence[Voice]) -> list[Table]:
    """Return the controllers to write in the track of each voice.

    The controllers of a channel stand in the track of their part if that is on the channel, else in its first track.
    """
    parts = song.controls["part"]
    sources = channel_ids(song)[parts]
    mates: dict[tuple[int, int], list[int]] = {}
    for voice in voices:
        mates.setdefault((voice.channel, voice.source), []).append(voice.part)
    result = []
    for voice in voices:
        on_channel = mates[voice.channel, voice.source]
        chosen = parts == voice.part
        if voice.part == on_channel[0]:
            chosen |= (sources == voice.source) & ~np.isin(parts, on_channel)
        result.append(song.controls[chosen])
    return result


def _numbered(keys: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Number distinct keys by their first occurrence."""
    return {key: number for number, key in enumerate(dict.fromkeys(keys))}
