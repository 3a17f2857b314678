"""Open phrases from any source: a run, an npz of generated phrases, MIDI files, or a corpus."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress
from bgmusic.music.composing import generate, load
from bgmusic.music.corpora.assemble import META
from bgmusic.music.corpora.corpus import Corpus, embedded_corpora, open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources.base import kind_of
from bgmusic.music.corpora.sources.folder import midi_files
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls.grid import StepNotes
from bgmusic.music.rolls.grid_fit import grid_fit
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.roll import Roll
from bgmusic.training import runs, weights
from bgmusic.training.lookup import is_run

_ONE_OF_MANY = re.compile(r"(phrase|piece|step)-\d+\.mid")
_MAX_CELLS = 1 << 29  # of the phrases that are held at once; 512 MiB


def is_music(source: Path) -> bool:
    """Return whether a source holds phrases: a music run, a corpus, MIDI files, or an npz with ``rolls``.

    Reads no large file.

    Raises:
        UserError: it is a run without a generator, or a damaged npz.

    """
    if source.is_file():
        if kind_of(source.name) == "midi":
            return True
        try:
            with zipfile.ZipFile(source) as archive:
                return "rolls.npy" in archive.namelist()
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
            if source.suffix.lower() == ".npz":
                raise UserError(f"{source}: no npz file, or a damaged one") from None
            return False
    if is_run(source):
        return weights.kind_of(source) == load.KIND
    if source.is_dir():
        return True
    return str(source) in embedded_corpora()


def trained_on(run: Path) -> str:
    """Return the name or folder of the corpus that a run was trained on, as ``open_corpus`` takes it.

    Raises:
        UserError: ``environment.json`` does not name it.

    """
    data = runs.Run(run).environment().get("data")
    if not isinstance(data, str) or not data:
        raise UserError(f"{run / 'environment.json'} does not name the corpus that the run was trained on (no `data`)")
    return data


def run_phrases(
    run: Path,
    against: Corpus | None,
    number: int,
    seed: int = 0,
    binarize: str = "ht",
    progress: Progress | None = None,
    jobs: int = 1,
) -> Phrases:
    """Generate phrases with a run's generator. The same ``seed`` gives the same phrases as ``bgmusic generate``.

    Args:
        run: the run folder.
        against: corpus whose tracks and shape the phrases must have, if any.
        number: number of phrases.
        seed: seed of the noise.
        binarize: ``ht`` or ``bs``, for a real-valued generator.
        progress: receives the number of phrases generated since the last call.
        jobs: number of processes; the result does not depend on it.

    Raises:
        UserError: there is no generator, it makes other rolls than the corpus holds, or that many phrases don't fit
            into memory.

    """
    _, shape, generator = load.load_generator(run)
    if against is not None:
        # Check before generating: some hundred phrases may take minutes.
        size = (1, len(shape.track_set), shape.bars, shape.steps, shape.track_set.pitches)
        form = Phrases(shape.track_set, shape.resolution, np.zeros(size, dtype=np.bool_))
        form.require_like(corpus_phrases(against, np.arange(1)), against.path.name)
    most = _MAX_CELLS // shape.cells
    if number > most:
        raise UserError(f"{number:,} phrases of {shape.cells:,} cells don't fit into memory; {most:,} do")
    made = generate.phrases(generator, shape, number, seed, binarize, progress, jobs=jobs)
    return stack_rolls(generate.to_rolls(made, shape))


def open_phrases(source: Path, against: Corpus, most: int) -> Phrases:
    """Read at most ``most`` phrases of an npz, a corpus or MIDI files, to compare them with a corpus.

    Phrases of a corpus or an npz are evenly spread. Of the corpus ``against`` itself, the training phrases of every
    second piece are read. MIDI files are cut into phrases that don't overlap.

    Raises:
        UserError: the source holds no such phrases, or can't be read.
        OSError: a file can't be read.

    """
    if source.is_file() and kind_of(source.name) != "midi":
        phrases, _ = read_phrases(source)
        return phrases.spread(most)
    if str(source) in embedded_corpora() or (source / META).is_file():
        corpus = open_corpus(source)
        same = corpus.path.resolve() == against.path.resolve()
        numbers = halves(corpus)[1] if same else corpus.indices()
        return corpus_phrases(corpus, _some(corpus, numbers, "such", most))
    return midi_phrases(source, against.settings, most)


def held_out(corpus: Corpus) -> Phrases:
    """Return the held-out phrases of a corpus, validation and test; evenly spread ones of a large corpus.

    Raises:
        UserError: there are none.

    """
    numbers = np.concatenate([corpus.indices("validation"), corpus.indices("test")])
    return corpus_phrases(corpus, _some(corpus, numbers, "held-out"))


def training(corpus: Corpus, half: bool = False) -> Phrases:
    """Return the training phrases of a corpus, or with ``half`` those of the pieces that ``open_phrases`` leaves.

    Of a large corpus, evenly spread ones.

    Raises:
        UserError: there are none.

    """
    return corpus_phrases(corpus, training_numbers(corpus, half))


def training_numbers(corpus: Corpus, half: bool = False) -> NDArray[np.int64]:
    """Return the numbers of the phrases that :func:`training` returns, in its order.

    Raises:
        UserError: there are none.

    """
    return _some(corpus, halves(corpus)[0] if half else corpus.indices("train"), "training")


def halves(corpus: Corpus) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the numbers of the training phrases by piece: those of every other piece, and the rest."""
    numbers = corpus.indices("train")
    _, place = np.unique(corpus.pieces_of(numbers), return_inverse=True)
    return numbers[place % 2 == 0], numbers[place % 2 == 1]


