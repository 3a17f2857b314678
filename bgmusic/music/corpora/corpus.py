"""A packed corpus, opened: its phrases as rolls, its index, and the way to its loader.

Everything read here may come from anyone: types, sizes and every number that points somewhere are checked
before use, and a damaged corpus ends in one clear error.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import data_dir
from bgmusic.music.corpora.assemble import FORMAT, META, VERSION
from bgmusic.music.corpora.report import describe_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.split import SPLITS, Split
from bgmusic.music.corpora.store import read_rows
from bgmusic.music.corpora.tiles import plane_bytes, plane_count
from bgmusic.music.midi.song import BPM_RANGE
from bgmusic.music.rolls.roll import Encoding, Roll
from bgmusic.music.rolls.tracks import TrackSet

if TYPE_CHECKING:
    from bgmusic.music.corpora.loader import Loader

MAX_META_BYTES = 1 << 30


@dataclass(frozen=True)
class PhraseInfo:
    """Where a phrase comes from: its ``source``, its first ``bar`` there (from 0), its ``key`` if known."""

    source: str
    bar: int
    key: str | None
    split: Split
    bpm: float


class Corpus:
    """The packed corpus in the folder ``path``; ``open_corpus`` also knows the embedded ones by name.

    ``phrases`` (n, 2): passage and bar within it; ``passages`` (n, 4): piece, its first bar, row in ``bars``,
    bars; ``bars`` (rows, tracks): the tile of each; ``ranges`` (tiles, 2): lowest and highest row lit; ``shards``:
    arrays (tiles, planes, plane_bytes) of packed bits, mapped into memory.

    Raises:
        UserError: it is no corpus, or damaged; which file, and how.

    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.meta = _read_meta(self.path / META)
        try:
            self._open(self.meta)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            self._damaged(f"{type(error).__name__}: {error}")
        except UserError as error:
            raise UserError(f"corpus {self.path}: {error}") from None
        self._check()

    def _open(self, meta: dict[str, Any]) -> None:
        self.settings = Settings.from_dict(meta["settings"])
        layout, tracks = meta["layout"], len(self.settings.track_set)
        suffix = ".npy.xz" if layout["compressed"] else ".npy"
        sizes = {name: layout[name] for name in ("tiles", "bars", "passages", "phrases")}
        sizes |= {shard["file"]: shard["tiles"] for shard in layout["shards"]}
        if not all(type(size) is int and 0 <= size < 1 << 32 for size in sizes.values()):
            self._damaged(f"{META} gives impossible sizes")
        self.passages = read_rows(self.path / f"passages{suffix}", "<u4", sizes["passages"], (4,))
        self.phrases = read_rows(self.path / f"phrases{suffix}", "<u4", sizes["phrases"], (2,))
        self.bars = read_rows(self.path / f"bars{suffix}", "<u4", sizes["bars"], (tracks,))
        self.ranges = read_rows(self.path / f"ranges{suffix}", "u1", sizes["tiles"], (2,))
        row = (plane_count(self.settings.encoding), plane_bytes(self.settings.steps, self.track_set.pitches))
        self.shards = []
        for number, shard in enumerate(layout["shards"]):
            if shard["file"] != f"bits-{number:05}{suffix}":  # a name must not lead out of the folder
                self._damaged(f"{META} names {str(shard['file'])[:80]!r} as a shard")
            self.shards.append(read_rows(self.path / shard["file"], "u1", shard["tiles"], row))
        self.pieces = [_record(piece) for piece in meta["pieces"]]

    def _check(self) -> None:
        """Every number that points at something must point inside it."""
        piece, _, row, length = self.passages.astype(np.int64).T
        if sum(len(shard) for shard in self.shards) != len(self.ranges) or not len(self.ranges):
            self._damaged("its shards have another number of tiles than ranges")
        if (piece >= len(self.pieces)).any() or (row + length > len(self.bars)).any():
            self._damaged("a passage points outside the pieces or the bars")
        if int(length.sum()) > len(self.bars):  # each would be gone through: billions within a few kilobytes
            self._damaged("its passages overlap")
        passage, bar = self.phrases.astype(np.int64).T
        inside = not len(passage) or int(passage.max()) < len(length)
        if not inside or (bar + self.settings.bars > length[passage]).any():
            self._damaged("a phrase points outside its passage")
        if self.bars.size and int(self.bars.max()) >= len(self.ranges):
            self._damaged("a bar points outside the tiles")

    def _damaged(self, reason: str) -> NoReturn:
        raise UserError(f"corpus {self.path} is damaged: {reason}")

    def __len__(self) -> int:
        return len(self.phrases)

    @property
    def track_set(self) -> TrackSet:
        """The tracks of every phrase."""
        return self.settings.track_set

    @property
    def resolution(self) -> int:
        """Steps a beat."""
        return self.settings.resolution

    @property
    def encoding(self) -> Encoding:
        """How the bits tell a held note from repeated ones; the papers' encoding follows from the lossless one."""
        return self.settings.encoding

    @cached_property
    def piece_of_phrase(self) -> NDArray[np.int64]:
        """The piece of every phrase, (phrases,)."""
        pieces: NDArray[np.int64] = self.passages[self.phrases[:, 0], 0].astype(np.int64)
        return pieces

    @property
    def fingerprint(self) -> str:
        """What tells the corpus from others, wherever it lies: its files, their splits, and where phrases begin."""
        about = [(piece.get("sha256"), piece["split"]) for piece in self.pieces]
        told = hashlib.sha256(json.dumps(about).encode())
        for rows in (self.passages, self.phrases):
            told.update(rows.tobytes())
        return told.hexdigest()[:16]

    def indices(self, split: Split | None = None) -> NDArray[np.int64]:
        """The numbers of the phrases of one split (None: of all), ascending.

        Raises:
            UserError: there is no such split.

        """
        if split is None:
            return np.arange(len(self))
        if split not in SPLITS:
            raise UserError(f"split {split!r} is none of {', '.join(SPLITS)}")
        chosen = np.array([piece["split"] == split for piece in self.pieces], np.bool_)
        return np.flatnonzero(chosen[self.piece_of_phrase])

    def info(self, index: int) -> PhraseInfo:
        """Where phrase ``index`` comes from.

        Raises:
            UserError: there is no such phrase.

        """
        self._need(index)
        passage, bar = self.phrases[index].tolist()
        piece, first = self.passages[passage, :2].tolist()
        record = self.pieces[piece]
        return PhraseInfo(record["name"], first + bar, record.get("key"), record["split"], record["bpm"])

    def roll(self, index: int) -> Roll:
        """Phrase ``index`` as a roll.

        Raises:
            UserError: there is no such phrase.

        """
        self._need(index)
        passage, bar = self.phrases[index].tolist()
        start = int(self.passages[passage, 2]) + bar
        packed = self.tiles(self.bars[start : start + self.settings.bars].T.astype(np.int64))
        tracks, bars, planes, _ = packed.shape
        steps, pitches = self.settings.steps, self.track_set.pitches
        bits = np.unpackbits(packed, axis=-1, count=steps * pitches).view(np.bool_)
        cells = bits.reshape(tracks, bars, planes, steps, pitches)
        onsets = cells[:, :, 1] if self.encoding == "onset" else None
        return Roll(self.track_set, self.resolution, cells[:, :, 0], onsets)

    def tiles(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The packed tiles of these numbers: ``(*numbers.shape, planes, plane_bytes)``."""
        flat = numbers.reshape(-1)
        packed = np.empty((len(flat), *self.shards[0].shape[1:]), np.uint8)
        start = 0
        for shard in self.shards:
            here = np.flatnonzero((flat >= start) & (flat < start + len(shard)))
            packed[here] = shard[flat[here] - start]
            start += len(shard)
        return packed.reshape(*numbers.shape, *packed.shape[1:])

    def loader(self, split: Split | None = None, **options: Any) -> Loader:
        """A loader of random batches of one split (None: of all phrases); see ``Loader`` for its options.

        Raises:
            UserError: the split has no phrase, or an option makes no sense.

        """
        from bgmusic.music.corpora.loader import Loader

        return Loader(self, split, **options)

    def describe(self) -> list[str]:
        """Lines that say what the corpus holds.

        Raises:
            UserError: meta.json is damaged where the corpus itself does not need it.

        """
        try:
            return [f"corpus: {self.path}", *describe_corpus(self.meta)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._damaged(f"{META}: {type(error).__name__}: {error}")

    def _need(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise UserError(f"corpus {self.path.name} has phrases 0 to {len(self) - 1}, no {index}")


def open_corpus(name_or_folder: str | Path) -> Corpus:
    """An embedded corpus by its name (``bach``, ``freedoom``), or any other by its folder.

    Raises:
        UserError: there is none, or it is damaged; or one's own lies at the name of an embedded one.

    """
    embedded, own = embedded_corpora(), Path(name_or_folder)
    path = embedded.get(str(name_or_folder), own)
    if (own / META).is_file() and not path.samefile(own):
        raise UserError(
            f"there are two corpora {own.name!r}: give {own.resolve()} for your own; for the one that comes with "
            "bgmusic, rename yours or work in another folder"
        )
    if not (path / META).is_file():
        raise UserError(
            f"no corpus {str(name_or_folder)!r}: give {', '.join(embedded)}, or a folder that bgmusic data build made"
        )
    return Corpus(path)


def embedded_corpora() -> dict[str, Path]:
    """Name and folder of the corpora that come with bgmusic."""
    return {path.name: path for path in find_corpora(data_dir())}


def find_corpora(folder: Path) -> list[Path]:
    """The folder itself, where it is a corpus, and the corpora right below it."""
    return sorted(path.parent for path in [*folder.glob(META), *folder.glob(f"*/{META}")])


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_META_BYTES:
            raise UserError(f"{path} is larger than {MAX_META_BYTES:,} bytes")
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise UserError(f"{path} does not describe a corpus")
    if meta.get("version") != VERSION:
        raise UserError(f"{path} has version {str(meta.get('version'))[:20]}; this bgmusic reads {VERSION}")
    return meta


def _record(piece: dict[str, Any]) -> dict[str, Any]:
    """A piece's record, if it has what is read of it."""
    if not isinstance(piece["name"], str) or piece["split"] not in SPLITS:
        raise ValueError(f"a piece without name or split: {str(piece)[:80]}")
    if not isinstance(piece.get("key"), str | None) or not BPM_RANGE[0] <= float(piece["bpm"]) <= BPM_RANGE[1]:
        raise ValueError(f"a piece with an impossible key or tempo: {str(piece)[:80]}")
    return piece
