"""How a network divides a roll: its time into beats and parts of beats, its pitches into octaves.

BinaryMuseGAN's networks go from one number a bar to 96 steps in factors of 4 (beats), 4 and 6 (together a beat's
24 steps), and to 84 pitches over 3 and 7 octaves of 12. The same rule, for any roll:

- time: beats a bar; then a beat's steps as two factors, as equal as they can be, the smaller first;
- pitch: octaves of 12 rows, the last one cut off where the rows end; half of them (rounded down) at first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bgmusic.music.rolls.shape import RollShape

OCTAVE = 12


@dataclass(frozen=True)
class Plan:
    """Sizes that follow from a :class:`RollShape`.

    Attributes:
        tracks: convolution groups.
        planes: 2 with the onset plane of the lossless encoding, else 1.
        bars, steps, pitches: of a roll.
        low: MIDI pitch of the first row.
        drums: whether each track is drums.
        beats, parts, ticks: factors of ``steps``: ``beats * parts * ticks == steps``.
        octaves: rows of the pitch grid in twelves, rounded up.
        regions: pitch cells above the octaves.
        region_kernel: kernel that leads from regions to octaves with a stride of 2.

    """

    tracks: int
    planes: int
    bars: int
    steps: int
    pitches: int
    low: int
    drums: tuple[bool, ...]
    beats: int
    parts: int
    ticks: int
    octaves: int
    regions: int
    region_kernel: int

    @property
    def channels(self) -> int:
        """Of a roll as networks see it: cells of all tracks, then their onsets."""
        return self.planes * self.tracks

    @property
    def rows(self) -> int:
        """Pitch rows in whole octaves."""
        return self.octaves * OCTAVE

    @property
    def bar_kernel(self) -> int:
        """Bars that G's first and D's last convolution join."""
        return min(2, self.bars)

    @property
    def bar_seeds(self) -> int:
        """Cells in time that G begins with."""
        return self.bars - self.bar_kernel + 1

    @staticmethod
    def of(shape: RollShape) -> Plan:
        """The plan of a roll shape."""
        # A bar that is no whole number of beats (7/8, say) is divided into the longest part of a beat that fits.
        beat = math.gcd(shape.steps, shape.resolution)
        parts = max(divisor for divisor in range(1, math.isqrt(beat) + 1) if beat % divisor == 0)
        octaves = -(-shape.track_set.pitches // OCTAVE)
        regions = max(1, octaves // 2)
        return Plan(
            tracks=len(shape.track_set),
            planes=2 if shape.encoding == "onset" else 1,
            bars=shape.bars,
            steps=shape.steps,
            pitches=shape.track_set.pitches,
            low=shape.track_set.low,
            drums=tuple(track.is_drum for track in shape.track_set.tracks),
            beats=shape.steps // beat,
            parts=parts,
            ticks=beat // parts,
            octaves=octaves,
            regions=regions,
            region_kernel=octaves - 2 * (regions - 1),
        )