def midi_phrases(source: Path, settings: Settings, most: int) -> Phrases:
    """Read phrases of a MIDI file, or of all files below a folder, by a corpus's settings, without overlap.

    Files that can't be read, or whose notes follow no beat, are skipped. Phrases of one file form a piece. The
    ``all.mid`` that ``bgmusic generate`` writes beside single phrases (``phrase-0000.mid``, ...) is skipped.

    Raises:
        UserError: no file holds a phrase; the message has the first reason.

    """
    if not source.exists():
        raise UserError(f"no corpus, file or folder {str(source)!r}")
    files = midi_files(source) if source.is_dir() else [source]
    apart = {path.parent for path in files if _ONE_OF_MANY.fullmatch(path.name)}
    files = [path for path in files if path.name != "all.mid" or path.parent not in apart]
    most = min(most, _fitting(settings))
    rolls: list[Roll] = []
    pieces: list[int] = []
    reasons = []
    for number, path in enumerate(files):
        if len(rolls) >= most:
            break
        try:
            song = read_midi(path, controls=settings.pedal)
            piece = settings.quantise(song)
        except (OSError, UserError) as error:
            reasons.append(f"{path.name}: {getattr(error, 'strerror', None) or error}")
            continue
        if grid_fit(song, settings.shape.resolution) < settings.min_grid_fit:
            reasons.append(f"{path.name}: its notes follow no beat")
            continue
        starts = _side_by_side(piece, settings)[: most - len(rolls)]
        rolls += [Roll.from_phrase(piece, start, settings.shape.bars, settings.shape.encoding) for start in starts]
        pieces += [number] * len(starts)
    if not rolls:
        what = (
            f"no {settings.shape.bars} bars of {settings.metre_name} in which {settings.needed_tracks} tracks play "
            f"in {len(files)} MIDI files"
        )
        raise UserError(f"{source}: {what}" + (f" ({reasons[0]})" if reasons else ""))
    return stack_rolls(rolls, pieces)


def _side_by_side(piece: StepNotes, settings: Settings) -> list[int]:
    """Return the first bars of a piece's phrases, chosen without overlap."""
    playing, found = piece.playing(), []
    for start, stop in settings.runs(piece):
        allowed = settings.starts(playing[start:stop])
        found += [start + at for at in range(0, len(allowed), settings.shape.bars) if allowed[at]]
    return found


def _fitting(settings: Settings) -> int:
    """Return the number of phrases that fit into memory."""
    return max(1, _MAX_CELLS // settings.shape.cells)


def _some(corpus: Corpus, numbers: NDArray[np.int64], what: str, most: int | None = None) -> NDArray[np.int64]:
    """Choose at most ``most`` of the numbers, evenly spread, and no more than fit into memory."""
    if not len(numbers):
        raise UserError(f"corpus {corpus.path.name} has no {what} phrases")
    most = min(most or len(numbers), _fitting(corpus.settings))
    if len(numbers) <= most:
        return numbers
    chosen: NDArray[np.int64] = numbers[np.linspace(0, len(numbers) - 1, most).astype(np.int64)]
    return chosen
