"""Load batches: the corpus's phrases, bit for bit, transposed within the range of each track."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from music_maker import song, write_songs

from bgmusic.errors import UserError
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.corpora.packed_bits import _unpack_by_masks, shift_rows, unpack_rows
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.rolls.tracks import TrackSet

LPD5 = TrackSet.load("lpd-5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("loader")
    songs = write_songs(here / "songs", range(6), bars=12)
    build_corpus([str(songs)], here / "out", Settings.create(LPD5, 12, shares=(1.0, 0.0, 0.0)))
    return here / "out"


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return open_corpus(folder)


def as_rows(batch: torch.Tensor) -> list[bytes]:
    return [np.packbits(phrase.numpy() > 0).tobytes() for phrase in batch]


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_batch_is_made_of_phrases(corpus: Corpus) -> None:
    known = {np.packbits(corpus.roll(i).channels()).tobytes(): i for i in range(len(corpus))}
    loader = corpus.loader("train")
    batch = loader.batch(200, rng(0))
    assert batch.shape == (200, *loader.shape) == (200, 10, 4, 48, 84)
    assert batch.dtype == torch.float32
    drawn = {known[row] for row in as_rows(batch)}
    assert len(drawn) > len(corpus) * 0.9


@pytest.mark.parametrize("encoding", ["onset", "pause"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.uint8])
def test_zeros_and_ones_are_the_same_in_every_dtype(corpus: Corpus, dtype: torch.dtype, encoding: str) -> None:
    options = {"transpose": (-5, 6), "random_offset": True, "encoding": encoding}
    plain = corpus.loader("train", dtype=torch.bool, **options).batch(8, rng(2))
    batch = corpus.loader("train", dtype=dtype, **options).batch(8, rng(2))
    assert batch.dtype == dtype
    assert torch.equal(batch == 1, plain)
    assert torch.equal(batch == 0, ~plain)


def test_a_batch_is_written_to_out(corpus: Corpus) -> None:
    loader = corpus.loader("train")
    out = torch.full((4, *loader.shape), 7.0)
    assert loader.batch(4, rng(6), out) is out
    assert torch.equal(out, loader.batch(4, rng(6)))
    with pytest.raises(ValueError, match=r"out has shape \(4, 10, 4, 48, 84\), .* \(5,"):
        loader.batch(5, rng(6), out)


def test_phrases_are_returned_in_the_given_order(corpus: Corpus) -> None:
    found = corpus.loader(dtype=torch.bool).phrases([7, 0, 7])
    for phrase, number in zip(found, (7, 0, 7), strict=True):
        assert np.array_equal(phrase.numpy(), corpus.roll(number).channels())


def test_a_batch_holds_the_bars_before_its_phrases(corpus: Corpus) -> None:
    long, phrases = corpus.loader("train", before=6), corpus.loader("train")
    assert long.shape == (10, 10, 48, 84)
    batch = long.batch(60, rng(5))
    assert torch.equal(batch[:, :, 6:], phrases.batch(60, rng(5)))
    starts = {(int(passage), int(bar)): number for number, (passage, bar) in enumerate(corpus.phrases)}
    numbers = [number for (_, bar), number in starts.items() if bar in (0, 4, 8)]
    for number, bars in zip(numbers, long.phrases(numbers), strict=True):
        passage, bar = corpus.phrases[number].tolist()
        assert not bars[:, : max(0, 6 - bar)].any()
        if bar >= 4:
            assert torch.equal(bars[:, 2:6], phrases.phrases([starts[passage, bar - 4]])[0])


def test_a_saved_generator_state_continues_with_the_same_batches(corpus: Corpus) -> None:
    options = {"transpose": (-5, 6), "random_offset": True, "dtype": torch.bool}
    generator = rng(3)
    loader = corpus.loader("train", **options)
    loader.batch(16, generator)
    state = generator.get_state()
    following = [loader.batch(16, generator) for _ in range(3)]
    resumed = torch.Generator()
    resumed.set_state(state)
    again = open_corpus(corpus.path).loader("train", **options)
    assert all(torch.equal(batch, again.batch(16, resumed)) for batch in following)


def test_transposed_phrases_are_the_phrases_transposed(corpus: Corpus) -> None:
    """Each transposed phrase is the stored one, shifted in pitch; drums don't move, and no cell is lost."""
    plain = corpus.loader("train", dtype=torch.bool).batch(64, rng(5))
    moved = corpus.loader("train", dtype=torch.bool, transpose=(-5, 6)).batch(64, rng(5))
    drums = [0, 5]
    melodic = [channel for channel in range(10) if channel not in drums]
    shifts = []
    for before, after in zip(plain, moved, strict=True):
        assert torch.equal(before[drums], after[drums])
        fits = [s for s in range(-5, 7) if torch.equal(torch.roll(before[melodic], s, -1), after[melodic])]
        assert len(fits) == 1
        assert before.sum() == after.sum()
        shifts += fits
    assert set(shifts) == set(range(-5, 7))


