"""Check the embedded corpora: their content, and that the documented commands rebuild them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bgmusic.cli.main import main
from bgmusic.errors import UserError
from bgmusic.files import data_dir
from bgmusic.music.corpora.corpus import Corpus, embedded_corpora, open_corpus
from bgmusic.music.corpora.piece import Piece, read_piece
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources.music21_corpus import Music21Source


def test_embedded_corpora_are_small_and_known_by_name() -> None:
    assert set(embedded_corpora()) == {"bach", "freedoom"}
    for path in embedded_corpora().values():
        assert sum(file.stat().st_size for file in path.iterdir()) < 400_000


def test_an_ambiguous_name_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bach").mkdir()
    assert len(open_corpus("bach")) == 3113  # a folder that is not a corpus does not matter
    shutil.copytree(embedded_corpora()["freedoom"], tmp_path / "bach", dirs_exist_ok=True)
    with pytest.raises(UserError, match=r"'bach' names two corpora.*bach"):
        open_corpus("bach")
    assert len(open_corpus(tmp_path / "bach")) == 2950
    monkeypatch.chdir(data_dir())
    assert len(open_corpus("bach")) == 3113


@pytest.mark.parametrize(
    ("name", "phrases", "pieces", "tracks", "resolution"),
    [("bach", 3113, 328, "satb", 4), ("freedoom", 2950, 46, "lpd-5", 12)],
)
def test_content_of_the_embedded_corpora(name: str, phrases: int, pieces: int, tracks: str, resolution: int) -> None:
    corpus = open_corpus(name)
    assert (len(corpus), len(corpus.pieces)) == (phrases, pieces)
    assert (corpus.track_set.name, corpus.resolution, corpus.encoding) == (tracks, resolution, "onset")
    rule = corpus.settings.needed_tracks
    batch = corpus.loader().phrases(range(0, len(corpus), 7))
    assert (batch.flatten(2).any(2)[:, : len(corpus.track_set)].sum(1) >= rule).all()
    assert sum(len(corpus.indices(split)) for split in ("train", "validation", "test")) == phrases


@pytest.mark.parametrize("name", ["bach", "freedoom"])
def test_no_phrase_is_in_two_splits(name: str) -> None:
    """Transposed to a common lowest pitch, the rolls of the splits are disjoint."""
    corpus = open_corpus(name)
    pitched = [i for i, track in enumerate(corpus.track_set.tracks) if not track.is_drum]
    seen: dict[bytes, str] = {}
    for index in range(len(corpus)):
        roll = corpus.roll(index)
        assert roll.onsets is not None
        onsets = roll.onsets[pitched].any(axis=0)
        if onsets.sum() < 32:  # phrases of a few notes occur in unrelated pieces
            continue
        rows = np.flatnonzero(onsets.any(axis=(0, 1)))
        content = np.packbits(onsets[:, :, rows[0] : rows[-1] + 1]).tobytes() + bytes(rows - rows[0])
        split = corpus.info(index).split
        assert seen.setdefault(content, split) == split


@pytest.mark.slow
def test_chorales_have_vocal_ranges_and_keys() -> None:
    corpus = open_corpus("bach")
    for number, (low, high) in enumerate(((57, 81), (53, 74), (48, 69), (36, 64))):
        cells = corpus.loader().phrases(range(len(corpus)))[:, number].amax((0, 1, 2)).nonzero() + 36
        assert low <= int(cells.min()) <= int(cells.max()) <= high
    assert all(piece["key"].endswith((" major", " minor")) for piece in corpus.pieces)


def test_freedoom_is_rebuilt(tmp_path: Path) -> None:
    """Newer builds also keep the tempos of pieces, and a silent last bar of one song."""
    songs = data_dir() / "midi" / "freedoom"
    options = ("--tracks", "lpd-5", "--resolution", "12")
    with pytest.raises(SystemExit) as done:
        main(["data", "build", str(songs), "--out", str(tmp_path / "out"), *options])
    assert not done.value.code
    shipped, rebuilt = open_corpus("freedoom"), open_corpus(tmp_path / "out")
    records = [{key: value for key, value in piece.items() if key != "tempos"} for piece in rebuilt.pieces]
    changed = [new["name"] for new, old in zip(records, shipped.pieces, strict=True) if new != old]
    assert changed == ["freedoom/freedoom1_D_E2M7.mid"]
    for new, old in zip(rebuilt.meta["skipped"], shipped.meta["skipped"], strict=True):
        assert new["skipped"].startswith(old["skipped"])  # newer builds add which metres there are
    assert rebuilt.meta["rules"] == shipped.meta["rules"]
    places = {(info.source, info.bar): i for i, info in enumerate(map(rebuilt.info, range(len(rebuilt))))}
    assert len(places) == len(shipped) + 1
    for index in range(0, len(shipped), 3):
        info = shipped.info(index)
        old, new = shipped.roll(index), rebuilt.roll(places[info.source, info.bar])
        assert np.array_equal(old.channels(), new.channels())


@pytest.mark.slow
def test_chorales_read_again_equal_the_embedded_ones() -> None:
    """Compare tiles, bars and passages of some chorales; music21 would need half a minute for all."""
    corpus = open_corpus("bach")
    source = Music21Source("bach")
    entries = list(source.entries())
    shipped = {piece["name"]: number for number, piece in enumerate(corpus.pieces)}
    left_out = {record["name"]: record for record in corpus.meta["skipped"]}
    for entry in entries[::43]:
        piece = read_piece(entry, source.read(entry), Settings.create(corpus.track_set, 4))
        if not isinstance(piece, Piece):
            assert piece["skipped"].startswith(left_out[entry.name]["skipped"])
            continue
        check_piece(corpus, shipped[entry.name], piece)


def check_piece(corpus: Corpus, number: int, piece: Piece) -> None:
    record = {name: value for name, value in corpus.pieces[number].items() if name not in ("group", "split")}
    assert record == json.loads(json.dumps(piece.record))
    rows = corpus.passages[corpus.passages[:, 0] == number].astype(int)
    assert (rows[:, 1] == piece.passages[:, 0]).all()
    assert (rows[:, 3] == piece.passages[:, 2]).all()
    stored = corpus.bars[rows[0, 2] : rows[-1, 2] + rows[-1, 3]].astype(np.int64)
    silent = np.zeros((1, *piece.tiles.planes.shape[1:]), np.uint8)
    fresh = np.concatenate([silent, piece.tiles.planes])[piece.tiles.bars]
    assert np.array_equal(corpus.tiles(stored), fresh)
