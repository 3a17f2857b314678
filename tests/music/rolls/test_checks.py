"""Wrong types, dtypes and shapes raise errors; they never give wrong results."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from wild import LPD_5, phrases, wild_notes

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.midi.song import NOTE, Song, table
from bgmusic.music.midi.write import song_bytes
from bgmusic.music.rolls.encodings import encoding_loss, note_begins, with_pauses
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.grid_fit import grid_fit
from bgmusic.music.rolls.interop.musegan import from_musegan
from bgmusic.music.rolls.interop.note_rows import notes_from_rows
from bgmusic.music.rolls.metre import parse_metre, steps_per_bar
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.steps import to_steps, without_overlaps
from bgmusic.music.rolls.tracks import Track, TrackSet

SHAPE = (5, 1, 16, 84)
CELLS = np.zeros(SHAPE, dtype=np.bool_)
BATCH = np.zeros((2, *SHAPE), dtype=np.bool_)
SONG = Song(480, table(NOTE, [(0, 480, 60, 64, 0, False, 0)]), parts=("",))
NOTES = notes_from_rows([(1, 0, 4, 60)])


def song_of(**values):
    row = {"onset": 0, "duration": 4, "pitch": 60, "velocity": 64, "program": 0, "is_drum": False, "part": 0} | values
    return Song(4, table(NOTE, [tuple(row.values())]), parts=("",))


def int_column(*values):
    return np.array(values, dtype=np.int64)


WRONG_TYPES = {
    "float cells": lambda: Roll(LPD_5, 4, CELLS.astype(np.float32)),
    "integer cells": lambda: Roll(LPD_5, 4, CELLS.astype(np.uint8)),
    "cells as tensor": lambda: Roll(LPD_5, 4, torch.zeros(SHAPE, dtype=torch.bool)),
    "cells as list": lambda: Roll(LPD_5, 4, CELLS.tolist()),
    "float onsets": lambda: Roll(LPD_5, 4, CELLS, CELLS.astype(np.float32)),
    "float resolution": lambda: Roll(LPD_5, 4.0, CELLS),
    "boolean resolution": lambda: Roll(LPD_5, True, CELLS),
    "float phrases": lambda: Phrases(LPD_5, 4, BATCH.astype(np.float64)),
    "phrases as tensor": lambda: Phrases(LPD_5, 4, torch.zeros((2, *SHAPE), dtype=torch.bool)),
    "float onsets of phrases": lambda: Phrases(LPD_5, 4, BATCH, BATCH * 1.0),
    "pieces as list": lambda: Phrases(LPD_5, 4, BATCH, None, [0, 1]),
    "float pieces": lambda: Phrases(LPD_5, 4, BATCH, None, np.zeros(2)),
    "notes of a song": lambda: Roll.from_notes(SONG.notes, LPD_5, 4, 1, 16),
    "rows as notes": lambda: Roll.from_notes([(1, 0, 4, 60)], LPD_5, 4, 1, 16),
    "float channels": lambda: Roll.from_channels(CELLS * 1.0, LPD_5, 4, "pause"),
    "text as MuseGAN's array": lambda: from_musegan(np.full((1, 1, 1, 84, 5), "x"), LPD_5, 4),
    "float resolution of a grid": lambda: quantise(SONG, LPD_5, 4.0),
    "text as metre": lambda: quantise(SONG, LPD_5, 4, metre="4/4"),
    "float metre": lambda: quantise(SONG, LPD_5, 4, default_metre=(4.0, 4)),
    "float resolution of a fit": lambda: grid_fit(SONG, 4.5),
    "float ticks": lambda: to_steps(np.array([1.5]), 480, 4),
    "float columns": lambda: without_overlaps(*[np.array([1.0])] * 4),
    "rows as song": lambda: Song(480, np.zeros((1, 7))),
    "float ticks per beat": lambda: Song(480.0, SONG.notes),
    "tempos as list": lambda: Song(480, SONG.notes, tempos=[(0, 120.0)]),
    "names as tracks": lambda: TrackSet("x", ("Piano",)),
    "float pitches": lambda: TrackSet("x", (Track("Piano", 0),), low=24.0),
    "float numbers": lambda: corpus_phrases(open_corpus("bach"), np.array([0.0])),
}
WRONG_VALUES = {
    "three axes": lambda: Roll(LPD_5, 4, CELLS[0]),
    "five axes": lambda: Roll(LPD_5, 4, BATCH),
    "another track set": lambda: Roll(TrackSet.load("satb"), 4, CELLS),
    "no bars": lambda: Roll(LPD_5, 4, CELLS[:, :0]),
    "no steps": lambda: Roll(LPD_5, 4, CELLS[:, :, :0]),
    "resolution 0": lambda: Roll(LPD_5, 0, CELLS),
    "an unknown encoding": lambda: Roll(LPD_5, 4, CELLS).encoded("other"),
    "an unknown encoding of notes": lambda: Roll.from_notes(NOTES, LPD_5, 4, 1, 16, "other"),
    "an unknown encoding of channels": lambda: Roll.from_channels(CELLS, LPD_5, 4, "other"),
    "an unknown encoding of phrases": lambda: Phrases(LPD_5, 4, BATCH).encoded("other"),
    "pieces of another length": lambda: Phrases(LPD_5, 4, BATCH, None, np.zeros(3, dtype=np.int64)),
    "no phrases": lambda: Phrases(LPD_5, 4, BATCH[:0]),
    "rolls of two resolutions": lambda: stack_rolls([Roll(LPD_5, 4, CELLS), Roll(LPD_5, 2, CELLS)]),
    "rolls of two encodings": lambda: stack_rolls([Roll(LPD_5, 4, CELLS, CELLS), Roll(LPD_5, 4, CELLS)]),
    "rolls of two lengths": lambda: stack_rolls([Roll(LPD_5, 4, CELLS), Roll(LPD_5, 4, CELLS[:, :, :8])]),
    "fractions in rows": lambda: notes_from_rows([(1, 0.5, 4, 60)]),
    "columns of two lengths": lambda: without_overlaps(*[int_column(1)] * 3, int_column(2, 3)),
    "a pitch of 128": lambda: without_overlaps(*map(int_column, (0, 128, 0, 1))),
    "a track of 64": lambda: without_overlaps(*map(int_column, (64, 60, 0, 1))),
    "a negative onset": lambda: without_overlaps(*map(int_column, (0, 60, -1, 1))),
    "an end before the onset": lambda: without_overlaps(*map(int_column, (0, 60, 3, 3))),
    "a metre of 0": lambda: steps_per_bar((0, 4), 4),
    "a denominator of 0": lambda: quantise(SONG, LPD_5, 4, metre=(4, 0)),
    "a denominator of 3": lambda: parse_metre("4/3"),
    "resolution 481": lambda: quantise(SONG, LPD_5, 481),
    "0 ticks per beat": lambda: Song(0, SONG.notes),
    "a written pitch of 200": lambda: song_bytes(song_of(pitch=200)),
    "a written velocity of 200": lambda: song_bytes(song_of(velocity=200)),
    "a written program of 130": lambda: song_bytes(song_of(program=130)),
    "a written onset of -4": lambda: song_bytes(song_of(onset=-4)),
    "a pitch of 200": lambda: quantise(song_of(pitch=200), LPD_5, 4),
    "a program of 128": lambda: quantise(song_of(program=128), LPD_5, 4),
    "an onset of -4": lambda: quantise(song_of(onset=-4), LPD_5, 4),
    "a part of -1": lambda: quantise(song_of(part=-1), TrackSet.load("satb"), 4),
    "an unknown rule": lambda: TrackSet("x", (Track("Piano", 0),), by="colour"),
    "a phrase past the end": lambda: corpus_phrases(open_corpus("bach"), np.array([10**6])),
    "a negative phrase": lambda: corpus_phrases(open_corpus("bach"), np.array([-1])),
}


@pytest.mark.parametrize("call", WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_wrong_types_are_type_errors(call):
    with pytest.raises(TypeError) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("call", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_wrong_values_are_user_errors(call):
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_overlapping_notes_and_notes_without_length_are_refused():
    notes = np.concatenate([NOTES, NOTES])
    notes["onset"][1] = 2
    for encoding in ("onset", "pause"):
        with pytest.raises(UserError, match="overlap"):
            Roll.from_notes(notes, LPD_5, 4, 1, 16, encoding)
        empty = NOTES.copy()
        empty["duration"] = 0
        with pytest.raises(UserError, match="duration of 0"):
            Roll.from_notes(empty, LPD_5, 4, 1, 16, encoding)


def test_small_integer_types_do_not_overflow():
    assert to_steps(np.array([30_000], dtype=np.int16), 480, 480).tolist() == [30_000]
    columns = (np.array([value], dtype=np.uint8) for value in (63, 127, 200, 201))
    assert without_overlaps(*columns)[0].tolist() == [(63, 200, 1, 127)]


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(
        dtype=st.sampled_from([np.bool_, np.uint8, np.int64, np.float32, np.complex64, np.dtype("U1")]),
        shape=arrays.array_shapes(min_dims=0, max_dims=6, max_side=5),
    )
)
def test_any_array_is_a_roll_or_an_error(cells):
    tracks = TrackSet("one", (Track("Piano", 0),), low=60, pitches=3)
    for make in (Roll, Phrases):
        try:
            made = make(tracks, 4, cells)
        except (TypeError, UserError):
            continue
        assert cells.dtype == np.bool_
        assert cells.ndim == (4 if make is Roll else 5)
        assert made.encoded("onset").encoding == "onset"


@settings(deadline=None, max_examples=40)
@given(st.lists(phrases(), min_size=1, max_size=2))
def test_batches_convert_as_their_rolls_do(rolls):
    rolls = [roll for roll in rolls if (roll.cells.shape, roll.encoding) == (rolls[0].cells.shape, rolls[0].encoding)]
    rolls = [roll for roll in rolls if roll.resolution == rolls[0].resolution]
    batch = stack_rolls(rolls)
    for index, roll in enumerate(rolls):
        assert np.array_equal(batch.encoded("onset").roll(index).notes(), roll.encoded("onset").notes())
        drums = batch.encoded("pause").cells[index, LPD_5.drums]
        assert np.array_equal(drums, roll.encoded("pause").cells[LPD_5.drums])


@settings(deadline=None, max_examples=40)
@given(phrases())
def test_numpy_and_torch_agree(roll):
    from bgmusic.music.corpora.loader import pauses
    from bgmusic.music.judging import metrics

    cells, drums = roll.cells[None], LPD_5.drums
    onsets = None if roll.onsets is None else roll.onsets[None]
    tensors = [None if array is None else torch.from_numpy(array) for array in (cells, onsets)]
    expected = metrics.note_begins(*tensors, torch.from_numpy(drums))
    assert np.array_equal(note_begins(cells, onsets, drums), expected.numpy())
    if onsets is not None:
        expected = pauses(tensors[0] | tensors[1], tensors[1], drums.tolist())
        pitched = ~drums
        assert np.array_equal(with_pauses(cells | onsets, onsets, drums)[:, pitched], expected.numpy()[:, pitched])


@settings(deadline=None, max_examples=40)
@given(wild_notes())
def test_encoding_loss_counts_what_the_pause_encoding_changes(rows):
    notes = notes_from_rows(rows)
    loss = encoding_loss(notes, LPD_5, "pause")
    read = Roll.from_notes(notes, LPD_5, 4, 2, 16, "pause").notes()
    assert len(read) == len(notes) - loss.fused


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 3000), st.integers(1, 60))
def test_spread_keeps_the_ends_and_the_order(count, most):
    tracks = TrackSet("one", (Track("Piano", 0),), low=60, pitches=1)
    batch = Phrases(tracks, 1, np.zeros((count, 1, 1, 1, 1), np.bool_), None, np.arange(count))
    chosen = batch.spread(most).pieces
    if count <= most:
        assert len(chosen) == count
        return
    expected = torch.linspace(0, count - 1, most, dtype=torch.float64).long()
    assert chosen.tolist() == expected.tolist()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_values_are_a_track_set_or_one_line(data):
    values = TrackSet.load("lpd-5").to_dict()
    track = data.draw(st.sampled_from(values["tracks"]))
    for target in (values, track):
        if data.draw(st.booleans()):
            target[data.draw(st.sampled_from(sorted(target)))] = data.draw(JSON)
    try:
        assert TrackSet.from_dict(TrackSet.from_dict(values).to_dict())
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(
            *(st.integers(low, high) for low, high in [(-3, 99), (-1, 40), (0, 255), (0, 255), (0, 255)]),
            st.booleans(),
            st.integers(-1, 3),
        ),
        max_size=6,
    ),
    st.sampled_from(["lpd-5", "satb"]),
    st.integers(-1, 500),
)
def test_any_song_is_quantized_or_refused(rows, tracks, resolution):
    song = Song(4, table(NOTE, rows), parts=("", "Alto"))
    try:
        piece = quantise(song, TrackSet.load(tracks), resolution)
        song_bytes(song)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    losses = piece.losses
    assert losses.kept == len(piece.notes)
    dropped = losses.no_track + losses.out_of_range + losses.merged + losses.beyond
    assert losses.kept + dropped == losses.notes == len(rows)


def test_a_roll_needs_a_track_set():
    with pytest.raises(TypeError, match=r"track_set must be a TrackSet.*'lpd-5'"):
        Roll("lpd-5", 4, CELLS)


@pytest.mark.parametrize("bars", [1.5, "2", True])
def test_a_number_of_bars_must_be_an_integer(bars):
    with pytest.raises(TypeError, match="bars must be an integer"):
        Roll.from_phrase(quantise(SONG, LPD_5, 4), 0, bars)
    with pytest.raises(TypeError, match="first_bar must be an integer"):
        Roll.from_phrase(quantise(SONG, LPD_5, 4), bars)