def test_transposition_stays_within_each_tracks_range(tmp_path: Path) -> None:
    tracks = LPD5.to_dict()
    for track, high in zip(tracks["tracks"], (107, 70, 73, 107, 107), strict=True):
        track["high"] = high
    songs = write_songs(tmp_path / "songs", range(2))  # pitches are 50 to 70: piano may not rise at all
    narrow = Settings.create(TrackSet.from_dict(tracks), 12, shares=(1.0, 0.0, 0.0))
    build_corpus([str(songs)], tmp_path / "out", narrow)
    corpus = open_corpus(tmp_path / "out")
    batch = corpus.loader(transpose=(-7, 7)).batch(300, rng(0))
    rows = [batch[:, [channel, channel + 5]].amax((0, 1, 2, 3)).nonzero() + 24 for channel in (1, 2, 3)]
    assert int(rows[0].max()) == 70
    assert int(rows[1].max()) <= 73
    assert int(rows[2].min()) == 50 - 7


def test_the_pause_encoding_follows_from_the_lossless_one(tmp_path: Path) -> None:
    """Derived from cells, it equals the pause encoding that a corpus builds from notes."""
    songs = tmp_path / "songs"
    songs.mkdir()
    for seed in range(3):
        score = song(seed, bars=6)
        for note in (note for track in score.tracks for note in track.notes):
            note.pitch = 50 + note.pitch % 3  # many repeated notes
        score.dump_midi(str(songs / f"{seed}.mid"))
    build_corpus([str(songs)], tmp_path / "onset", Settings.create(LPD5, 12))
    build_corpus([str(songs)], tmp_path / "pause", Settings.create(LPD5, 12, encoding="pause"))
    onset, pause = open_corpus(tmp_path / "onset"), open_corpus(tmp_path / "pause")
    derived = onset.loader(encoding="pause").phrases(range(len(onset)))
    stored = pause.loader().phrases(range(len(pause)))
    assert derived.shape == stored.shape == (9, 5, 4, 48, 84)
    assert (stored != onset.loader().phrases(range(len(onset)))[:, :5]).any()
    # Whether the last step is a pause is decided by the bar after the phrase, which is not part of it.
    differs = (derived != stored).flatten(2, 3).any(dim=(0, 1, 3))
    assert not differs[:-1].any()


@pytest.mark.slow
def test_a_random_offset_starts_phrases_between_the_stored_ones(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(3), bars=10)
    build_corpus([str(songs)], tmp_path / "hop1", Settings.create(LPD5, 12, shares=(1.0, 0.0, 0.0)))
    build_corpus([str(songs)], tmp_path / "hop4", Settings.create(LPD5, 12, hop=4, shares=(1.0, 0.0, 0.0)))
    every, coarse = open_corpus(tmp_path / "hop1"), open_corpus(tmp_path / "hop4")
    assert (len(every), len(coarse)) == (21, 6)
    fixed = set(as_rows(coarse.loader().batch(200, rng(0))))
    assert len(fixed) == 6
    offset = set(as_rows(coarse.loader(random_offset=True).batch(500, rng(0))))
    assert fixed < offset
    assert offset == set(as_rows(every.loader().phrases(range(21))))


def test_shards_make_no_difference(tmp_path: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    songs = corpus.path.parent / "songs"
    monkeypatch.setattr("bgmusic.music.corpora.assemble.SHARD_BYTES", 100_000)
    build_corpus([str(songs)], tmp_path / "out", corpus.settings)
    many = open_corpus(tmp_path / "out")
    assert len(many.shards) > 2
    assert torch.equal(many.loader().batch(50, rng(1)), corpus.loader().batch(50, rng(1)))


@pytest.mark.parametrize(
    ("split", "options", "message"),
    [
        ("test", {}, "no phrase in split test"),
        ("all", {}, "split 'all'"),
        ("train", {"encoding": "best"}, "encoding 'best'"),
        ("train", {"transpose": (1, 2)}, "transpose"),
        ("train", {"transpose": (-8, 2)}, "transpose"),
        ("train", {"before": -1}, "bars before"),
    ],
)
def test_invalid_options_are_refused(corpus: Corpus, split: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        corpus.loader(split, **options)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 8), st.integers(0, 1000))
def test_unpacking_equals_numpys(rows: int, width: int, padding: int, seed: int) -> None:
    packed = np.random.default_rng(seed).integers(0, 256, (rows, width), np.uint8)
    count = 8 * width - padding
    expected = np.unpackbits(packed, axis=1)[:, :count].astype(bool)
    for unpack in (unpack_rows, _unpack_by_masks):  # the second is what a GPU runs
        assert np.array_equal(unpack(torch.from_numpy(packed), count).numpy(), expected)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 1000))
def test_shifted_bits_are_shifted_cells(rows: int, width: int, seed: int) -> None:
    """Compare ``shift_rows`` with NumPy on unpacked bits, for every shift and at the edges of bytes and rows."""
    random = np.random.default_rng(seed)
    bits = random.random((rows, 8 * width)) < 0.3
    shifts = random.integers(-7, 8, rows)
    moved = unpack_rows(shift_rows(torch.from_numpy(np.packbits(bits, axis=1)), torch.from_numpy(shifts)), 8 * width)
    for row, shift, found in zip(bits, shifts.tolist(), moved.numpy(), strict=True):
        padded = np.pad(row, 8)
        assert np.array_equal(found, padded[8 - shift : 8 - shift + 8 * width])
