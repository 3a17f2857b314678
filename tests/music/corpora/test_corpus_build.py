"""Build corpora from folders of songs: every note, any number of workers, damaged and odd files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import symusic
from music_maker import LPD5, SETTINGS, content, song, write_songs

from bgmusic.errors import UserError
from bgmusic.music.corpora import build as build_module
from bgmusic.music.corpora.build import Workers, build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings


def expected_cells(score: symusic.Score, bar: int, bars: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells and onsets of some bars, computed from symusic's notes cell by cell."""
    cells = np.zeros((5, bars, 48, 84), bool)
    onsets = np.zeros_like(cells)
    for number, track in enumerate(score.tracks):
        for note in track.notes:
            start = note.start // 40 - bar * 48
            length = 1 if track.is_drum else note.duration // 40
            for step in range(start, start + length):
                if 0 <= step < bars * 48:
                    cells[number, step // 48, step % 48, note.pitch - 24] = True
            if 0 <= start < bars * 48:
                onsets[number, start // 48, start % 48, note.pitch - 24] = True
    return cells, onsets


def test_every_phrase_has_its_songs_notes(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(5), bars=7)
    build_corpus([str(songs)], tmp_path / "out", SETTINGS)
    corpus = open_corpus(tmp_path / "out")
    assert len(corpus) == 5 * 4  # seven bars have four phrases of four
    for index in range(len(corpus)):
        info = corpus.info(index)
        seed = int(info.source[-7:-4])
        roll = corpus.roll(index)
        cells, onsets = expected_cells(song(seed, bars=7), info.bar, 4)
        assert roll.onsets is not None
        assert np.array_equal(roll.cells, cells)
        assert np.array_equal(roll.onsets, onsets)
        assert info.bpm == pytest.approx(90.0, abs=0.01)


def test_the_pause_encoding_shortens_a_note_before_its_repetition(tmp_path: Path) -> None:
    score = symusic.Score(12)
    track = symusic.Track("Piano", 0, False)
    for bar in range(4):
        track.notes.append(symusic.Note(bar * 48, 24, 60, 90))
        track.notes.append(symusic.Note(bar * 48 + 24, 12, 60, 90))
    score.tracks.append(track)
    (tmp_path / "in").mkdir()
    score.dump_midi(str(tmp_path / "in" / "a.mid"))
    build_corpus([str(tmp_path / "in")], tmp_path / "out", Settings.create(LPD5, 12, encoding="pause", min_tracks=1))
    roll = open_corpus(tmp_path / "out").roll(0)
    assert roll.onsets is None
    lit = np.flatnonzero(roll.cells[1, 0, :, 36])
    assert lit.tolist() == [*range(23), *range(24, 36)]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2])
def test_the_bytes_do_not_depend_on_jobs(tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "CHUNK_ENTRIES", 3)
    songs = write_songs(tmp_path / "songs", range(11))
    (songs / "broken.mid").write_bytes(b"MThd nonsense")
    build_corpus([str(songs)], tmp_path / "one", SETTINGS)
    build_corpus([str(songs)], tmp_path / "many", SETTINGS, workers=Workers(jobs))
    assert content(tmp_path / "one") == content(tmp_path / "many")


def test_compressed_and_plain_corpora_hold_the_same(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(3))
    build_corpus([str(songs)], tmp_path / "plain", SETTINGS)
    build_corpus([str(songs)], tmp_path / "xz", SETTINGS, compress=True)
    plain, packed = open_corpus(tmp_path / "plain"), open_corpus(tmp_path / "xz")
    assert isinstance(plain.shards[0], np.memmap)
    assert all(np.array_equal(a, b) for a, b in zip(plain.shards, packed.shards, strict=True))
    for index in range(len(plain)):
        assert np.array_equal(plain.roll(index).channels(), packed.roll(index).channels())


