"""Sizes of BinaryMuseGAN's layers for rolls of any shape.

The paper's networks go from one cell per bar to 96 steps in factors of 4 (beats), 4 and 6 (together the 24 steps of a
beat), and to 84 pitches over 3 and then 7 octaves of 12. The same rule for any roll:

- time: the beats of a bar, then a beat's steps as two factors, as equal as possible, the smaller one first;
- pitch: half the octaves (rounded down), then octaves of 12 rows, cut off where the rows end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bgmusic.music.rolls.shape import RollShape

OCTAVE = 12


@dataclass(frozen=True)
class MuseGANSizes:
    """Sizes of BinaryMuseGAN's layers.

    Attributes:
        shape: shape of the phrases.

    """

    shape: RollShape

    @property
    def tracks(self) -> int:
        """Convolution groups."""
        return len(self.shape.track_set)

    @property
    def parts(self) -> int:
        """First factor of a beat's steps: ``beats * parts * ticks`` is the number of steps of a bar."""
        unit = self.shape.unit
        return max(divisor for divisor in range(1, math.isqrt(unit) + 1) if unit % divisor == 0)

    @property
    def ticks(self) -> int:
        """Second factor of a beat's steps."""
        return self.shape.unit // self.parts

    @property
    def octaves(self) -> int:
        """Octaves of the pitch grid, rounded up."""
        return -(-self.shape.pitches // OCTAVE)

    @property
    def rows(self) -> int:
        """Pitch rows in whole octaves."""
        return self.octaves * OCTAVE

    @property
    def regions(self) -> int:
        """Pitch cells that unfold into octaves."""
        return max(1, self.octaves // 2)

    @property
    def region_kernel(self) -> int:
        """Kernel that leads from regions to octaves with a stride of 2."""
        return self.octaves - 2 * (self.regions - 1)

    @property
    def bar_kernel(self) -> int:
        """Bars that G's first and D's last convolution join."""
        return min(2, self.shape.bars)

    @property
    def bar_seeds(self) -> int:
        """Cells in time that G begins with."""
        return self.shape.bars - self.bar_kernel + 1
