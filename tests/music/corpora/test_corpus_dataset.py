"""Use a corpus as a map-style PyTorch dataset: indexing, pickling, DataLoader workers, splits, and no early torch."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from music_maker import write_songs
from torch.utils.data import DataLoader

from bgmusic.errors import UserError
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.corpora.packed_bits import shift_rows, unpack_rows
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.rolls.tracks import TrackSet


@pytest.fixture(scope="module", params=["onset", "pause"])
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    here = tmp_path_factory.mktemp("dataset")
    songs = write_songs(here / "songs", range(4), bars=8)
    settings = Settings.create(TrackSet.load("lpd-5"), 12, encoding=request.param, shares=(1.0, 0.0, 0.0))
    build_corpus(songs, str(here / "out"), settings, compress=request.param == "pause")
    return open_corpus(str(here / "out"))


def test_items_are_the_rolls(corpus: Corpus) -> None:
    phrases = list(corpus)  # iteration ends by IndexError
    assert len(phrases) == len(corpus) == 20
    for index, phrase in enumerate(phrases):
        assert phrase.dtype == torch.float32
        assert np.array_equal(phrase.numpy(), corpus.roll(index).channels())


def test_indices(corpus: Corpus) -> None:
    assert torch.equal(corpus[-1], corpus[len(corpus) - 1])
    assert torch.equal(corpus[np.int64(3)], corpus[3])
    for index in (len(corpus), -len(corpus) - 1):
        with pytest.raises(IndexError, match=f"index {index} is out of range"):
            corpus[index]
    for wrong in (1.0, "1", [1], slice(2), None):
        for get in (corpus.__getitem__, corpus.roll, corpus.info):
            with pytest.raises(TypeError):
                get(wrong)  # type: ignore[operator]


def test_a_corpus_is_pickled_as_its_path(corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    corpus[0]
    monkeypatch.chdir(corpus.path.parent)
    pickled = pickle.dumps(Corpus("out"))
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(pickled)  # noqa: S301
    assert len(pickled) < 1000
    assert torch.equal(again[5], corpus[5])


@pytest.mark.slow
@pytest.mark.parametrize("start", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_data_loader_with_workers(corpus: Corpus, start: str) -> None:
    subset = corpus.subset("train")
    batches = list(DataLoader(subset, batch_size=8, num_workers=2, multiprocessing_context=start))
    assert [len(batch) for batch in batches] == [8, 8, 4]
    assert torch.equal(torch.cat(batches), corpus.loader("train").phrases(range(20)))


def test_a_shuffling_data_loader_draws_every_phrase(corpus: Corpus) -> None:
    (batch,) = DataLoader(corpus, batch_size=20, shuffle=True)
    assert {phrase.numpy().tobytes() for phrase in batch} == {phrase.numpy().tobytes() for phrase in corpus}


def test_subsets_are_the_splits() -> None:
    bach = open_corpus("bach")
    sizes = {split: len(bach.subset(split)) for split in ("train", "validation", "test")}
    assert sum(sizes.values()) == len(bach)
    validation = bach.subset("validation")
    assert isinstance(validation, torch.utils.data.Dataset)
    assert torch.equal(validation[2], bach[int(bach.indices("validation")[2])])


def test_a_split_without_phrases_is_an_error(corpus: Corpus) -> None:
    with pytest.raises(UserError, match="no phrase in split test"):
        corpus.subset("test")
    with pytest.raises(UserError, match="split 'all'"):
        corpus.subset("all")  # type: ignore[arg-type]


NO_TORCH = """
import sys
from bgmusic.cli.main import main
from bgmusic.music.corpora.corpus import open_corpus
for args in {commands}:
    try:
        main(["data", *args])
    except SystemExit as ended:
        assert not ended.code, args
corpus = open_corpus("bach")
corpus.roll(3), corpus.info(3), corpus.indices("train"), len(corpus)
assert "torch" not in sys.modules
"""


@pytest.mark.slow
def test_building_and_inspecting_corpora_does_not_import_torch(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(3))
    commands = [
        ["build", str(songs), "--out", str(tmp_path / "out"), "--jobs", "2"],
        ["list"],
        ["info", "bach"],
        ["check", str(songs)],
        ["export", "bach", "--index", "3", "--out", str(tmp_path / "phrase.mid")],
    ]
    script = NO_TORCH.format(commands=commands)
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("numbers", "error"),
    [([0, 20], IndexError), ([-1], IndexError), ([0.5], TypeError), ([True, False], TypeError), ([[0]], TypeError)],
)
def test_a_loader_checks_phrase_numbers(corpus: Corpus, numbers: list[int], error: type[Exception]) -> None:
    with pytest.raises(error, match="numbers"):
        corpus.loader().phrases(numbers)
    with pytest.raises(ValueError, match="-1 phrases"):
        corpus.loader().batch(-1)
    for size in (1.5, "2", None, True):
        with pytest.raises(TypeError, match="size must be an integer"):
            corpus.loader().batch(size)  # type: ignore[arg-type]
    assert corpus.loader().phrases([]).shape == (0, *corpus.loader().shape)


def test_packed_bits_check_their_arguments() -> None:
    packed = torch.zeros(3, 2, dtype=torch.uint8)
    for wrong in (packed.float(), packed[0], packed.to(torch.int8)):
        with pytest.raises(TypeError, match="uint8"):
            unpack_rows(wrong, 8)
    with pytest.raises(ValueError, match="17 bits"):
        unpack_rows(packed, 17)
    for shifts in (torch.zeros(2, dtype=torch.int64), torch.zeros(3), torch.zeros(3, dtype=torch.bool)):
        with pytest.raises(TypeError, match="shifts"):
            shift_rows(packed, shifts)
    with pytest.raises(ValueError, match="-7 to 7"):
        shift_rows(packed, torch.tensor([0, 8, 1]))


def test_tiles_and_starts_check_their_arguments(corpus: Corpus) -> None:
    with pytest.raises(IndexError, match="tile numbers"):
        corpus.tiles(np.array([len(corpus.ranges)]))
    with pytest.raises(TypeError, match="integers"):
        corpus.tiles(np.array([0.0]))
    for wrong in (np.ones((6, 5)), np.ones((6, 4), bool), np.ones(6, bool)):
        with pytest.raises(TypeError, match="playing"):
            corpus.settings.starts(wrong)
