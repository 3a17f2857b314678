"""Find duplicates in any key and with any instruments, and keep them in one split."""

from pathlib import Path

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st
from music_maker import song

from bgmusic.errors import UserError
from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.duplicates import fingerprints, group_pieces
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.split import SPLITS, check_shares, parse_shares, split_of
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.tracks import TrackSet

LPD5 = TrackSet.load("lpd-5")


def groups(folder: Path, tmp_path: Path) -> dict[str, int]:
    meta = build_corpus([str(folder)], tmp_path / "out", Settings.create(LPD5, 12, min_tracks=1))
    for group in {piece["group"] for piece in meta["pieces"]}:
        assert len({piece["split"] for piece in meta["pieces"] if piece["group"] == group}) == 1
    return {Path(piece["name"]).stem: piece["group"] for piece in meta["pieces"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    song(1).dump_midi(str(tmp_path / "in" / "first.mid"))
    song(2).dump_midi(str(tmp_path / "in" / "second.mid"))
    return tmp_path / "in"


def test_copies_in_another_key_tempo_or_instrument_are_duplicates(folder: Path, tmp_path: Path) -> None:
    song(1).dump_midi(str(folder / "same.mid"))
    song(1, transpose=5).dump_midi(str(folder / "transposed.mid"))
    sound = song(1)
    sound.tracks[2].program = 40
    sound.tempos[0].qpm = 133.0
    sound.dump_midi(str(folder / "sound.mid"))
    found = groups(folder, tmp_path)
    assert len({found[name] for name in ("first", "same", "transposed", "sound")}) == 1
    assert found["second"] != found["first"]


def test_pieces_with_one_common_phrase_are_duplicates(folder: Path, tmp_path: Path) -> None:
    medley = song(3)
    for into, track in zip(medley.tracks, song(1, transpose=-3).tracks, strict=True):
        for note in track.notes:
            if 2 * 1920 <= note.start < 6 * 1920:
                into.notes.append(symusic.Note(note.start + 8 * 1920, note.duration, note.pitch, 90))
    medley.dump_midi(str(folder / "medley.mid"))
    found = groups(folder, tmp_path)
    assert found["medley"] == found["first"] != found["second"]


def test_a_repeated_chord_does_not_make_duplicates(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed in (1, 2):
        score = song(seed)
        for part, pitch in zip(score.tracks[1:], (48, 52, 55, 60), strict=True):
            for beat in range(16):
                part.notes.append(symusic.Note((32 + beat) * 480, 480, pitch, 90))
        score.dump_midi(str(tmp_path / "in" / f"{seed}.mid"))
    found = groups(tmp_path / "in", tmp_path)
    assert found["1"] != found["2"]


@settings(deadline=None, max_examples=25)
@given(shift=st.integers(-12, 12), later=st.integers(0, 5), seed=st.integers(0, 50))
def test_fingerprints_ignore_key_and_place(shift: int, later: int, seed: int) -> None:
    def prints(transpose: int, bars_later: int) -> set[int]:
        score = song(seed, bars=6, transpose=transpose)
        for track in score.tracks:
            for note in track.notes:
                note.start += bars_later * 1920
        piece = quantise(read_midi(score.dumps_midi()), LPD5, 12)
        return set(fingerprints(piece, piece.runs()).tolist())

    plain = prints(0, 0)
    assert len(plain) == 3
    assert plain <= prints(shift, later)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), max_size=40))
def test_groups_are_the_connected_components(pairs: list[tuple[int, int]]) -> None:
    owners = np.array([piece for piece, _ in pairs], np.int64)
    prints = np.array([value for _, value in pairs], np.uint64)
    batches = ((owners[prints % 3 == rest], prints[prints % 3 == rest]) for rest in range(3))
    groups_found = group_pieces(batches, 10)
    expected = list(range(10))
    for _ in range(10):
        for piece, value in pairs:
            for other, same in pairs:
                if value == same:
                    expected[piece] = expected[other] = min(expected[piece], expected[other])
    assert groups_found.tolist() == expected


def test_splits_have_their_shares_and_are_fixed() -> None:
    hashes = [f"{number:064x}" for number in range(3000)]
    shares = (0.7, 0.2, 0.1)
    splits = [split_of(sha, shares) for sha in hashes]
    for name, share in zip(SPLITS, shares, strict=True):
        assert splits.count(name) / 3000 == pytest.approx(share, abs=0.03)
    # The split depends on the hash of the piece alone, so it never changes.
    assert [split_of(sha, (0.8, 0.1, 0.1)) for sha in hashes[:6]] == splits_of_the_first_six


splits_of_the_first_six = ["train"] * 6


@pytest.mark.parametrize("text", ["", "1", "0.5,0.5", "0.5,0.6,-0.1", "a,b,c", "nan,0,1", "0.9,0.2,0.1"])
def test_invalid_shares_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="splits"):
        parse_shares(text)
    assert check_shares((1.0, 0.0, 0.0)) == (1.0, 0.0, 0.0)
