"""Divide the notes of a staff into voices of chords, bar by bar.

A staff has at most two voices, as engraved music has. Where more than two lines overlap, they become one voice of
chords: a note is cut wherever another begins or ends, and its pieces are tied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise


@dataclass(frozen=True)
class Tone:
    """A note, or a piece of one. ``onset`` and ``stop`` are in steps.

    Attributes:
        onset: the step at which it begins.
        stop: the step at which it ends.
        pitch: MIDI pitch.
        continues: whether it is tied to the piece before.
        goes_on: whether it is tied to the next piece.

    """

    onset: int
    stop: int
    pitch: int
    continues: bool = False
    goes_on: bool = False

    def cut(self, onset: int, stop: int) -> Tone:
        """Return the piece from ``onset`` to ``stop``, tied to what it was cut from."""
        return replace(
            self,
            onset=onset,
            stop=stop,
            continues=self.continues or onset > self.onset,
            goes_on=self.goes_on or stop < self.stop,
        )


Chord = tuple[Tone, ...]
"""Tones of one onset and one stop, lowest first."""
Voice = list[Chord]


def cut_at_bars(tones: Iterable[Tone], bars: int, steps: int) -> list[list[Tone]]:
    """Cut tones at the bar lines, and return those of each bar."""
    found: list[list[Tone]] = [[] for _ in range(bars)]
    for tone in tones:
        for bar in range(tone.onset // steps, (tone.stop - 1) // steps + 1):
            found[bar].append(tone.cut(max(tone.onset, bar * steps), min(tone.stop, (bar + 1) * steps)))
    return found


def voices_of(tones: Sequence[Tone], single: bool = False) -> list[Voice]:
    """Divide tones into voices.

    Args:
        tones: those of one staff and one bar.
        single: make one voice of all.

    Returns:
        One voice, or an upper and a lower one.

    """
    if single:
        return [sliced(tones)]
    upper: Voice = []
    lower: Voice = []
    for group in _connected(tones):
        divided = _two_voices(group)
        if divided is None:
            upper += sliced(group)
        else:
            upper += divided[0]
            lower += divided[1]
    return [upper, lower] if lower else [upper]


def sliced(tones: Sequence[Tone]) -> Voice:
    """Return one voice of tones that may overlap, cut wherever one of them begins or ends."""
    places = sorted({place for tone in tones for place in (tone.onset, tone.stop)})
    voice: Voice = []
    waiting = sorted(tones, key=lambda tone: tone.onset, reverse=True)
    sounding: list[Tone] = []
    for start, stop in pairwise(places):
        while waiting and waiting[-1].onset <= start:
            sounding.append(waiting.pop())
        sounding = [tone for tone in sounding if tone.stop > start]
        if sounding:
            pieces = (tone.cut(start, stop) for tone in sounding)
            voice.append(tuple(sorted(pieces, key=lambda tone: tone.pitch)))
    return voice


def _connected(tones: Sequence[Tone]) -> list[list[Tone]]:
    """Group tones so that no two of different groups overlap, in the order of time."""
    groups: list[list[Tone]] = []
    end = -1
    for tone in sorted(tones, key=lambda tone: (tone.onset, tone.stop)):
        if tone.onset >= end:
            groups.append([])
        groups[-1].append(tone)
        end = max(end, tone.stop)
    return groups


def _two_voices(tones: Sequence[Tone]) -> tuple[Voice, Voice] | None:
    """Divide connected tones into an upper and a lower voice; None if they need more."""
    ordered = sorted(tones, key=lambda tone: (tone.onset, tone.stop, tone.pitch))
    voices: tuple[Voice, Voice] = ([], [])
    for (onset, _), members in groupby(ordered, key=lambda tone: (tone.onset, tone.stop)):
        free = next((voice for voice in voices if not voice or voice[-1][0].stop <= onset), None)
        if free is None:
            return None
        free.append(tuple(members))
    if not voices[1] or _height(voices[0]) >= _height(voices[1]):
        return voices
    return voices[1], voices[0]


def _height(voice: Voice) -> float:
    """Return the mean pitch of a voice, weighted by duration."""
    weights = [(tone.pitch, tone.stop - tone.onset) for chord in voice for tone in chord]
    return sum(pitch * weight for pitch, weight in weights) / sum(weight for _, weight in weights)
