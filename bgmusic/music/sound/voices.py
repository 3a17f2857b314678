"""Allocate voices to notes: regions, lengths, exclusive classes and the limit of polyphony."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from bgmusic.music.sound.presets import Region, Soundfont
from bgmusic.music.sound.timing import TimedNotes
from bgmusic.music.sound.waveform import LONGEST, gain_of, length_of

POLYPHONY = 128  # simultaneous voices
CHOKE = 0.03  # seconds of the fade of a voice that is cut off


@dataclass
class Voice:
    """A region that plays for a note; times are in samples.

    Attributes:
        region: region that plays.
        key: MIDI key.
        gain: amplitude.
        onset: first sample.
        held: samples from the onset to the release.
        length: samples from the onset to the end.
        cut: samples from the onset to a fade-out, if another voice cuts this one off.

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
        """The sample after the last one."""
        return self.onset + self.length

    def cut_at(self, sample: int, rate: int) -> None:
        """Fade out at a sample, unless the voice ends before."""
        cut = max(sample - self.onset, 0)
        if self.cut is None or cut < self.cut:
            self.cut = cut
            self.length = min(self.length, cut + round(CHOKE * rate))


def allocate_voices(piece: TimedNotes, soundfont: Soundfont, rate: int) -> list[Voice]:
    """Return the voices of a piece in the order of their onsets.

    A note ends earlier notes of its exclusive class (a closed hi-hat ends an open one). Above 128 voices the one that
    would end first is cut off.
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
                # Classes belong to one preset. The regions of one note (left and right) do not end each other.
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
