"""Judge drafts by their pitch classes: how many there are, and in how many beats each sounds.

Drafts have more pitch classes than music, since some have a stray note: one that sounds once and belongs to no chord or
scale around it. In music a note outside the scale mostly comes again. Critics see a few bars at a time, and cannot
count. So weights are learnt, as those of rare events are, by maximum likelihood from what is composed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.music.networks.causal.critic_features import fold_rows
from bgmusic.music.networks.causal.particles import Judge
from bgmusic.music.rolls.shape import RollShape

CLASSES = 12
BEATS = 8  # in which a class sounds; more of them weigh nothing


class ClassWeights(nn.Module):
    """Weights of the pitch classes of phrases."""

    def __init__(self) -> None:
        super().__init__()
        self.entering = nn.Parameter(torch.zeros(CLASSES))  # of the first, second, ... class that sounds
        self.beats = nn.Parameter(torch.zeros(BEATS))  # of the first, second, ... beat in which a class sounds

    def forward(self, sounding: Tensor) -> Tensor:
        """Return what phrases gain, ``(batch,)``, by the classes that sound: see :func:`sounding_classes`."""
        before, gained = torch.zeros_like(sounding[:, 0], dtype=torch.int64), []
        for beat in sounding.unbind(1):
            gained.append(self.of_beat(before, beat))
            before = before + beat
        return torch.stack(gained).sum(0)

    def of_beat(self, before: Tensor, sounding: Tensor) -> Tensor:
        """Return what a beat adds: ``(batch,)``.

        Args:
            before: in how many beats each class has sounded, int64 ``(batch, 12)``.
            sounding: classes that sound in this one, boolean ``(batch, 12)``.

        """
        after = before + sounding
        total = F.pad(self.entering.float().cumsum(0), (1, 0))
        entered = total[(after > 0).sum(1)] - total[(before > 0).sum(1)]
        of_class = F.pad(self.beats.float(), (1, 1))[after.clamp(max=BEATS + 1)]
        gained: Tensor = entered + (of_class * sounding).sum(1)
        return gained


class Classes(nn.Module):
    """Weights for phrases of which nothing is known in advance, and for all others, as there are two critics."""

    def __init__(self) -> None:
        super().__init__()
        self.blank, self.known = ClassWeights(), ClassWeights()

    def of(self, blank: Tensor) -> ClassWeights:
        """Return the weights for phrases that are composed together, see :meth:`.critics.Critics.of`."""
        return self.blank if bool(blank.all()) else self.known


class JudgedClasses:
    """Judge drafts as another judge does, and by their pitch classes, beat by beat.

    Args:
        judge: the other one.
        weights: of the classes.
        shape: of the phrases.
        drafts: number of all drafts.

    """

    def __init__(self, judge: Judge, weights: ClassWeights, shape: RollShape, drafts: int) -> None:
        self._judge, self._weights, self._shape = judge, weights, shape
        self._before = torch.zeros(drafts, CLASSES, dtype=torch.int64, device=weights.entering.device)
        self._gained = torch.zeros(drafts, device=weights.entering.device)

    def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
        """Return the logits of the drafts with a further beat, see :class:`Judge`."""
        sounding = sounding_classes(cells, self._shape)[:, 0]
        self._gained = self._gained + self._weights.of_beat(self._before, sounding)
        self._before = self._before + sounding
        return self._judge(cells, starts) + self._gained

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places."""
        self._judge.replace(places, rows)
        self._before, self._gained = (
            values.index_copy(0, places, values.index_select(0, rows)) for values in (self._before, self._gained)
        )


def sounding_classes(cells: Tensor, shape: RollShape) -> Tensor:
    """Return the pitch classes that sound in each beat, without drums: boolean ``(batch, beats, 12)``.

    Args:
        cells: notes, boolean ``(batch, steps, tracks, rows)``, in any key.
        shape: of the phrases.

    """
    pitched = [track for track, drums in enumerate(shape.drums) if not drums]
    return fold_rows(cells[:, :, pitched].any(2).unflatten(1, (-1, shape.unit)).any(2))
