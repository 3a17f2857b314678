"""Test the given track of an accompaniment: how it is found and read, its remarks, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import bgmusic, refusal
from melodies import BEAT, Rows, melody, notes_of, song_of
from midi_maker import midi, off, on, track
from tiny_runs import SATB

from bgmusic.errors import UserError
from bgmusic.music.composing.given import extract_given, read_given, track_number
from bgmusic.music.composing.write_back import with_accompaniment
from bgmusic.music.midi.pedal import sounding_ends
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import NOTE, Song
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.sound.controllers import level_factors


def test_tracks_are_found_by_name_and_number() -> None:
    tracks = SATB.track_set
    assert [track_number(name, tracks) for name in ("Soprano", " bASS", "2", "tenore", "b.")] == [0, 3, 2, 2, 3]
    for name in ("4", "-1", "violin", "", "1e1"):
        with pytest.raises(UserError, match=r"Soprano \(0\), Alto \(1\)"):
            track_number(name, tracks)


def test_remarks_count_the_notes_and_bars_that_do_not_fit(choir: Path, tmp_path: Path) -> None:
    rows: Rows = [
        (0, BEAT, 60, 80, 0, False, 0),
        (BEAT + 7, BEAT, 62, 80, 0, False, 0),
        (2 * BEAT, BEAT, 90, 80, 0, False, 0),
        (13 * BEAT, BEAT, 64, 80, 0, False, 0),
    ]
    file = tmp_path / "song.mid"
    write_midi(song_of(rows, ("s",), [(0, 4, 4), (4 * BEAT, 3, 4)]), file)
    given = read_given(file, SATB, 0)
    assert given.bars == 1
    for remark, number, phrase in zip(given.remarks, "114", ("57 to 81", "grid", "bars"), strict=True):
        assert remark.startswith(number)
        assert phrase in remark
    out = tmp_path / "out"
    assert bgmusic("accompany", choir, file, "--given", "s", "--format", "mid", "--out", out) == 0
    assert {note[:3] for note in notes_of(out / "accompaniment-0000.mid", "Soprano")} == {
        (onset, onset + length, pitch) for onset, length, pitch, *_ in rows
    }


def test_a_part_that_is_taken_by_its_place_is_named(tmp_path: Path) -> None:
    rows: Rows = [row for part in range(4) for row in melody(np.random.default_rng(0), 8, 66, 74, part)]
    for parts, said in ((("Flute", "Oboe", "Horn", "Bassoon"), True), (("Soprano", "Alto", "Tenor", "Bass"), False)):
        write_midi(song_of(rows, parts, [(0, 4, 4)]), tmp_path / "song.mid")
        remarks = read_given(tmp_path / "song.mid", SATB, 0).remarks
        assert any("no part is named Soprano: Flute is taken" in remark for remark in remarks) == said


@pytest.mark.parametrize(("division", "resolution"), [(7, 4), (1, 12), (96, 4), (1000, 7), (32767, 12)])
def test_the_given_track_keeps_its_ticks_at_any_division(tmp_path: Path, division: int, resolution: int) -> None:
    """Composed notes lie at their exact position if the division allows, else at the nearest tick."""
    shape = RollShape(track_set="satb", resolution=resolution, bars=1, steps=4 * resolution, encoding="onset")
    notes = np.array([(0, 4 * division, 60, 80, 0, False, 0)], dtype=NOTE)
    song = Song(division, notes, parts=("Soprano",))
    given = extract_given(song, shape, 0)
    assert given.stretches == ((0, 1),)
    cells = np.zeros((4, 1, 4 * resolution, 48), np.bool_)
    cells[1, 0, 3:5, 24] = True
    path = tmp_path / "written.mid"
    write_midi(with_accompaniment(given, [Roll(shape.track_set, resolution, cells, cells & False)]), path)
    back = read_midi(path)
    beat = back.ticks_per_beat
    assert (back.notes["onset"][0], back.notes["duration"][0]) == (0, 4 * beat)
    (alto,) = back.notes[back.notes["pitch"] == 60][1:] if len(back.notes) > 1 else back.notes[:0]
    assert abs(alto["onset"] - 3 * beat / resolution) < max(1, beat / division)
    if division != 32767:
        assert alto["onset"] * resolution == 3 * beat


@pytest.mark.parametrize(
    ("given", "parts", "metre", "changes", "phrase"),
    [
        ("Soprano", ("Flute", "Oboe"), 4, {}, "Flute, Oboe"),
        ("Alto", ("Flute",), 3, {}, "no complete bar of 4 beats"),
        ("Bass", ("Flute",), 4, {}, "Bass"),
        ("Soprano", ("kit",), 4, {"is_drum": True}, "drums"),
        ("Violin", ("Flute",), 4, {}, "'Violin'"),
    ],
    ids=str,
)
def test_files_without_the_given_track_are_refused(
    choir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: str,
    parts: tuple[str, ...],
    metre: int,
    changes: dict[str, Any],
    phrase: str,
) -> None:
    rng = np.random.default_rng(0)
    rows = [row for part in range(len(parts)) for row in melody(rng, 8, 66, 74, part)]
    song = song_of(rows, parts, [(0, metre, 4)])
    for name, value in changes.items():
        song.notes[name] = value
    file = tmp_path / "song.mid"
    write_midi(song, file)
    out = tmp_path / "refused"
    assert phrase in refusal(capsys, "accompany", choir, file, "--given", given, "--out", out)
    assert not out.exists()


def test_controllers_of_the_channel_are_kept_from_other_tracks(choir: Path, tmp_path: Path) -> None:
    """A pedal in a track of its own holds the given track's notes in the accompaniment as well."""
    held = (0, b"\xb0\x40\x7f")
    tune = [event for pitch in range(60, 76) for event in ((0, on(pitch)), (480, off(pitch)))]
    name = (0, b"\xff\x03\x07Soprano")
    other = track([held, (0, b"\xb0\x07\x20"), (0, on(40)), (480, off(40)), (15 * 480, b"\xb0\x40\x00")])
    file = tmp_path / "song.mid"
    file.write_bytes(midi(track([name, *tune]), other, track([(0, on(50, 3)), (480, off(50, 3))])))
    source = read_midi(file, controls=True)
    out = tmp_path / "out"
    assert bgmusic("accompany", choir, file, "--given", "Soprano", "--format", "mid", "--out", out) == 0
    result = read_midi(out / "accompaniment-0000.mid", controls=True)
    songs = []
    for song in (source, result):
        chosen = song.notes["part"] == song.parts.index("Soprano")
        songs.append((sounding_ends(song)[chosen].tolist(), level_factors(song)[chosen].tolist()))
    assert songs[0] == songs[1]
    assert songs[0][1] == pytest.approx([0.32**2] * 16)
    # The composed parts have channels of their own, without these controllers.
    others = result.notes["part"] != result.parts.index("Soprano")
    assert set(level_factors(result)[others].tolist()) <= {1.0}
