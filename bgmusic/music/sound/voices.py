"""From notes to voices: what each note plays, when it ends, and what makes way when too many sound."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from bgmusic.music.sound.presets import Region, Soundfont
from bgmusic.music.sound.timing import Timed
from bgmusic.music.sound.voice import LONGEST, gain_of, length_of

POLYPHONY = 128  # voices at once; those that end first make way
CHOKE = 0.03  # seconds in which a sound fades that another cuts off


@dataclass
class Voice:
    """A region that plays for a note: from sample ``onset`` on, released after ``held``, over after ``length``.

    After ``cut`` samples another sound cuts it off (None: it dies by itself). ``gain`` is its level as a factor.
    """

    region: Region
    key: int
    gain: float
    onset: int
    held: int
    length: int
    cut: int | None = None

    @property
    def end(self) -> int:
        """The sample before which it is over."""
        return self.onset + self.length

    def cut_at(self, sample: int, rate: int) -> None:
        """End it soon after a sample, unless it ends earlier."""
        cut = max(sample - self.onset, 0)
        if self.cut is None or cut < self.cut:
            self.cut = cut
            self.length = min(self.length, cut + round(CHOKE * rate))


def voices_of(piece: Timed, soundfont: Soundfont, rate: int) -> list[Voice]:
    """The voices of a piece's notes in the order of their onsets.

    A hit of a drum's exclusive class ends the one before (an open hi-hat by a closed one). Of more than 128 voices
    the one that would end first makes way.
    """
    voices: list[Voice] = []
    classes: dict[tuple[int, int], list[Voice]] = {}
    sounding: list[tuple[int, int]] = []
    columns = (piece.notes[name].tolist() for name in ("pitch", "velocity", "program", "is_drum"))
    for onset, stop, level, pitch, velocity, program, is_drum in zip(
        piece.onset.tolist(), piece.stop.tolist(), piece.level.tolist(), *columns, strict=True
    ):
        begin = round(onset * rate)
        choked: dict[tuple[int, int], list[Voice]] = {}
        for region in soundfont.regions(program, is_drum, pitch, velocity):
            held = min(stop - onset, LONGEST)
            length = length_of(region, pitch, held, rate)
            voice = Voice(region, pitch, gain_of(region, velocity) * level, begin, round(held * rate), length)
            if region["exclusive_class"]:
                # Of one preset; the regions of one hit (left and right) don't end each other.
                choked.setdefault((128 if is_drum else program, region["exclusive_class"]), []).append(voice)
            while sounding and sounding[0][0] <= begin:
                heapq.heappop(sounding)
            if len(sounding) >= POLYPHONY:
                voices[heapq.heappop(sounding)[1]].cut_at(begin, rate)
            heapq.heappush(sounding, (voice.end, len(voices)))
            voices.append(voice)
        for key, now in choked.items():
            for earlier in classes.get(key, []):
                earlier.cut_at(begin, rate)
            classes[key] = now
    return voices
