"""The front door: load a generator, compose with it, read MIDI files, and evaluate music."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.rolls.encodings import Encoding
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

if TYPE_CHECKING:
    import torch

    from bgmusic.music.composing.composer import Composer
    from bgmusic.music.corpora.corpus import Corpus
    from bgmusic.music.judging.results import Evaluation
    from bgmusic.music.rolls.phrases import Phrases


def load(name: str | Path, *, device: str | torch.device = "cpu", revision: str | None = None) -> Composer:
    """Load a composer.

    Args:
        name: a shipped generator (``bach``, ``freedoom``), a run folder, a folder made by
            :meth:`Composer.save_pretrained`, or the id of a Hub repository (``owner/name``, needs the extra ``hub``).
            A folder wins over a shipped name, and ``generator:bach`` is always the shipped one.
        device: where the network runs.
        revision: branch, tag or commit of a Hub repository.

    Raises:
        UserError: there is no such composer, or it is corrupt or of another kind.

    """
    from bgmusic.music.composing.composer import Composer
    from bgmusic.music.composing.hub import download, is_repo_id
    from bgmusic.music.composing.load import load_generator
    from bgmusic.music.composing.pretrained import is_pretrained, load_pretrained
    from bgmusic.training.lookup import find_run, is_run, shipped_generators

    folder = Path(name)
    if not is_run(folder) and is_pretrained(folder):
        loaded = load_pretrained(folder)
    elif is_repo_id(str(name)) and not folder.exists() and str(name) not in shipped_generators():
        loaded = load_pretrained(download(str(name), revision), str(name))
    else:
        loaded = load_generator(find_run(name))
    return Composer(str(name), *loaded).to(device)


def read(
    path: str | Path,
    tracks: str | Path | TrackSet = "lpd-5",
    resolution: int = 12,
    *,
    first_bar: int = 0,
    bars: int | None = None,
    encoding: Encoding = "onset",
) -> Roll:
    """Read a MIDI file as a roll.

    The roll has the metre, the tempos and the length of the file; silent bars at the end count. A roll's bars have one
    length, and its metre is the most frequent one of that length. Of a file whose bars differ in length, the longest
    run of equal bars is read, with a warning that says which; ``first_bar`` and ``bars`` choose another part.

    Args:
        path: the MIDI file; plain, gzip'd or in a RIFF wrapper.
        tracks: how parts are sorted into tracks: ``lpd-5``, ``lpd-8``, ``satb``, a YAML file, or a TrackSet.
        resolution: steps per beat (quarter note); notes are rounded to the nearest step.
        first_bar: the first bar to read, from 0.
        bars: number of bars; by default as far as bars have one length.
        encoding: ``onset`` (lossless) or ``pause`` (the papers').

    Raises:
        UserError: it is no MIDI file, its parts don't fit the tracks, or it has no such bars.
        OSError: the file can't be read.

    """
    from bgmusic.music.midi.read import MidiError, read_midi
    from bgmusic.music.rolls.grid import quantise

    track_set = tracks if isinstance(tracks, TrackSet) else TrackSet.load(str(tracks))
    try:
        piece = quantise(read_midi(path), track_set, resolution)
    except MidiError as error:
        raise UserError(f"{path}: {error}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if bars is None:
        if not 0 <= first_bar < max(1, piece.bars):
            raise UserError(f"{path}: there is no bar {first_bar}; the file has bars 0 to {piece.bars - 1}")
        chosen, bars = _equal_bars(np.diff(piece.bar_starts), first_bar)
        if bars < piece.bars - first_bar:
            warnings.warn(
                f"{path}: bars differ in length; reading bars {chosen} to {chosen + bars - 1} of {piece.bars} "
                "(choose others by first_bar and bars)",
                stacklevel=2,
            )
        first_bar = chosen
    try:
        return Roll.from_phrase(piece, first_bar, bars, encoding)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _equal_bars(lengths: np.ndarray[Any, Any], first: int) -> tuple[int, int]:
    """Find the longest run of equal bars: from ``first`` if that is not 0, else anywhere. First bar and number."""
    edges = [first, *(np.flatnonzero(np.diff(lengths[first:])) + first + 1).tolist(), len(lengths)]
    runs = [(start, stop - start) for start, stop in itertools.pairwise(edges)]
    return runs[0] if first else max(runs, key=lambda run: run[1])


def evaluate(
    source: Sequence[Roll] | Phrases | str | Path,
    against: str | Path | Corpus = "bach",
    *,
    n: int = 500,
    seed: int = 0,
) -> Evaluation:
    """Compare music with the held-out pieces of a corpus.

    Args:
        source: rolls (those longer than the corpus's phrases are cut into phrases), a batch of phrases, or the path of
            a run, of an npz of generated phrases, of MIDI files, or of a corpus.
        against: a corpus, or its name or folder.
        n: number of phrases, at most, that are generated or read from a path.
        seed: seed of a run's phrases, of the two-sample test and of the bootstrap.

    Returns:
        Distances, two-sample test and copying beside the same figures of training phrases; ``print`` shows the verdict.

    Raises:
        UserError: the music has another form than the corpus, or there is too little of it.

    """
    from bgmusic.music.composing.comparison import compare, cut_rolls
    from bgmusic.music.composing.composer import check_seed
    from bgmusic.music.corpora.corpus import Corpus, open_corpus
    from bgmusic.music.rolls.phrases import Phrases

    check_seed(seed)
    corpus = against if isinstance(against, Corpus) else open_corpus(against)
    if isinstance(source, str | Path):
        return compare(Path(source), corpus, n, seed)
    if isinstance(source, Phrases):
        return compare(source, corpus, n, seed)
    return compare(cut_rolls(source, corpus), corpus, n, seed)
