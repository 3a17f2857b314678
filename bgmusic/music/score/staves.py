"""Divide the tracks of a roll into parts and staves, and choose their clefs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import Track, TrackSet
from bgmusic.music.score.voices import Tone

VOICES = ("soprano", "alto", "tenor", "bass")
_MIDDLE_C = 60
_KEYBOARDS = (*range(24), 46)  # pianos, chromatic percussion, organs, accordions, and the harp
_SHARE = 10  # a keyboard needs two staves if each hand has at least one note in ten
_CLEFS = {"treble": (64, 77), "bass": (43, 57), "treble-8": (52, 65), "bass-8": (31, 45), "treble+8": (76, 89)}
_USUAL = ("treble", "bass")

ClefName = Literal["treble", "bass", "treble-8", "bass-8", "treble+8", "percussion"]


@dataclass(frozen=True)
class Staff:
    """One staff.

    Attributes:
        clef: its clef; ``-8`` and ``+8`` sound an octave lower and higher.
        lines: the tones of each track on it; the tones of a shared staff have one voice per track, the upper first.

    """

    clef: ClefName
    lines: tuple[tuple[Tone, ...], ...]


@dataclass(frozen=True)
class Part:
    """One part of the score: a player with one staff or two.

    Attributes:
        name: name of its track, or of the tracks that share its staff.
        track: the track whose instrument plays it.
        staves: one or two.

    """

    name: str
    track: Track
    staves: tuple[Staff, ...] = field(default=())

    @property
    def is_drum(self) -> bool:
        """Whether it is percussion."""
        return self.track.is_drum


def parts_of(roll: Roll) -> list[Part]:
    """Divide a roll into parts.

    The four voices of a choir share two staves: soprano and alto, tenor and bass. A keyboard with notes in both hands
    has two staves, divided at middle C. Any other track has one.
    """
    notes, tracks = roll.notes(), roll.track_set.tracks
    lines: list[list[Tone]] = [[] for _ in tracks]
    for track, onset, duration, pitch in notes.tolist():
        lines[track].append(Tone(onset, onset + duration, pitch))
    if is_choir(roll.track_set):
        by_name = {track.name.lower(): number for number, track in enumerate(tracks)}
        pairs = [(by_name[VOICES[0]], by_name[VOICES[1]]), (by_name[VOICES[2]], by_name[VOICES[3]])]
        clefs: tuple[ClefName, ClefName] = ("treble", "bass")
        return [
            Part(
                f"{tracks[upper].name} {tracks[lower].name}",
                tracks[upper],
                (Staff(clef, (tuple(lines[upper]), tuple(lines[lower]))),),
            )
            for (upper, lower), clef in zip(pairs, clefs, strict=True)
        ]
    return [Part(track.name, track, _staves(track, line)) for track, line in zip(tracks, lines, strict=True)]


def is_choir(tracks: TrackSet) -> bool:
    """Whether the tracks are the four voices of a choir, by their names."""
    return sorted(track.name.lower() for track in tracks.tracks) == sorted(VOICES) and not tracks.drums.any()


def _staves(track: Track, tones: Sequence[Tone]) -> tuple[Staff, ...]:
    if track.is_drum:
        return (Staff("percussion", (tuple(tones),)),)
    if track.program in _KEYBOARDS:
        right = tuple(tone for tone in tones if tone.pitch >= _MIDDLE_C)
        left = tuple(tone for tone in tones if tone.pitch < _MIDDLE_C)
        if min(len(right), len(left)) * _SHARE > len(tones):
            return Staff("treble", (right,)), Staff("bass", (left,))
    return (Staff(clef_of(tones), (tuple(tones),)),)


def clef_of(tones: Sequence[Tone]) -> ClefName:
    """Return the clef under which tones need the fewest ledger lines; the usual ones win close calls."""
    if not tones:
        return "treble"
    pitches = np.array([tone.pitch for tone in tones])
    costs: dict[ClefName, float] = {}
    for name, (low, high) in _CLEFS.items():
        outside = np.maximum(low - 3 - pitches, 0) + np.maximum(pitches - high - 3, 0)
        costs[name] = float(outside.mean()) + (name not in _USUAL)  # type: ignore[index]
    return min(costs, key=lambda name: costs[name])