def test_several_shards_hold_the_same_phrases_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    songs = write_songs(tmp_path / "songs", range(3))
    build_corpus([str(songs)], tmp_path / "one", SETTINGS)
    monkeypatch.setattr("bgmusic.music.corpora.assemble.SHARD_BYTES", 20_000)
    build_corpus([str(songs)], tmp_path / "many", SETTINGS)
    one, many = open_corpus(tmp_path / "one"), open_corpus(tmp_path / "many")
    assert len(one.shards) == 1
    assert len(many.shards) > 3
    for index in range(len(one)):
        assert np.array_equal(one.roll(index).channels(), many.roll(index).channels())


def test_meta_records_skipped_files_and_lost_notes(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(2))
    (songs / "broken.mid").write_bytes(b"nothing at all")
    (songs / "readme.txt").write_text("no music")
    song(9, metre=(3, 4)).dump_midi(str(songs / "waltz.mid"))
    song(10, parts=("Bass",)).dump_midi(str(songs / "solo.mid"))
    rng = np.random.default_rng(0)
    loose = song(11)
    for track in loose.tracks:
        for note in track.notes:
            note.start += int(rng.integers(0, 480))
    loose.dump_midi(str(songs / "loose.mid"))
    meta = build_corpus([str(songs)], tmp_path / "out", SETTINGS)
    assert json.loads((tmp_path / "out" / "meta.json").read_text()) == meta
    skipped = {Path(record["name"]).name: record["skipped"] for record in meta["skipped"]}
    assert set(skipped) == {"broken.mid", "waltz.mid", "solo.mid", "loose.mid"}
    assert "4 bars of 4/4" in skipped["waltz.mid"]
    assert "3 or more of its tracks" in skipped["solo.mid"]
    assert "no beat" in skipped["loose.mid"]
    assert meta["ignored_files"] == {".txt": 1}
    assert meta["sources"] == ["songs"]
    assert meta["losses"]["onset_encoding"] == 0
    assert meta["losses"]["pause_encoding"] > 0
    assert (
        meta["losses"]["notes"]
        == meta["losses"]["kept"]
        == sum(len(track.notes) for seed in range(2) for track in song(seed).tracks)
    )


def test_sources_without_a_phrase_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="no music in"):
        build_corpus([str(tmp_path / "in")], tmp_path / "out", SETTINGS)
    (tmp_path / "in" / "a.mid").write_bytes(b"?")
    with pytest.raises(UserError, match=r"no phrase in the file .*. in/a.mid: "):
        build_corpus([str(tmp_path / "in")], tmp_path / "out", SETTINGS)


@pytest.mark.slow
def test_an_absurdly_long_file_is_skipped(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(1))
    score = symusic.Score(480)
    for name, program in (("a", 0), ("b", 25), ("c", 33), ("d", 48)):
        track = symusic.Track(name, program, False)
        for pitch in range(24, 108):
            track.notes.append(symusic.Note(0, 1 << 27, pitch, 90))
        score.tracks.append(track)
    score.dump_midi(str(songs / "long.mid"))
    meta = build_corpus([str(songs)], tmp_path / "out", SETTINGS)
    (skipped,) = meta["skipped"]
    assert "cells" in skipped["skipped"] or "bars" in skipped["skipped"]


