"""Read phrases of a corpus as a batch of NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.rolls.phrases import Phrases


def corpus_phrases(corpus: Corpus, numbers: NDArray[np.int64]) -> Phrases:
    """Return the phrases with these numbers, in the corpus's encoding.

    Args:
        corpus: an open corpus.
        numbers: integers ``(n,)``, from 0 to ``len(corpus) - 1``; ``corpus.indices`` gives those of a split.

    Returns:
        A batch of ``n`` phrases with their pieces, metres and tempos.

    Raises:
        TypeError: ``numbers`` is not a 1-D integer array.
        UserError: it is empty, or a number is out of range.

    """
    if not isinstance(numbers, np.ndarray) or numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise TypeError("numbers must be a 1-D integer array")
    if not len(numbers) or int(numbers.min()) < 0 or int(numbers.max()) >= len(corpus):
        raise UserError(f"corpus {corpus.path.name} has phrases 0 to {len(corpus) - 1}; some of {numbers[:9]} are not")
    cells, *onsets = corpus.planes(numbers)
    return Phrases(
        corpus.track_set,
        corpus.resolution,
        cells,
        onsets[0] if onsets else None,
        corpus.pieces_of(numbers),
        corpus.metres(numbers),
        corpus.tempos(numbers),
    )
