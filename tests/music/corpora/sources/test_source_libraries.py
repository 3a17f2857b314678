"""Read music21's corpora, and muspy's datasets (here a local one, without a network)."""

import urllib.error
from pathlib import Path

import muspy
import numpy as np
import pytest
import symusic
from music21 import corpus as music21_corpus
from music21 import key, meter, note, stream, tie

from bgmusic.errors import UserError
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources.base import Unreadable
from bgmusic.music.corpora.sources.music21_corpus import Music21Source, decode_music21, song_of_score
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.tracks import TrackSet

SATB = TrackSet.load("satb")
LPD5 = TrackSet.load("lpd-5")


def score(bars: int = 5, pickup: bool = True, last: float = 3.0) -> stream.Score:
    """Make four parts in quarter notes, with a pickup of one, ties over the bar lines, and a short last bar."""
    whole = stream.Score()
    for name, pitch in (("Soprano", 72), ("Alto", 65), ("Tenor", 57), ("Bass", 48)):
        part = stream.Part()
        part.partName = name
        for number in range(bars + 1 if pickup else bars):
            measure = stream.Measure(number)
            length = 1.0 if pickup and not number else last if number == (bars if pickup else bars - 1) else 4.0
            for beat in range(int(length)):
                sound = note.Note(pitch + beat, quarterLength=1.0)
                if beat == 3:
                    sound.tie = tie.Tie("start")
                if beat == 0 and number > 1:
                    sound = note.Note(pitch + 3, quarterLength=1.0)
                    sound.tie = tie.Tie("stop")
                measure.append(sound)
            if not number:
                measure.insert(0, meter.TimeSignature("4/4"))
                measure.insert(0, key.Key("g"))
            part.append(measure)
        whole.insert(0, part)
    return whole


def test_pickup_ties_key_and_last_bar() -> None:
    song = song_of_score(score())
    beat = song.ticks_per_beat
    assert song.parts == ("Soprano", "Alto", "Tenor", "Bass")
    assert song.pickup == beat
    assert song.key_signatures.tolist() == [(0, -2, True)]
    assert song.time_signatures.tolist() == [(0, 4, 4), (17 * beat, 3, 4)]
    soprano = song.notes[song.notes["part"] == 0]
    assert (soprano["duration"] // beat).tolist() == [1, 1, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1]
    piece = quantise(song, SATB, 4)
    assert piece.runs() == [(1, 5)]
    assert piece.phrase_starts(4).tolist() == [1]


def test_without_a_pickup_the_first_bar_is_full() -> None:
    piece = quantise(song_of_score(score(bars=4, pickup=False, last=4.0)), SATB, 4)
    assert piece.runs() == [(0, 4)]


@pytest.mark.slow
def test_a_chorale_of_the_corpus(tmp_path: Path) -> None:
    """Compare every note with music21's, for a chorale with a pickup and one without."""
    for name in ("bwv10.7.mxl", "bwv101.7.mxl"):
        path = next(p for p in music21_corpus.getComposer("bach") if Path(p).name == name)
        song, content = decode_music21(str(path).encode())
        assert content == Path(path).read_bytes()
        for number, part in enumerate(music21_corpus.parse(f"bach/{name}").parts):
            expected = [
                (float(n.offset), float(n.quarterLength), n.pitch.midi) for n in part.stripTies().flatten().notes
            ]
            notes = song.notes[song.notes["part"] == number]
            found = np.stack([notes["onset"] / song.ticks_per_beat, notes["duration"] / song.ticks_per_beat], axis=1)
            assert [
                (*times, pitch) for times, pitch in zip(map(tuple, found.tolist()), notes["pitch"], strict=True)
            ] == (expected)


def test_a_work_in_several_formats_is_read_once() -> None:
    names = [entry.name for entry in Music21Source("bach").entries()]
    assert "music21/bach/bwv366.mxl" in names
    assert "music21/bach/bwv366.krn" not in names
    assert names == sorted(names)


def test_a_damaged_score_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.mxl").write_bytes(b"no music")
    with pytest.raises(Unreadable, match="music21: "):
        decode_music21(str(tmp_path / "a.mxl").encode())


class LocalDataset(muspy.RemoteFolderDataset):
    """A muspy dataset of MIDI files that are already in a folder."""

    _info = muspy.DatasetInfo("Local")
    _sources = {"local": {"filename": "none.zip", "url": "http://127.0.0.1:9/none.zip", "archive": True}}  # noqa: RUF012
    _extension = "mid"

    def read(self, filename: str | Path) -> muspy.Music:
        return muspy.read_midi(self.root / filename)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    known = muspy.get_dataset

    def get_dataset(name: str) -> object:
        return LocalDataset if name == "local" else known(name)

    monkeypatch.setattr(muspy, "get_dataset", get_dataset)


def write_song(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = symusic.Score(480)
    for name, program in (("Piano", 0), ("Guitar", 25), ("Bass", 33)):
        track = symusic.Track(name, program, False)
        for beat in range(20):
            track.notes.append(symusic.Note(beat * 480, 240, int(rng.integers(40, 80)), 90))
        made.tracks.append(track)
    made.dump_midi(str(path))


@pytest.mark.usefixtures("local")
def test_a_muspy_dataset(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / ".muspy.success").touch()
    for number in range(3):
        write_song(root / f"{number}.mid", number)
    (root / "3.mid").write_bytes(b"broken")
    meta = build_corpus([f"muspy:local={root}"], tmp_path / "out", Settings.create(LPD5, 12))
    assert [piece["name"] for piece in meta["pieces"]] == ["muspy/local/0", "muspy/local/1", "muspy/local/2"]
    assert "muspy: " in meta["skipped"][0]["skipped"]
    assert meta["sources"] == ["muspy:local"]
    corpus = open_corpus(tmp_path / "out")
    assert len(corpus) == 6
    onsets = corpus.roll(0).onsets
    assert onsets is not None
    assert onsets.sum() == 3 * 16


@pytest.mark.usefixtures("local")
def test_a_failed_download_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("muspy.datasets.base.download_url", offline)
    with pytest.raises(UserError, match=r"muspy:local is not in .* and can't be downloaded: .*no network"):
        build_corpus([f"muspy:local={tmp_path / 'new'}"], tmp_path / "out", Settings.create(LPD5, 12))
    with pytest.raises(UserError, match="music21:bach"):
        build_corpus(["muspy:music21"], tmp_path / "out", Settings.create(LPD5, 12))
