"""Show generated phrases next to their nearest training phrases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.judging.copying import Nearest
from bgmusic.music.pictures.raster import used_rows
from bgmusic.music.report.phrase_figure import PhraseFigure, PhraseSounds, make_figure
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.roll import Roll


@dataclass(frozen=True)
class NearestPair:
    """Figures of a generated phrase and its nearest training phrase, with the share of notes in common."""

    share: float
    generated: PhraseFigure
    training: PhraseFigure


def nearest_pairs(
    samples: Phrases, near: Nearest, corpus: Corpus, numbers: NDArray[np.int64], sounds: PhraseSounds, count: int
) -> list[NearestPair]:
    """Return the samples with the most notes in common with a training phrase, sorted by share, largest first.

    Training phrases are transposed to the key of the sample.

    Args:
        samples: generated phrases.
        near: the nearest training phrase of each sample.
        corpus: holds the training phrases.
        numbers: numbers in the corpus of the phrases that ``near`` indexes.
        sounds: renders the sound.
        count: number of pairs, at most; samples without a common note are left out.

    """
    pairs = []
    for place in near.share.argsort(descending=True, stable=True)[:count].tolist():
        share, shift = float(near.share[place]), int(near.shift[place])
        if share <= 0:
            break
        number = int(numbers[int(near.index[place])])
        generated, training = samples.roll(place), transpose(corpus.roll(number), -shift)
        info = corpus.info(number)
        origin = f"{info.source[:100]}, from bar {info.bar + 1}"
        if shift:
            origin += f", transposed by {-shift:+d} semitones"
        rows = used_rows([generated, training])
        pairs.append(
            NearestPair(
                share,
                make_figure(generated, f"Generated phrase {place + 1}", rows=rows, sounds=sounds),
                make_figure(training, "Nearest training phrase", origin, rows=rows, sounds=sounds),
            )
        )
    return pairs


def transpose(roll: Roll, semitones: int) -> Roll:
    """Transpose a roll up; notes that leave the pitch range are lost, and drums are not transposed."""

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