def test_a_corpus_is_at_most_an_eighth_of_its_booleans(tmp_path: Path) -> None:
    # Bars that come again, silent tracks and phrases that overlap would make it smaller.
    songs = write_songs(tmp_path / "songs", range(12), bars=32, parts=("Drums", "Piano", "Bass", "Strings"))
    build_corpus([str(songs)], tmp_path / "out", Settings.create(LPD5, 12, hop=4))
    corpus = open_corpus(tmp_path / "out")
    booleans = corpus.roll(0).channels().size * len(corpus)
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= booleans / 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 0}, "resolution 0"),
        ({"bars": 0}, "bars"),
        ({"hop": 0}, "hop 0"),
        ({"encoding": "best"}, "encoding"),
        ({"min_tracks": 6}, "min_tracks 6 .* 1 to 5"),
        ({"metre": (5, 16), "resolution": 1}, "whole number"),
        ({"shares": (0.5, 0.1, 0.1)}, "add up to 1"),
        ({"min_grid_fit": 2.0}, "min_grid_fit 2.0"),
        ({"resolution": 480, "bars": 64, "metre": (8, 4)}, "cells"),
    ],
)
def test_invalid_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Settings.create(**({"track_set": LPD5, "resolution": 12} | options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((0,), "--jobs 0"),
        ((1, "mpi"), "backend 'mpi'"),
        ((1, "dask"), "given together"),
        ((1, "loky", "tcp://x"), "given together"),
    ],
)
def test_invalid_workers_are_refused(options: tuple[int, str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Workers(*options)


def test_undecodable_names_and_looping_links_are_skipped(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(2), bars=5)
    (songs / os.fsdecode(b"Caf\xe9. caf\xe9")).write_bytes(b"no music")
    (songs / os.fsdecode(b"Caf\xe9.zip")).write_bytes(b"no archive")
    (songs / "loop.mid").symlink_to("loop.mid")
    first = build_corpus([str(songs)], tmp_path / "out", SETTINGS)
    again = build_corpus([str(songs)], tmp_path / "out", SETTINGS, overwrite=True)
    assert first == again
    assert [skipped["name"] for skipped in first["skipped"]] == ["songs/Caf\\udce9.zip", "songs/loop.mid"]
    assert "symbolic links" in first["skipped"][1]["skipped"]
    assert len(open_corpus(tmp_path / "out")) == 4


def test_an_impossible_tempo_is_replaced_by_the_default(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(1), bars=5)
    path = songs / "song000.mid"
    content, usual = path.read_bytes(), b"\xff\x51\x03" + round(60e6 / 90).to_bytes(3, "big")
    assert usual in content
    path.write_bytes(content.replace(usual, b"\xff\x51\x03\x00\x00\x01"))
    build_corpus([str(songs)], tmp_path / "out", SETTINGS)
    assert open_corpus(tmp_path / "out").info(0).bpm == 120


def test_a_song_that_is_silent_in_the_metre_is_skipped(tmp_path: Path) -> None:
    score = song(0, bars=4, metre=(3, 4))
    for track in score.tracks:
        for note in track.notes:
            note.start += 8 * 4 * 480
    score.time_signatures.append(symusic.TimeSignature(8 * 4 * 480, 3, 4))
    score.time_signatures[0] = symusic.TimeSignature(0, 4, 4)
    (tmp_path / "songs").mkdir()
    score.dump_midi(str(tmp_path / "songs" / "late.mid"))
    out = tmp_path / "out"
    with pytest.raises(UserError, match=r"--min-tracks.*all its bars of that metre are silent"):
        build_corpus([str(tmp_path / "songs")], out, SETTINGS)
    assert not out.exists()  # a refused build leaves nothing


def test_a_corpus_is_built_in_an_empty_folder_alone(tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", range(2))
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r"songs is no corpus, but holds song000\.mid: give a new folder"):
            build_corpus(songs, songs, SETTINGS, overwrite=overwrite)
    with pytest.raises(UserError, match=r"song000\.mid is a file: give a folder"):
        build_corpus(songs, songs / "song000.mid", SETTINGS)
    assert sorted(path.name for path in songs.iterdir()) == ["song000.mid", "song001.mid"]
    out = tmp_path / "out"
    out.mkdir()
    (out / ".DS_Store").touch()  # hidden files don't count
    assert build_corpus(songs, out, SETTINGS)["counts"]["pieces"] == 2
    (out / "notes.txt").touch()
    assert build_corpus(songs, out, SETTINGS, overwrite=True)["counts"]["pieces"] == 2
    assert (out / "notes.txt").exists()
