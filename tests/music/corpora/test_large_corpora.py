"""Corpora larger than memory: gather bits from many shards, keep records on disk, and open with little memory."""

import json
import mmap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from music_maker import SETTINGS, write_songs

from bgmusic.errors import UserError
from bgmusic.music.corpora import shards as shards_module
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.corpora.records import RecordFile, json_lines, read_records
from bgmusic.music.corpora.row_files import RowFile, read_rows
from bgmusic.music.corpora.shards import Shards


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A corpus of many shards."""
    here = tmp_path_factory.mktemp("large")
    songs = write_songs(here / "songs", range(12), bars=12)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bgmusic.music.corpora.assemble.SHARD_BYTES", 50_000)
        build_corpus([str(songs)], here / "out", SETTINGS)
    return open_corpus(here / "out")


def mapped(folder: Path, array: np.ndarray) -> np.ndarray:
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    file = RowFile(path, "u1", array.shape[1:])
    file.append(array)
    file.finish()
    return read_rows(path, "u1", len(array), array.shape[1:])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(1, 700), st.integers(0, 1000))
def test_rows_are_those_of_the_joined_shards(sizes: list[int], width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, 256, (size, 2, width), np.uint8) for size in sizes]
    whole = np.concatenate(arrays).reshape(-1, width)
    rows = Shards(arrays)
    wanted = rng.integers(0, len(whole), 40) if len(whole) else np.zeros(0, np.int64)
    assert len(rows) == len(whole)
    assert np.array_equal(rows.take(wanted), whole[wanted])
    for wrong in (-1, len(whole)):
        with pytest.raises(IndexError, match="rows must be within"):
            rows.take(np.append(wanted, wrong))


def test_all_pages_of_a_batch_are_announced_and_few_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are taken from mapped files only after the pages that hold them were announced."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (9000, 1, 300), np.uint8) for _ in range(2)]
    rows = Shards([mapped(tmp_path, array) for array in arrays])
    announced: list[set[int]] = []

    class Watched:
        def __init__(self, file: mmap.mmap) -> None:
            self._file, self._pages = file, set[int]()
            announced.append(self._pages)

        def __len__(self) -> int:
            return len(self._file)

        def madvise(self, advice: int, start: int, length: int) -> None:
            self._file.madvise(advice, start, length)
            assert advice == mmap.MADV_WILLNEED
            self._pages |= set(range(start // mmap.PAGESIZE, -(-(start + length) // mmap.PAGESIZE)))

    monkeypatch.setattr(rows, "_files", [Watched(file) for file in rows._files])
    wanted = np.concatenate([first + np.arange(8) for first in rng.integers(0, 17990, 20)])
    found = rows.take(wanted)
    assert np.array_equal(found, np.concatenate(arrays).reshape(-1, 300)[wanted])
    for number, pages in enumerate(announced):
        inside = wanted[wanted // 9000 == number] % 9000
        header = (tmp_path / f"{number}.npy").stat().st_size - 9000 * 300
        touched = {(header + row * 300 + byte) // mmap.PAGESIZE for row in inside.tolist() for byte in (0, 299)}
        assert touched <= pages
        assert len(pages) < len(touched) + 20 * shards_module._NEAR


def test_batches_mix_pieces_as_independent_draws_do(corpus: Corpus) -> None:
    """However many shards: 64 phrases come from as many pieces as 64 independent draws from all phrases."""
    loader = corpus.loader(dtype=torch.bool)
    every = {np.packbits(phrase.numpy()).tobytes(): n for n, phrase in enumerate(loader.phrases(range(len(corpus))))}
    pieces = corpus.piece_of_phrase
    assert len(corpus.shards) > 5
    assert len(every) == len(corpus)
    generator = torch.Generator().manual_seed(0)
    counts, size, batches = [], 16, 60
    for _ in range(batches):
        numbers = [every[np.packbits(phrase.numpy()).tobytes()] for phrase in loader.batch(size, generator)]
        counts.append(len(set(pieces[numbers].tolist())))
    shares = np.bincount(pieces) / len(pieces)
    expected = float((1 - (1 - shares) ** size).sum())
    assert abs(np.mean(counts) - expected) < 4 * np.std(counts) / batches**0.5


def test_opening_takes_little_memory(corpus: Corpus, tmp_path: Path) -> None:
    """Tables stay mapped and records stay text: a corpus with much to tell of its pieces costs little when open."""
    meta = json.loads((corpus.path / "meta.json").read_text())
    for path in corpus.path.glob("*.npy"):
        (tmp_path / path.name).symlink_to(path)
    for piece in meta["pieces"]:
        piece["losses"] |= {f"rule {number}": number for number in range(5000)}
    (tmp_path / "meta.json").write_text("".join(json_lines(meta)))
    size = (tmp_path / "meta.json").stat().st_size
    assert size > 1_000_000
    open_corpus(corpus.path).loader("train").batch(1)  # imports and caches
    tracemalloc.start()
    opened = open_corpus(tmp_path)
    loader = opened.loader("train")
    loader.batch(1)
    assert opened.fingerprint == corpus.fingerprint
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert opened.pieces[3] == meta["pieces"][3]
    assert kept < size / 5


@pytest.mark.parametrize("damage", ["cut off", "longer", "another dtype", "missing", "a folder"])
def test_a_damaged_shard_is_named(corpus: Corpus, tmp_path: Path, damage: str) -> None:
    for path in corpus.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "bits-00003.npy"
    content, array = path.read_bytes(), np.load(path)
    path.unlink()
    if damage in ("cut off", "longer"):
        path.write_bytes(content[:-1] if damage == "cut off" else content + b"\0")
    elif damage == "another dtype":
        np.save(path, array.astype(np.int8))
    elif damage == "a folder":
        path.mkdir()
    with pytest.raises(UserError, match=r"bits-00003\.npy (is damaged|can't be read)") as error:
        open_corpus(tmp_path)
    assert "\n" not in str(error.value)


META = {
    "format": "x",
    "notes": ['a ],\n "pieces": [', "é"],
    "pieces": [{"name": "ä ],", "n": [1, {"x": "\n  {"}]}, {"name": "b"}],
    "skipped": [{"name": "c\u2028", "skipped": "no"}],
}


@pytest.mark.parametrize(
    "meta", [META, META | {"skipped": []}, META | {"pieces": []}, META | {"pieces": [], "skipped": []}]
)
def test_records_are_read_as_any_json_is(tmp_path: Path, meta: dict[str, object]) -> None:
    path = tmp_path / "meta.json"
    lines = "".join(json_lines(meta))
    assert json.loads(lines) == meta
    for text in (lines, json.dumps(meta), json.dumps(meta, indent=1), json.dumps(meta, indent=2) + "\n"):
        path.write_text(text, encoding="utf-8")
        read = read_records(path)
        assert read == meta
        assert list(read["pieces"]) == meta["pieces"]
        assert read["pieces"][:1] == meta["pieces"][:1]  # type: ignore[index]
        with pytest.raises(IndexError):
            read["pieces"][len(meta["pieces"])]  # type: ignore[arg-type]


def test_a_damaged_record_is_named(corpus: Corpus, tmp_path: Path) -> None:
    for path in corpus.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "meta.json").read_text()
    for damaged in ("{", "[" * 100_000, "\\x"):
        at = text.index('{"name": ', text.index('{"name": ', text.index('"pieces"')) + 1)
        (tmp_path / "meta.json").write_text(text[:at] + damaged + text[at:])
        with pytest.raises(UserError, match=r"meta\.json is damaged: ") as error:
            open_corpus(tmp_path)
        assert "\n" not in str(error.value)


def test_written_records_are_read_while_more_are_appended(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "records.jsonl")
    assert list(file.read()) == []
    file.append([{"a": "é\n"}, {"b": [1.5, None]}])
    first = file.read()
    file.append([{"c": 1}])
    assert list(first) == [{"a": "é\n"}, {"b": [1.5, None]}]
    assert file.read()[-1] == {"c": 1}
    assert (len(first), len(file)) == (2, 3)
    file.close()


def test_fingerprints_of_older_runs_still_fit() -> None:
    """A run records the fingerprint of its corpus, and is resumed on that one only."""
    assert open_corpus("bach").fingerprint == "bcc492dce1557e7f"
