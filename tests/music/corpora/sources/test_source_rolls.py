"""Read files of rolls: pypianoroll's format (Lakh Pianoroll Dataset) and MuseGAN's."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pypianoroll
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.errors import UserError
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources import musegan
from bgmusic.music.corpora.sources.base import Unreadable
from bgmusic.music.corpora.sources.lpd import decode_lpd
from bgmusic.music.corpora.sources.musegan import MuseganSource
from bgmusic.music.rolls.tracks import TrackSet

LPD5 = TrackSet.load("lpd-5")
NAMES = ("Drums", "Piano", "Guitar", "Bass", "Strings")
PROGRAMS = (0, 0, 24, 32, 48)


def multitrack(seed: int, bars: int = 6, resolution: int = 24) -> pypianoroll.Multitrack:
    """Make five random tracks of velocities, with a step of silence or more after each note."""
    rng = np.random.default_rng(seed)
    steps = bars * 4 * resolution
    tracks = []
    for name, program in zip(NAMES, PROGRAMS, strict=True):
        roll = np.zeros((steps, 128), np.uint8)
        for start in range(0, steps - resolution, resolution // 2):
            length = 2 if name == "Drums" else int(rng.integers(2, resolution // 2 - 1))
            roll[start : start + length, rng.integers(36, 90)] = rng.integers(1, 128)
        tracks.append(pypianoroll.StandardTrack(name, program, name == "Drums", roll))
    downbeat = np.zeros(steps, bool)
    downbeat[:: 4 * resolution] = True
    return pypianoroll.Multitrack("song", resolution, np.full((steps, 1), 95.0), downbeat, tracks)


def test_a_folder_of_the_lakh_pianoroll_dataset_is_read_in_full(tmp_path: Path) -> None:
    """Folders and files as in LPD, written by pypianoroll at 24 steps per beat."""
    songs = {f"A/B/C/TRABC{number}/song{number}": multitrack(number) for number in range(4)}
    for name, song in songs.items():
        (tmp_path / "lpd_5" / name).parent.mkdir(parents=True)
        pypianoroll.save(tmp_path / "lpd_5" / f"{name}.npz", song)
    meta = build_corpus([str(tmp_path / "lpd_5")], tmp_path / "out", Settings.create(LPD5, 24))
    assert (meta["counts"]["pieces"], meta["counts"]["skipped"]) == (4, 0)
    corpus = open_corpus(tmp_path / "out")
    assert len(corpus) == 4 * 3
    for index in range(len(corpus)):
        info = corpus.info(index)
        song = songs[info.source.removeprefix("lpd_5/").removesuffix(".npz")]
        assert info.bpm == pytest.approx(95.0)
        for number, track in enumerate(song.tracks):
            expected = track.pianoroll[info.bar * 96 : (info.bar + 4) * 96, 24:108] > 0
            found = corpus.roll(index).cells[number].reshape(-1, 84)
            if number == 0:  # drums are onsets: the first cell of each run
                expected = expected & ~np.pad(expected, ((1, 0), (0, 0)))[:-1]
            assert np.array_equal(found, expected)


@pytest.mark.parametrize("binary", [False, True])
def test_every_saved_track_has_its_notes(tmp_path: Path, binary: bool) -> None:
    song = multitrack(3)
    if binary:
        song = song.binarize()
    pypianoroll.save(tmp_path / "a.npz", song, compressed=not binary)
    decoded = decode_lpd((tmp_path / "a.npz").read_bytes())
    assert decoded.ticks_per_beat == 24
    assert decoded.parts == NAMES
    assert decoded.time_signatures.tolist() == [(0, 4, 4)]
    for number, track in enumerate(song.tracks):
        notes = decoded.notes[decoded.notes["part"] == number]
        again = np.zeros_like(track.pianoroll)
        for note in notes:
            again[note["onset"] : note["onset"] + note["duration"], note["pitch"]] = 1 if binary else note["velocity"]
        assert np.array_equal(again, track.pianoroll)
        assert set(notes["program"].tolist()) == {PROGRAMS[number]}
        assert set(notes["is_drum"].tolist()) == {number == 0}


def test_a_change_of_velocity_is_a_new_note() -> None:
    roll = np.zeros((24, 128), np.uint8)
    roll[0:6, 60], roll[6:12, 60] = 100, 90
    saved = io.BytesIO()
    pypianoroll.save(saved, pypianoroll.Multitrack(tracks=[pypianoroll.StandardTrack(pianoroll=roll)]))
    notes = decode_lpd(saved.getvalue()).notes
    assert notes[["onset", "duration", "velocity"]].tolist() == [(0, 6, 100), (6, 6, 90)]


def test_downbeats_give_metre_and_pickup() -> None:
    song = multitrack(0)
    song.downbeat = np.zeros(len(song.tempo), bool)
    song.downbeat[24::72] = True
    saved = io.BytesIO()
    pypianoroll.save(saved, song)
    decoded = decode_lpd(saved.getvalue())
    assert decoded.time_signatures.tolist() == [(0, 3, 4)]
    assert decoded.pickup == 24


def saved_parts() -> dict[str, object]:
    saved = io.BytesIO()
    pypianoroll.save(saved, multitrack(0, bars=1))
    with np.load(io.BytesIO(saved.getvalue())) as arrays:
        parts = {name: arrays[name] for name in arrays.files if name != "info.json"}
        return parts | {"info": json.loads(arrays["info.json"])}


def packed(parts: dict[str, object]) -> bytes:
    saved = io.BytesIO()
    np.savez(saved, **{name: array for name, array in parts.items() if name != "info"})  # type: ignore[arg-type]
    with zipfile.ZipFile(saved, "a") as archive:
        if "info" in parts:
            info = parts["info"]
            archive.writestr("info.json", info if isinstance(info, str | bytes) else json.dumps(info))
    return saved.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"info": None}, "no table"),
        ({"info": "{"}, "no pypianoroll file"),
        ({"info": "[" * 100_000}, "nested|pypianoroll"),
        ({"info": {"0": {"program": 0}}}, "resolution is 'None'"),
        ({"info": {"resolution": 24, "0": 7}}, "track 0 is not described"),
        ({"info": {"resolution": 24, "0": {"program": 900}}}, "program '900'"),
        ({"pianoroll_0_csc_shape": np.array([10**12, 128])}, "instead of"),
        ({"pianoroll_0_csc_shape": np.array([96, 64])}, "instead of"),
        ({"pianoroll_0_csc_indptr": np.arange(129)[::-1]}, "indices do not fit"),
        ({"pianoroll_0_csc_indptr": np.array([0, 10**9])}, "indices do not fit"),
        ({"pianoroll_0_csc_indices": np.array([0.5])}, "fractions"),
        ({"pianoroll_0_csc_data": np.array([{"an": "object"}], dtype=object)}, "instead of numbers"),
    ],
)
def test_damaged_files_are_unreadable(change: dict[str, object], message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        decode_lpd(packed(saved_parts() | change))


def test_an_array_that_claims_gigabytes_is_not_allocated() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40,)})
    parts = saved_parts()
    parts.pop("pianoroll_0_csc_data")
    saved = io.BytesIO(packed(parts))
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("pianoroll_0_csc_data.npy", header.getvalue())
    with pytest.raises(Unreadable, match="claims the shape"):
        decode_lpd(saved.getvalue())


def test_arbitrary_bytes_are_unreadable() -> None:
    whole = packed(saved_parts())
    for content in (b"", b"PK", whole[: len(whole) // 2], whole.replace(b"NUMPY", b"PICKL")):
        with pytest.raises(Unreadable):
            decode_lpd(content)


def musegan_data(seed: int, rolls: int = 12, tracks: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).random((rolls, 4, 48, 84, tracks)) < 0.02


def save_musegan(path: Path, data: np.ndarray) -> Path:
    """Save an array in MuseGAN's format: its shape, and the coordinates by ``nonzero``."""
    np.savez_compressed(path, shape=data.shape, nonzero=np.array(data.nonzero()))
    return path


