"""Statistics of phrases by family: rhythm, melody, counterpoint, harmony, texture, form.

``basic`` holds the statistics that training and the first mean distance use. The other modules measure order: what
follows what within a track, how two tracks move together, whole chords and their progressions, and the return of bars.
"""

from __future__ import annotations

import numpy as np
import torch

from bgmusic.music.judging.statistics.basic import mean_distance, statistics
from bgmusic.music.judging.statistics.chords import chords
from bgmusic.music.judging.statistics.counterpoint import counterpoint
from bgmusic.music.judging.statistics.drums import drums
from bgmusic.music.judging.statistics.form import form
from bgmusic.music.judging.statistics.melody import melody
from bgmusic.music.judging.statistics.progressions import progressions
from bgmusic.music.judging.statistics.rhythm import rhythm
from bgmusic.music.judging.statistics.statistic import FAMILIES, Example, Statistic, merge
from bgmusic.music.judging.statistics.texture import texture
from bgmusic.music.judging.statistics.tonality import tonality
from bgmusic.music.judging.statistics.view import PhraseView, metre_groups
from bgmusic.music.rolls.phrases import Phrases

__all__ = ["FAMILIES", "Example", "Statistic", "all_statistics", "mean_distance", "order_statistics", "statistics"]

_CELLS = 1 << 22  # of a batch of phrases: 4 MiB for each of its boolean arrays


def all_statistics(phrases: Phrases) -> tuple[Statistic, ...]:
    """Return the basic statistics of phrases and those of order, in a fixed order."""
    return (*statistics(phrases), *order_statistics(phrases))


def order_statistics(phrases: Phrases, cells: int = _CELLS) -> tuple[Statistic, ...]:
    """Return the statistics of order, in a fixed order.

    Phrases of one track set and shape have the same statistics and parts. Phrases are read in batches, so that memory
    does not grow with their number.

    Args:
        phrases: at least one phrase.
        cells: most cells of a batch.

    """
    size = max(1, cells // int(np.prod(phrases.cells.shape[1:])))
    numbers = [group[start : start + size] for group in metre_groups(phrases) for start in range(0, len(group), size)]
    batches = [_of_one_metre(phrases[chosen]) for chosen in numbers]
    return merge(batches, [torch.from_numpy(chosen) for chosen in numbers])


def _of_one_metre(phrases: Phrases) -> list[Statistic]:
    view = PhraseView(phrases)
    families = [rhythm, drums, texture, form]
    if len(view.pitched):
        families += [melody, counterpoint, chords, progressions, tonality]
    return [statistic for family in families for statistic in family(view)]
