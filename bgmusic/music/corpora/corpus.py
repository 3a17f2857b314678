"""A corpus of phrases: a map-style PyTorch dataset over a packed corpus, with its metadata and rolls.

PyTorch is imported on the first use of a tensor; rolls, metadata and the ``bgmusic data`` commands don't need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index as integer
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, cast

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import data_dir
from bgmusic.music.corpora.assemble import META
from bgmusic.music.corpora.packed import PackedCorpus, read_meta
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.split import Split
from bgmusic.music.corpora.summary import describe_corpus
from bgmusic.music.corpora.timing import check_timing, median_bpm, metre_of_bar, tempos_of
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tempo import DEFAULT_TEMPOS, TempoMap
from bgmusic.plurals import count_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset, Subset

    from bgmusic.music.corpora.loader import Loader


@dataclass(frozen=True)
class PhraseInfo:
    """The origin of a phrase.

    Attributes:
        source: name of the source file.
        bar: first bar in the piece, from 0.
        key: key of the piece, if known.
        split: split of the piece.
        bpm: tempo at the first step, in beats (quarter notes) per minute.
        metre: time signature of the bars, numerator and denominator.
        tempos: tempo map of the phrase, (step, beats per minute) from step 0.

    """

    source: str
    bar: int
    key: str | None
    split: Split
    bpm: float
    metre: tuple[int, int] | None = None
    tempos: TempoMap = DEFAULT_TEMPOS


class Corpus(PackedCorpus):
    """A corpus of phrases, usable as a map-style PyTorch dataset; open one by ``open_corpus``.

    ``corpus[i]`` is a float32 tensor (channels, bars, steps, pitches) of zeros and ones: the sustained cells of each
    track and, in the onset encoding, the onsets of each track. A ``torch.utils.data.DataLoader`` takes a corpus as it
    takes any map-style dataset. A corpus is pickled as its path, so worker processes map the same files. For random
    batches with transposition, ``loader`` is faster.

    Raises:
        UserError: the folder holds no corpus, or a damaged one; the text says which file, and how.

    """

    def __repr__(self) -> str:
        shape = self.settings.shape
        size = f"{count_of(len(self), 'phrase')} of {count_of(shape.bars, 'bar')}"
        text = f"{size}, {shape.track_set.name}, {count_of(shape.resolution, 'step')} per beat"
        return f"Corpus({str(self.path.name)!r}: {text})"

    def __reduce__(self) -> tuple[type[Corpus], tuple[Path]]:
        return type(self), (self.path.absolute(),)

    def __getitem__(self, index: SupportsIndex) -> Tensor:
        """Return phrase ``index`` as a float32 tensor; negative indices count from the end.

        Raises:
            IndexError: the index is out of range.
            TypeError: the index is not an integer.

        """
        import torch

        number = integer(index)
        if not -len(self) <= number < len(self):
            size = count_of(len(self), "phrase")
            raise IndexError(f"index {number} is out of range: corpus {self.path.name} has {size}")
        planes = self.planes(np.array([number % len(self)]))[:, 0]
        return torch.from_numpy(planes.reshape(-1, *planes.shape[2:])).float()

    def subset(self, split: Split) -> Subset[Tensor]:
        """Return the phrases of one split as a dataset of its own.

        Raises:
            UserError: the split is unknown or has no phrase.

        """
        from torch.utils.data import Subset

        indices = self.indices(split)
        if not len(indices):
            raise UserError(f"corpus {self.path.name} has no phrase in split {split}")
        # Corpus has the methods of a Dataset; deriving from it would import torch for every use of a corpus.
        return Subset(cast("Dataset[Tensor]", self), indices.tolist())

    def info(self, index: int) -> PhraseInfo:
        """Return the origin of phrase ``index``, with its metre and tempos.

        Raises:
            UserError: the index is not within 0 to ``len(corpus) - 1``.
            TypeError: the index is not an integer.

        """
        passage, bar = self.phrases[self._require(index)].tolist()
        piece, first = self.passages[passage, :2].tolist()
        record = self.pieces[piece]
        tempos = self._tempos(piece, first + bar)
        metre = metre_of_bar(record, first + bar, self.settings)
        return PhraseInfo(record["name"], first + bar, record.get("key"), record["split"], tempos[0][1], metre, tempos)

    def metres(self, numbers: NDArray[np.integer]) -> NDArray[np.int32] | None:
        """Return numerator and denominator of phrases: int32 ``(n, 2)``; None if their bars are of no metre."""
        if self.settings.metre is not None or self.settings.shape.metre is None:
            one = self.settings.shape.metre
            return None if one is None else np.tile(np.array(one, dtype=np.int32), (len(numbers), 1))
        return np.array([self.info(int(number)).metre for number in numbers], dtype=np.int32)

    def tempos(self, numbers: NDArray[np.integer]) -> tuple[TempoMap, ...]:
        """Return the tempo maps of phrases with these indices."""
        passage, bar = self.phrases[numbers].astype(np.int64).T
        pieces, firsts = self.passages[passage, :2].astype(np.int64).T
        return tuple(
            self._tempos(piece, first) for piece, first in zip(pieces.tolist(), (firsts + bar).tolist(), strict=True)
        )

    def _tempos(self, piece: int, bar: int) -> TempoMap:
        shape = self.settings.shape
        return tempos_of(self.pieces[piece], bar, shape.bars, shape.steps)

    @property
    def bpm(self) -> float | None:
        """The median tempo of the phrases; see ``timing.median_bpm``."""
        return median_bpm(self.pieces)

    def roll(self, index: int) -> Roll:
        """Return phrase ``index`` as a roll, in the encoding of the corpus, with its metre and tempos.

        Raises:
            UserError: the index is not within 0 to ``len(corpus) - 1``.
            TypeError: the index is not an integer.

        """
        cells, *onsets = self.planes(np.array([self._require(index)]))[:, 0]
        info = self.info(index)
        return Roll(self.track_set, self.resolution, cells, onsets[0] if onsets else None, info.metre, info.tempos)

    def _require(self, index: int) -> int:
        if not 0 <= integer(index) < len(self):
            raise UserError(f"corpus {self.path.name} has phrases 0 to {len(self) - 1}, no {index}")
        return integer(index)

    def loader(self, split: Split | None = None, **options: Any) -> Loader:
        """Return a loader of random batches of one split (None: of all phrases); see ``Loader`` for its options.

        Raises:
            UserError: the split has no phrase, or an option is out of range.

        """
        from bgmusic.music.corpora.loader import Loader

        return Loader(self, split, **options)

    def describe(self) -> list[str]:
        """Return a summary of the corpus, as lines of text.

        Raises:
            UserError: meta.json is damaged in a part that only the summary needs.

        """
        try:
            return [f"corpus: {self.path}", *describe_corpus(self.meta)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._damaged(f"{META}: {type(error).__name__}: {error}")


def open_corpus(name_or_folder: str | Path) -> Corpus:
    """Open an embedded corpus by its name (``bach``, ``freedoom``), or any corpus by its folder.

    Raises:
        UserError: there is no such corpus, or it is damaged; or the name fits both an embedded corpus and a folder.

    """
    embedded, own = embedded_corpora(), Path(name_or_folder)
    path = embedded.get(str(name_or_folder), own)
    if (own / META).is_file() and not path.samefile(own):
        raise UserError(
            f"{own.name!r} names two corpora: for yours give {own.resolve()}; for the embedded one rename yours, or "
            "work in another folder"
        )
    if not (path / META).is_file():
        known = f"give {', '.join(embedded)}, or a folder made by bgmusic data build"
        what = f"{own} is a file, no corpus" if own.is_file() else f"no corpus {str(name_or_folder)!r}"
        raise UserError(f"{what}: {known}")
    return Corpus(path)


def read_timing(name_or_folder: str, shape: RollShape) -> dict[str, Any]:
    """Read ``metre`` and ``bpm``, the median tempo, of a corpus from its meta.json alone.

    Args:
        name_or_folder: as ``open_corpus`` takes it.
        shape: the shape of phrases of the corpus; the metre of another length is left out.

    Raises:
        UserError: there is no such corpus, or its meta.json is damaged.

    """
    path = embedded_corpora().get(name_or_folder, Path(name_or_folder))
    meta = read_meta(path / META)
    try:
        settings = Settings.from_dict(meta["settings"])
        for piece in meta["pieces"]:
            check_timing(piece)
        bpm = median_bpm(meta["pieces"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"corpus {path} is damaged: {META}: {type(error).__name__}: {error}") from None
    same = (settings.shape.steps, settings.shape.resolution) == (shape.steps, shape.resolution)
    return {"bpm": bpm} | ({"metre": settings.shape.metre} if same else {})


def embedded_corpora() -> dict[str, Path]:
    """Return the corpora that come with bgmusic: name and folder of each."""
    return {path.name: path for path in find_corpora(data_dir())}


def find_corpora(folder: str | Path) -> list[Path]:
    """Return the corpora in a folder: the folder itself if it is one, and its direct subfolders."""
    folder = Path(folder)
    return sorted(path.parent for path in [*folder.glob(META), *folder.glob(f"*/{META}")])
