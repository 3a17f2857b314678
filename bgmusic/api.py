"""The front door: load a generator, compose with it, read MIDI files, and evaluate music."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.song import Song
from bgmusic.music.rolls.encodings import Encoding
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

if TYPE_CHECKING:
    import torch

    from bgmusic.music.corpora.corpus import Corpus
    from bgmusic.music.judging.results import Evaluation
    from bgmusic.music.networks.pianoroll_config import PianorollConfig
    from bgmusic.music.rolls.phrases import Phrases
    from bgmusic.music.rolls.shape import RollShape
    from bgmusic.training.protocols import SampleNetwork

Progress = Callable[[int], None]
"""Progress callback: number of phrases generated since the last call."""


@dataclass(frozen=True, eq=False)
class Accompaniment:
    """One accompaniment.

    Attributes:
        roll: all tracks in the bars that were composed, the given track on the grid.
        song: the whole piece; the given track's notes, controllers and bends are exactly those of the source.

    """

    roll: Roll
    song: Song

    def save(self, path: str | Path, **options: Any) -> None:
        """Write the piece in the format of the suffix: .mid, .wav, .flac, .ogg and .mp3 the song, others the roll.

        Raises:
            UserError: the suffix is unknown, or the piece doesn't fit the format.
            OSError: the file can't be written.

        """
        from bgmusic.music import sound
        from bgmusic.music.rolls.midi_files import write_midi

        suffix = Path(path).suffix.lower()
        if suffix in (".mid", ".midi"):
            write_midi(self.song, path)
        elif suffix.removeprefix(".") in sound.FORMATS:
            rate = options.pop("rate", sound.DEFAULT_RATE)
            sound.write_audio(path, sound.render(self.song, rate, **options), rate)
        else:
            self.roll.save(path, **options)

    def _repr_html_(self) -> str:
        return self.roll._repr_html_()


class Composer:
    """A trained generator of music. Make one with :func:`load`.

    Attributes:
        name: what it was loaded from.
        config: the config that it was trained with.
        shape: tracks, resolution, bars, steps and encoding of its phrases.
        network: the PyTorch module, in evaluation mode.

    """

    def __init__(self, name: str, config: PianorollConfig, shape: RollShape, network: SampleNetwork) -> None:
        self.name, self.config, self.shape, self.network = name, config, shape, network

    def __repr__(self) -> str:
        shape = self.shape
        return f"Composer({self.name!r}: {shape.track_set.name}, phrases of {shape.bars} bars)"

    def to(self, device: str | torch.device) -> Composer:
        """Move the network to a device; returns the composer itself."""
        self.network.to(device)
        return self

    def generate(
        self,
        n: int = 1,
        *,
        bars: int | None = None,
        seed: int = 0,
        binarize: str = "ht",
        progress: Progress | None = None,
    ) -> list[Roll]:
        """Compose ``n`` pieces. The same seed gives the same pieces.

        Args:
            n: number of pieces.
            bars: length of each piece; a phrase by default, 1024 at most.
            seed: seed of the noise, 0 to 2^63 - 1.
            binarize: ``ht`` (hard threshold) or ``bs`` (Bernoulli sampling), for a real-valued network.
            progress: receives the number of phrases generated since the last call.

        Raises:
            UserError: an argument is out of range.

        """
        from bgmusic.music.composing.generate import phrases, to_rolls
        from bgmusic.music.composing.pieces import check_length, pieces

        _check_count("n", n)
        _check_seed(seed)
        check_length(self.shape, self.shape.bars if bars is None else bars, n)
        if bars is None:
            channels = phrases(self.network, self.shape, n, seed, binarize, progress)
        else:
            channels = pieces(self.network, self.shape, bars, n, seed, binarize, progress)
        return to_rolls(channels, self.shape)

    def accompany(
        self,
        source: str | Path | Song | Roll,
        given: str | int,
        n: int = 1,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> list[Accompaniment]:
        """Compose all other tracks to one track of a MIDI file, a song or a roll.

        Args:
            source: path of the MIDI file, or the music itself.
            given: name or number (from 0) of the track that stays as it is.
            n: number of accompaniments.
            seed: seed of the noise.
            progress: receives the number of phrases composed since the last call.

        Raises:
            UserError: the network is no composer, or the source has no such track or no bar of the network's length.
            OSError: the file can't be read.

        """
        from bgmusic.music.composing.accompaniment import accompany, require_composer
        from bgmusic.music.composing.given import extract_given, read_given, track_number
        from bgmusic.music.composing.write_back import with_accompaniment
        from bgmusic.music.rolls.joining import join_rolls

        _check_count("n", n)
        _check_seed(seed)
        network = require_composer(self.network, self.shape, self.name)
        track = track_number(str(given), self.shape.track_set)
        if isinstance(source, Song | Roll):
            found = extract_given(source.to_song() if isinstance(source, Roll) else source, self.shape, track)
        else:
            found = read_given(source, self.shape, track)
        made = accompany(network, found, n, seed, progress)
        return [Accompaniment(join_rolls(rolls), with_accompaniment(found, rolls)) for rolls in made]

    def interpolate(
        self, start: int, end: int, steps: int = 9, *, binarize: str = "ht", progress: Progress | None = None
    ) -> list[Roll]:
        """Compose phrases at equal steps from the phrase of one seed to that of another, both included.

        Args:
            start: seed of the first phrase.
            end: seed of the last phrase.
            steps: number of phrases, 2 or more.
            binarize: ``ht`` or ``bs``, for a real-valued network.
            progress: receives the number of phrases generated since the last call.

        Raises:
            UserError: an argument is out of range.

        """
        from bgmusic.music.composing.generate import to_rolls
        from bgmusic.music.composing.interpolation import interpolate

        _check_seed(start)
        _check_seed(end)
        return to_rolls(interpolate(self.network, (start, end), steps, binarize, progress), self.shape)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json``, ``model.safetensors`` and a model card to a folder; :func:`load` reads it back.

        Raises:
            OSError: the folder can't be written.

        """
        from bgmusic.music.composing.pretrained import save_pretrained

        save_pretrained(self.network, self.config, folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str = "Upload a bgmusic composer",
    ) -> str:
        """Upload what :meth:`save_pretrained` writes to a repository of the Hugging Face Hub.

        Needs the extra ``hub``: ``pip install "bgmusic[hub]"``.

        Args:
            repo_id: ``owner/name``; it is created if need be.
            private: visibility of a new repository.
            token: access token; the one that is stored on this machine by default.
            commit_message: of the upload.

        Returns:
            The address of the commit.

        Raises:
            UserError: huggingface_hub is not installed, or the Hub refuses.

        """
        from bgmusic.music.composing.hub import upload

        return upload(self.network, self.config, repo_id, private=private, token=token, message=commit_message)


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

    A roll's bars have one length. Of a file whose bars differ in length, the longest run of equal bars is read, with a
    warning that says which; ``first_bar`` and ``bars`` choose another part.

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
    from bgmusic.music.corpora.corpus import Corpus, open_corpus
    from bgmusic.music.rolls.phrases import Phrases

    _check_seed(seed)
    corpus = against if isinstance(against, Corpus) else open_corpus(against)
    if isinstance(source, str | Path):
        return compare(Path(source), corpus, n, seed)
    if isinstance(source, Phrases):
        return compare(source, corpus, n, seed)
    return compare(cut_rolls(source, corpus), corpus, n, seed)


def _check_count(name: str, value: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise UserError(f"{name} is a whole number of 1 or more, not {value!r}")


def _check_seed(seed: int) -> None:
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise UserError(f"a seed is a whole number from 0 to 2^63 - 1, not {seed!r}")
