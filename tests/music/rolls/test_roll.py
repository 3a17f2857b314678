"""Rolls: exact round trips in the lossless encoding, counted losses in the pause encoding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wild import phrases, wild_notes

from bgmusic.errors import UserError
from bgmusic.files import data_dir
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls.encodings import encoding_loss
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.interop.note_rows import notes_from_rows
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

LPD_5 = TrackSet.load("lpd-5")
FREEDOOM = sorted((data_dir() / "midi" / "freedoom").glob("*.mid"))


def roll_of(rows, encoding="onset", bars=1, steps=16):
    return Roll.from_notes(notes_from_rows(rows), LPD_5, 4, bars, steps, encoding)


def rows_of(roll):
    return [tuple(row) for row in roll.notes().tolist()]


def test_a_held_note_and_two_repeated_ones_differ():
    for encoding in ("onset", "pause"):
        held, twice = roll_of([(1, 0, 4, 60)], encoding), roll_of([(1, 0, 2, 60), (1, 2, 2, 60)], encoding)
        assert not np.array_equal(held.channels(), twice.channels())
        assert len(held.notes()) == 1
        assert len(twice.notes()) == 2


def test_the_pause_encoding_separates_repeated_notes():
    roll = roll_of([(1, 0, 2, 60), (1, 2, 2, 60), (1, 4, 1, 60), (1, 5, 2, 60)], "pause")
    assert roll.onsets is None
    assert roll.cells[1, 0, :8, 60 - 24].tolist() == [True, False, True, False, True, True, True, False]
    loss = encoding_loss(roll_of([(1, 0, 2, 60), (1, 2, 2, 60), (1, 4, 1, 60), (1, 5, 2, 60)]).notes(), LPD_5, "pause")
    assert (loss.notes, loss.shortened, loss.fused, loss.lost) == (4, 2, 1, 0.75)


def test_drums_need_no_pause():
    hits = [(0, step, 1, 36) for step in range(16)]
    assert rows_of(roll_of(hits, "pause")) == hits
    assert encoding_loss(notes_from_rows(hits), LPD_5, "pause").lost == 0


@settings(deadline=None)
@given(wild_notes())
def test_any_notes_round_trip(rows):
    notes = notes_from_rows(rows)
    roll = Roll.from_notes(notes, LPD_5, 4, 2, 16, "onset")
    assert np.array_equal(roll.notes(), notes)
    assert np.array_equal(Roll.from_channels(roll.channels(), LPD_5, 4, "onset").notes(), notes)
    assert encoding_loss(notes, LPD_5, "onset").lost == 0
    # The counted losses of the pause encoding are the notes that do not survive it.
    back = Roll.from_notes(notes, LPD_5, 4, 2, 16, "pause").notes()
    loss = encoding_loss(notes, LPD_5, "pause")
    assert len(back) == len(notes) - loss.fused
    lost = len(set(notes.tolist()) - set(back.tolist()))
    assert loss.shortened <= lost <= loss.fused * 2 + loss.shortened


@settings(deadline=None)
@given(phrases())
def test_any_cells_round_trip_through_notes(roll):
    notes = roll.notes()
    again = Roll.from_notes(notes, LPD_5, roll.resolution, roll.bars, roll.steps, roll.encoding)
    assert np.array_equal(again.notes(), notes)
    tuned = [not track.is_drum for track in LPD_5.tracks]
    on = roll.cells if roll.onsets is None else roll.cells | roll.onsets
    assert np.array_equal(again.cells[tuned], on[tuned])
    if roll.encoding == "pause":
        assert np.array_equal(again.cells, on)


@settings(deadline=None, max_examples=30)
@given(phrases())
def test_any_roll_round_trips_through_midi(tmp_path_factory, roll):
    if not roll.cells.any() and roll.onsets is None:
        return
    path = tmp_path_factory.mktemp("roll") / "roll.mid"
    write_midi(roll, path, bpm=90)
    if not len(roll.notes()):
        return
    song = read_midi(path)
    piece = quantise(song, _as_played(LPD_5), roll.resolution)
    assert np.array_equal(piece.notes, roll.notes())
    assert piece.losses.moved == piece.losses.cut == piece.losses.merged == 0
    assert song.ticks_per_beat % roll.resolution == 0
    assert song.bpm == pytest.approx(90)
    programs = {track.name: (track.program, track.is_drum) for track in LPD_5.tracks}
    for part, name in enumerate(song.parts):
        mine = song.notes[song.notes["part"] == part]
        assert {(n["program"], n["is_drum"]) for n in mine} <= {programs[name]}


def _as_played(tracks: TrackSet) -> TrackSet:
    assert [tracks.assign(t.program, t.is_drum) for t in tracks.tracks] == list(range(len(tracks)))
    return tracks


@pytest.mark.parametrize("path", FREEDOOM[::2], ids=lambda path: path.stem)
def test_real_songs_round_trip_through_rolls_and_midi(path, tmp_path):
    piece = quantise(read_midi(path), LPD_5, 12)
    for first in piece.phrase_starts(4, hop=4).tolist():
        roll = Roll.from_phrase(piece, first, 4)
        begin, end = piece.bar_starts[[first, first + 4]].tolist()
        # The notes of these bars, cut at their edges, by hand.
        expected = [
            (track, max(onset, begin) - begin, min(onset + length, end) - max(onset, begin), pitch)
            for track, onset, length, pitch in piece.notes.tolist()
            if onset < end and onset + length > begin
        ]
        assert sorted(rows_of(roll)) == sorted(expected)
    whole = np.diff(piece.bar_starts)
    if (whole == whole[0]).all():
        roll = Roll.from_phrase(piece)
        write_midi(roll, tmp_path / "song.mid")
        again = quantise(read_midi(tmp_path / "song.mid"), LPD_5, 12)
        assert np.array_equal(again.notes, piece.notes)


def sound_of(song, scale):
    columns = ["onset", "duration", "pitch", "velocity", "program", "is_drum"]
    return sorted((onset * scale, length * scale, *rest) for onset, length, *rest in song.notes[columns].tolist())


def test_real_songs_round_trip_through_midi(tmp_path):
    for path in FREEDOOM[::9]:
        song = read_midi(path)
        write_midi(song, tmp_path / "song.mid")
        again = read_midi(tmp_path / "song.mid")
        scale = again.ticks_per_beat // song.ticks_per_beat
        assert sound_of(again, 1) == sound_of(song, scale)
        assert again.time_signatures["numerator"].tolist() == song.time_signatures["numerator"].tolist()


def test_a_note_held_into_a_phrase_has_no_onset_there():
    piece_rows = notes_from_rows([(1, 0, 20, 60)])
    piece_rows["onset"] -= 16
    roll = Roll.from_notes(piece_rows, LPD_5, 4, 1, 16, "onset")
    assert roll.cells[1, 0, :4, 36].all()
    assert not roll.onsets.any()
    assert rows_of(roll) == [(1, 0, 4, 60)]


def test_wrong_shapes_are_refused():
    with pytest.raises(UserError, match=r"\(5, bars, steps, 84\), not \(4, 1, 16, 84\)"):
        Roll(LPD_5, 4, np.zeros((4, 1, 16, 84), dtype=bool))
    with pytest.raises(UserError, match="onsets of shape"):
        Roll(LPD_5, 4, np.zeros((5, 1, 16, 84), dtype=bool), np.zeros((5, 1, 8, 84), dtype=bool))
    with pytest.raises(UserError, match="cells"):
        Roll.from_notes(notes_from_rows([]), LPD_5, 4, 1 << 20, 16)
    with pytest.raises(UserError, match="in track 7"):
        roll_of([(7, 0, 1, 60)])
    with pytest.raises(UserError, match="not all within"):
        Roll.from_phrase(quantise(read_midi(FREEDOOM[0]), LPD_5, 12), 0, 1000)


@pytest.mark.parametrize(
    "rows", [[(0, 0, 1)], [(0, 0, 0, 60)], [(0, -1, 1, 60)], [(0, 0, 1, 128)], [("x", 0, 1, 2)], [(99, 0, 1, 2)]]
)
def test_invalid_note_lists_are_refused(rows):
    with pytest.raises(UserError, match="note"):
        notes_from_rows(rows)
    assert len(notes_from_rows([])) == 0


@given(st.sampled_from([(12, 48, (4, 4)), (12, 42, (7, 8)), (4, 12, (3, 4)), (24, 144, (6, 4)), (5, 7, None)]))
def test_the_song_of_a_roll_has_its_metre(case):
    resolution, steps, metre = case
    roll = Roll(LPD_5, resolution, np.zeros((5, 1, steps, 84), dtype=bool))
    rows = roll.to_song().time_signatures.tolist()
    assert rows == ([(0, *metre)] if metre else [])


@pytest.mark.parametrize("encoding", ["onset", "pause"])
def test_a_long_drum_note_is_one_hit(encoding):
    assert rows_of(roll_of([(0, 2, 4, 36)], encoding)) == [(0, 2, 1, 36)]