def test_musegans_data_is_read_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musegan, "BLOCK", 1000)  # rolls straddle blocks
    data = musegan_data(0)
    data[3] = False  # a silent roll
    path = save_musegan(tmp_path / "train_x_lpd_5_phr.npz", data)
    meta = build_corpus([str(path)], tmp_path / "out", Settings.create(LPD5, 12, encoding="pause", min_grid_fit=0))
    assert meta["counts"]["phrases"] == 11
    assert [record["name"] for record in meta["skipped"]] == ["train_x_lpd_5_phr.npz/3"]
    corpus = open_corpus(tmp_path / "out")
    for index in range(len(corpus)):
        number = int(corpus.info(index).source.rpartition("/")[2])
        expected = data[number].transpose(3, 0, 1, 2).copy()
        flat = expected[0].reshape(-1, 84)
        flat[1:] &= ~data[number][..., 0].reshape(-1, 84)[:-1]  # drums are onsets
        assert np.array_equal(corpus.roll(index).cells, expected)


def test_musegans_data_at_another_resolution(tmp_path: Path) -> None:
    data = np.zeros((1, 4, 96, 84, 5), bool)
    data[0, :, 0:24, 40, 1:4] = True
    path = save_musegan(tmp_path / "a.npz", data)
    build_corpus([str(path)], tmp_path / "out", Settings.create(LPD5, 12))
    assert np.array_equal(
        open_corpus(tmp_path / "out").roll(0).cells[1:4], data[0, :, ::2, :, 1:4].transpose(3, 0, 1, 2)
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(st.sets(st.integers(0, 11), min_size=1), st.integers(0, 100))
def test_rolls_may_be_read_with_gaps(tmp_path_factory: pytest.TempPathFactory, chosen: set[int], seed: int) -> None:
    data = musegan_data(seed % 3)
    path = tmp_path_factory.getbasetemp() / f"gaps{seed % 3}.npz"
    if not path.exists():
        save_musegan(path, data)
    source = MuseganSource(path, "a")
    entries = list(source.entries())
    for number in sorted(chosen):
        cells = np.frombuffer(source.read(entries[number]), "<i4").reshape(-1, 4)
        assert cells[0].tolist() == [4, 48, 84, 5]
        assert np.array_equal(cells[1:].T, data[number].nonzero())


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 48, 84, 5), "MuseGAN's is"),
        ((2, 4, 48, 80, 5), "MuseGAN's is"),
        ((2, 4, 10**6, 84, 5), "more than is read"),
    ],
)
def test_unsupported_shapes_are_errors(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    np.savez(tmp_path / "a.npz", shape=shape, nonzero=np.zeros((5, 0), np.int64))
    with pytest.raises(UserError, match=message):
        MuseganSource(tmp_path / "a.npz", "a.npz")


@pytest.mark.parametrize(
    "nonzero",
    [
        np.array([[1, 0], [0, 0], [0, 0], [0, 0], [0, 0]]),
        np.array([[0], [9], [0], [0], [0]]),
        np.array([[0], [-1], [0], [0], [0]]),
        np.zeros((4, 3), np.int64),
        np.zeros((5, 3)),
    ],
)
def test_wrong_coordinates_are_unreadable(tmp_path: Path, nonzero: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", shape=(2, 4, 48, 84, 5), nonzero=nonzero)
    source = MuseganSource(tmp_path / "a.npz", "a.npz")
    for entry in source.entries():
        with pytest.raises(Unreadable):
            source.read(entry)


def test_another_number_of_tracks_is_an_error(tmp_path: Path) -> None:
    path = save_musegan(tmp_path / "a.npz", musegan_data(0, tracks=8))
    with pytest.raises(UserError, match="it has 8 tracks, the track set 5"):
        build_corpus([str(path)], tmp_path / "out", Settings.create(LPD5, 12))


@pytest.mark.parametrize("metre", [(4, 4), (3, 4), (6, 8), (2, 2), (7, 8), (1, 8)])
def test_musegans_data_in_any_metre(tmp_path: Path, metre: tuple[int, int]) -> None:
    bar = 12 * 4 * metre[0] // metre[1]
    rolls = np.zeros((2, 4, bar, 84, 5), bool)
    rolls[:, :, ::2, 40] = True
    np.savez(tmp_path / "rolls.npz", shape=rolls.shape, nonzero=np.array(rolls.nonzero()))
    build_corpus([str(tmp_path / "rolls.npz")], tmp_path / "out", Settings.create(LPD5, 12, metre=metre))
    corpus = open_corpus(tmp_path / "out")
    assert len(corpus) == 2
    assert np.array_equal(corpus.roll(0).cells, rolls[0].transpose(3, 0, 1, 2))


def crowded(tracks: int, cells: int, repeated: bool) -> bytes:
    """Return a small file whose tracks store very many cells."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        described = {str(number): {"program": 0, "is_drum": False, "name": "x"} for number in range(tracks)}
        archive.writestr("info.json", json.dumps({"resolution": 24, **described}))
        times = np.zeros(cells, np.int32) if repeated else np.arange(cells, dtype=np.int32)
        bounds = np.concatenate([[0], np.full(128, cells)])
        for number in range(tracks):
            parts = {"data": np.ones(cells, np.uint8), "indices": times, "indptr": bounds, "shape": (cells, 128)}
            for name, array in parts.items():
                with archive.open(f"pianoroll_{number}_csc_{name}.npy", "w") as member:
                    np.save(member, array)
    return file.getvalue()


@pytest.mark.slow
def test_many_cells_in_few_bytes_are_refused() -> None:
    assert len(decode_lpd(crowded(2, 1000, repeated=False)).notes) == 2
    with pytest.raises(Unreadable, match="more than 4,194,304 cells"):
        decode_lpd(crowded(3, 1_500_000, repeated=False))
    with pytest.raises(Unreadable, match="stores a cell twice"):
        decode_lpd(crowded(1, 1000, repeated=True))
