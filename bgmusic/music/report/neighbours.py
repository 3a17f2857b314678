"""Generated phrases beside the training phrases they are nearest to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.judging.copying import Nearest
from bgmusic.music.pictures.raster import used_rows
from bgmusic.music.report.shown import Shown, Sounds, show
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.roll import Roll


@dataclass(frozen=True)
class Pair:
    """A generated phrase and its nearest training phrase, with the share of notes in common."""

    share: float
    generated: Shown
    training: Shown


def closest(
    samples: Phrases, near: Nearest, corpus: Corpus, numbers: NDArray[np.int64], sounds: Sounds, count: int
) -> list[Pair]:
    """The ``count`` samples with the most notes in common with a training phrase, the closest first.

    ``near`` is of ``samples``, and its places are those of ``numbers``, phrases of the corpus. Training phrases are
    shown in the key in which they agree.
    """
    pairs = []
    for place in near.share.argsort(descending=True, stable=True)[:count].tolist():
        share, shift = float(near.share[place]), int(near.shift[place])
        if share <= 0:
            break
        number = int(numbers[int(near.index[place])])
        mine, theirs = samples.roll(place), transposed(corpus.roll(number), -shift)
        info = corpus.info(number)
        where = f"{info.source[:100]}, from bar {info.bar + 1}"
        if shift:
            where += f", transposed by {-shift:+d} semitones"
        rows = used_rows([mine, theirs])
        pairs.append(
            Pair(
                share,
                show(mine, f"Generated phrase {place + 1}", rows=rows, sounds=sounds),
                show(theirs, "Nearest training phrase", where, rows=rows, sounds=sounds),
            )
        )
    return pairs


def transposed(roll: Roll, semitones: int) -> Roll:
    """A roll transposed up; what leaves the grid is lost, and drums stay."""

    def moved(planes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        result = np.zeros_like(planes)
        pitches = planes.shape[-1]
        kept = slice(max(0, -semitones), pitches - max(0, semitones))
        to = slice(max(0, semitones), pitches - max(0, -semitones))
        result[..., to] = planes[..., kept]
        drums = [track.is_drum for track in roll.track_set.tracks]
        result[drums] = planes[drums]
        return result

    return replace(roll, cells=moved(roll.cells), onsets=None if roll.onsets is None else moved(roll.onsets))
