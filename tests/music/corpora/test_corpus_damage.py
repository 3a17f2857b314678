"""Open damaged and malicious corpora: each ends in one clear error."""

import json
import lzma
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from music_maker import write_songs

from bgmusic.cli.main import main
from bgmusic.errors import UserError
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.rolls.tracks import TrackSet

SETTINGS = Settings.create(TrackSet.load("lpd-5"), 12)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "xz"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("whole")
    songs = write_songs(here / "songs", range(2), bars=5)
    build_corpus([str(songs)], here / "out", SETTINGS, compress=request.param)
    return here / "out"


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "corpus"))


def edit_meta(folder: Path, change: Callable[[Any], object]) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    change(meta)
    (folder / "meta.json").write_text(json.dumps(meta))


def array_path(folder: Path, name: str) -> Path:
    return next(folder.glob(f"{name}.npy*"))


def edit_array(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    path = array_path(folder, name)
    opened = lzma.open if path.suffix == ".xz" else open
    with opened(path, "rb") as file:
        array = np.load(file)
    changed = change(array)
    with opened(path, "wb") as file:
        np.save(file, array if changed is None else changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(format="other"),
        lambda m: m.update(version=2),
        lambda m: m.pop("settings"),
        lambda m: m["settings"].update(resolution="12"),
        lambda m: m["settings"].update(resolution=10**9),
        lambda m: m["settings"].update(bars=0),
        lambda m: m["settings"].update(metre=[4]),
        lambda m: m["settings"].update(metre=None),
        lambda m: m["settings"].update(encoding="none"),
        lambda m: m["settings"].update(encoding="pause"),
        lambda m: m["settings"].update(shares=[1, 1, 1]),
        lambda m: m["settings"]["track_set"].update(pitches=128, low=0),
        lambda m: m["settings"]["track_set"].update(tracks=[]),
        lambda m: m["settings"].update(track_set=7),
        lambda m: m["layout"].update(tiles=-1),
        lambda m: m["layout"].update(tiles=10**12),
        lambda m: m["layout"].update(bars=3.5),
        lambda m: m["layout"].update(bars=2**31),
        lambda m: m["layout"].update(shards=[]),
        lambda m: m["layout"].update(shards=[{"file": "../../etc/passwd", "tiles": 1}]),
        lambda m: m["layout"].update(shards=None),
        lambda m: m["layout"]["shards"].append({"file": "bits-00001.npy", "tiles": 1}),
        lambda m: m.update(pieces=[]),
        lambda m: m.update(pieces={"a": 1}),
        lambda m: m["pieces"][0].update(split="none"),
        lambda m: m["pieces"][0].update(bpm="fast"),
        lambda m: m["pieces"][0].update(bpm=float("nan")),
        lambda m: m["pieces"][0].update(key=["C"]),
        lambda m: m["pieces"][0].pop("name"),
    ],
)
def test_damaged_meta(folder: Path, change: Callable[[Any], object]) -> None:
    edit_meta(folder, change)
    with pytest.raises(UserError) as error:
        open_corpus(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\x00\xff", '{"format": "bgmusic corpus"}'])
def test_meta_that_is_not_a_corpus(folder: Path, text: str) -> None:
    (folder / "meta.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"meta\.json"):
        open_corpus(folder)


def set_to(row: tuple[int, ...], value: int) -> Callable[[Any], None]:
    return lambda array: array.__setitem__(row, value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bars", set_to((0, 0), 2**32 - 1)),
        ("passages", set_to((0, 0), 2)),
        ("passages", set_to((0, 2), 2**31)),
        ("passages", set_to((1, 3), 2**32 - 1)),
        ("phrases", set_to((0, 0), 2)),
        ("phrases", set_to((0, 1), 2)),
        ("phrases", set_to((0, 1), 2**32 - 1)),
        ("bars", lambda array: array[:-1]),
        ("bars", lambda array: array.astype(np.int64)),
        ("bars", lambda array: array.astype(">u4")),
        ("phrases", np.asfortranarray),
        ("bits-00000", lambda array: array[:, :, :-1]),
        ("ranges", lambda array: array.reshape(-1)),
    ],
)
def test_damaged_arrays(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    edit_array(folder, name, change)
    with pytest.raises(UserError, match="damaged"):
        open_corpus(folder)


@pytest.mark.parametrize("name", ["bars", "phrases", "passages", "ranges", "bits-00000"])
def test_files_that_are_truncated_extended_or_missing(folder: Path, name: str) -> None:
    path = array_path(folder, name)
    content = path.read_bytes()
    for damaged in (content[:-1], content[: len(content) // 2], b"", content + b"more", b"PK" + content):
        if path.suffix == ".xz" and damaged == content + b"more":
            continue  # what follows an xz stream is not read
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged"):
            open_corpus(folder)
    path.unlink()
    with pytest.raises(UserError, match="can't be read"):
        open_corpus(folder)


class Opened:
    """An object that records that it was unpickled."""

    ran = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Opened, "ran", True)


def test_nothing_is_unpickled(folder: Path) -> None:
    path = array_path(folder, "bars")
    opened = lzma.open if path.suffix == ".xz" else open
    for content in (pickle.dumps(Opened()), None):
        with opened(path, "wb") as file:
            if content is None:
                np.save(file, np.array([Opened()], object), allow_pickle=True)
            else:
                file.write(content)
        with pytest.raises(UserError, match="damaged"):
            open_corpus(folder)
    assert not Opened.ran


@pytest.mark.slow
def test_an_xz_bomb_is_not_unpacked(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(1))
    build_corpus([str(songs)], tmp_path / "out", SETTINGS, compress=True)
    with lzma.open(tmp_path / "out" / "bars.npy.xz", "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    with pytest.raises(UserError, match="more than meta"):
        open_corpus(tmp_path / "out")


@pytest.mark.slow
def test_flipped_bytes_open_or_are_refused(folder: Path) -> None:
    """A corpus that opens can be used throughout: flipped bits in tiles are other music, not damage."""
    rng = random.Random(0)
    files, refused = sorted(folder.iterdir()), 0
    for _ in range(150):
        path = rng.choice(files)
        content = path.read_bytes()
        place = rng.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :])
        try:
            corpus = open_corpus(folder)
            for index in range(len(corpus)):
                corpus.roll(index)
                corpus.info(index)
            for split in ("train", "validation", "test"):
                if len(corpus.indices(split)):
                    corpus.loader(split, transpose=(-5, 6), random_offset=True).batch(4)
            corpus.describe()
        except UserError:
            refused += 1
        path.write_bytes(content)
    assert 0 < refused < 150


def test_a_missing_phrase_or_corpus_is_an_error(folder: Path, tmp_path: Path) -> None:
    corpus = open_corpus(folder)
    for index in (-1, len(corpus)):
        for ask in (corpus.roll, corpus.info):
            with pytest.raises(UserError, match=f"no {index}"):
                ask(index)
    with pytest.raises(UserError, match="no corpus 'nothing'"):
        open_corpus("nothing")
    (tmp_path / "phrases.npz").touch()
    with pytest.raises(UserError, match=r"phrases\.npz is a file, no corpus: give bach"):
        open_corpus(tmp_path / "phrases.npz")


def test_overlapping_passages_are_refused(folder: Path) -> None:
    """A few kilobytes of xz could hold a million passages of the same million bars, which would all be iterated."""
    edit_array(folder, "passages", lambda passages: np.concatenate([passages] * 3))
    edit_meta(folder, lambda meta: meta["layout"].update(passages=3 * meta["layout"]["passages"]))
    with pytest.raises(UserError, match="passages overlap"):
        open_corpus(folder)


def test_control_characters_are_not_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_meta(folder, lambda meta: meta["settings"]["track_set"].update(name="\x1b]0;OWNED\x07\x1b[2J\nforged"))
    for words in (["info", str(folder)], ["list", str(folder.parent)]):
        with pytest.raises(SystemExit):
            main(["data", *words])
        out = capsys.readouterr().out
        assert "OWNED" in out
        assert "\x1b" not in out
        assert "\nforged" not in out
