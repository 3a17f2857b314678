"""The front door: load a generator, compose with it, read music files, and evaluate music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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


def load(
    name: str | Path, *, device: str | torch.device = "cpu", revision: str | None = None, drafts: int | None = None
) -> Composer:
    """Load a composer.

    Args:
        name: a shipped generator (``bach``, ``freedoom``, ``pop``), a run folder, a folder made by
            :meth:`Composer.save_pretrained`, or the id of a Hub repository (``owner/name``, needs the extra ``hub``).
            A folder wins over a shipped name, and ``generator:bach`` is always the shipped one.
        device: where the network runs.
        revision: branch, tag or commit of a Hub repository.
        drafts: number of drafts of a phrase among which a causal composer's critic chooses; None: as trained.

    Raises:
        UserError: there is no such composer or device, or the composer is corrupt or of another kind.

    """
    from bgmusic.music.composing.composer import Composer
    from bgmusic.music.composing.hub import download, is_repo_id
    from bgmusic.music.composing.load import load_generator
    from bgmusic.music.composing.planners import has_planner, load_planner
    from bgmusic.music.composing.pretrained import is_pretrained, load_pretrained
    from bgmusic.training.lookup import find_run, is_run, shipped_generators

    if not str(name):
        raise UserError(f"no name of a composer: give {', '.join(shipped_generators())}, or a run folder")
    folder = Path(name)
    planner = None
    if not is_run(folder) and is_pretrained(folder):
        loaded = load_pretrained(folder, drafts=drafts)
    elif is_repo_id(str(name)) and not folder.exists() and str(name) not in shipped_generators():
        loaded = load_pretrained(download(str(name), revision), str(name), drafts)
    else:
        run = find_run(name)
        loaded = load_generator(run, drafts)
        planner = load_planner(run) if has_planner(run) else None
    return Composer(str(name), *loaded, planner).to(device)


def read(
    path: str | Path,
    tracks: str | Path | TrackSet | None = None,
    resolution: int | None = None,
    *,
    first_bar: int = 0,
    bars: int | None = None,
    encoding: Encoding | None = None,
    pedal: bool = False,
    index: int | None = None,
) -> Roll:
    """Read a MIDI file, or a phrase of an npz, as a roll.

    The roll has the metre, the tempos and the length of the file; silent bars at the end count. A roll's bars have one
    length, and its metre is the most frequent one of that length. Of a file whose bars differ in length, the longest
    run of equal bars is read, with a warning that says which; ``first_bar`` and ``bars`` choose another part.

    An npz that :meth:`Roll.save` or ``bgmusic generate`` wrote has its own tracks and resolution.

    Args:
        path: the MIDI file, plain, gzip'd or in a RIFF wrapper; or a ``.npz`` of phrases.
        tracks: how parts are sorted into tracks: ``lpd-5`` (the default), ``lpd-8``, ``pop909``, ``satb``, a YAML file,
            or a TrackSet. Of an npz, the tracks that it must have.
        resolution: steps per beat (quarter note), 12 by default; notes are rounded to the nearest step. Of an npz, the
            resolution that it must have.
        first_bar: the first bar to read, from 0.
        bars: number of bars; by default as far as bars have one length.
        encoding: ``onset`` (lossless, the default) or ``pause`` (the papers'). Default of an npz: its own.
        pedal: make notes of a MIDI file last as they sound under the sustain pedal.
        index: number of the phrase in an npz of several, from 0.

    Raises:
        TypeError: a number is not an integer.
        UserError: it is no such file, its parts don't fit the tracks, it has no such bars or phrase, or an argument
            does not apply to the kind of file.
        OSError: the file can't be read.

    """
    from bgmusic.music.rolls.reading import read_midi_roll, read_npz_roll

    track_set = tracks if isinstance(tracks, TrackSet | None) else TrackSet.load(str(tracks))
    if Path(path).suffix.lower() != ".npz":
        if index is not None:
            raise UserError(f"{path}: index chooses a phrase of an npz; a MIDI file is one piece")
        track_set = track_set or TrackSet.load("lpd-5")
        roll = read_midi_roll(path, track_set, 12 if resolution is None else resolution, first_bar, bars, pedal)
        return roll.encoded(encoding or "onset")
    if pedal:
        raise UserError(f"{path}: pedal is for MIDI files; an npz has no pedal")
    roll = read_npz_roll(path, index, first_bar, bars)
    if track_set is not None and track_set != roll.track_set:
        raise UserError(f"{path}: its tracks are those of {roll.track_set.name!r}, not {track_set.name!r}")
    if resolution is not None and resolution != roll.resolution:
        raise UserError(f"{path}: it has {roll.resolution} steps per beat, not {resolution}")
    return roll if encoding is None else roll.encoded(encoding)


def evaluate(
    source: Sequence[Roll] | Phrases | str | Path,
    against: str | Path | Corpus = "bach",
    *,
    n: int = 500,
    seed: int = 0,
    judged: bool = False,
    jobs: int = 1,
) -> Evaluation:
    """Compare music with the held-out pieces of a corpus.

    Args:
        source: rolls (those longer than the corpus's phrases are cut into phrases), a batch of phrases, or the path of
            a run, of an npz of generated phrases, of MIDI files, or of a corpus.
        against: a corpus, or its name or folder.
        n: number of phrases, at most, that are generated or read from a path.
        seed: seed of a run's phrases, of the two-sample test and of the bootstrap.
        judged: whether to add the learned judge, which takes some CPU-minutes for 500 phrases; the command
            ``bgmusic evaluate`` adds it unless ``--quick`` is given.
        jobs: number of processes that generate; the result does not depend on it.

    Returns:
        Distances, two-sample test and copying beside the same figures of training phrases; ``print`` shows the verdict.

    Raises:
        UserError: the music has another form than the corpus, or there is too little of it.

    """
    from bgmusic.music.composing.arguments import check_count, check_seed
    from bgmusic.music.composing.comparison import compare, cut_rolls
    from bgmusic.music.corpora.corpus import Corpus, open_corpus
    from bgmusic.music.rolls.phrases import Phrases

    check_seed(seed)
    check_count("jobs", jobs)
    corpus = against if isinstance(against, Corpus) else open_corpus(against)
    if isinstance(source, str | Path):
        music: Path | Phrases = Path(source)
    else:
        music = source if isinstance(source, Phrases) else cut_rolls(source, corpus)
    return compare(music, corpus, n, seed, judged=judged, jobs=jobs)[0]
