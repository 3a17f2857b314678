"""Metrics equal those of muspy and pypianoroll where these are correct, and the notes of rolls."""

from __future__ import annotations

import muspy
import numpy as np
import pypianoroll.metrics as theirs
import pytest
from hypothesis import given, settings
from wild import phrases as wild_phrases

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging import metrics
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.rolls.interop.muspy import to_muspy
from bgmusic.music.rolls.phrases import stack_rolls


@pytest.mark.parametrize(("name", "index"), [("bach", 7), ("bach", 2000), ("freedoom", 3), ("freedoom", 1500)])
def test_equal_to_muspy(name, index):
    phrase = stack_rolls([open_corpus(name).roll(index)])
    roll = phrase.roll(0)
    music = to_muspy(roll.to_song())
    given = to_tensors(phrase)
    pitched = ~given.drums
    heard = given.cells[:, pitched].any(1, keepdim=True)
    begins = metrics.note_begins(given.cells, given.onsets, given.drums)
    low = phrase.track_set.low
    # muspy ends the piece with its last note, drums included.
    length = max(note.end for track in music.tracks for note in track.notes)
    shorter = heard.flatten(2, 3)[:, :, None, :length]
    assert metrics.polyphony_rate(shorter, 2).item() == pytest.approx(muspy.polyphony_rate(music, 2))
    assert metrics.in_scale_rate(begins[:, pitched], low).item() == pytest.approx(muspy.scale_consistency(music))
    in_d = metrics.in_scale_rate(begins[:, pitched], low, tonic=2).item()
    assert in_d == pytest.approx(muspy.pitch_in_scale_rate(music, 2, "major"))
    whole = heard.flatten(2, 3)[:, :, None]
    assert metrics.pitches_used(whole).item() == muspy.n_pitches_used(music)
    assert metrics.pitch_classes_used(whole, low).item() == muspy.n_pitch_classes_used(music)
    assert int(begins.sum()) == sum(len(track.notes) for track in music.tracks)


@pytest.mark.parametrize("index", [0, 999])
def test_equal_to_pypianoroll_where_it_is_right(index):
    cells = to_tensors(stack_rolls([open_corpus("bach").roll(index)])).cells
    for track in range(4):
        rolls = cells[:, track : track + 1]
        plane = np.zeros((64, 128), bool)
        plane[:, 36:84] = rolls[0, 0].flatten(0, 1)
        whole = rolls.flatten(2, 3)[:, :, None]
        assert metrics.pitches_used(whole).item() == theirs.n_pitches_used(plane)
        assert metrics.polyphony_rate(rolls, 0).item() == pytest.approx(theirs.polyphonic_rate(plane, 0))
        # Its notes are correct for a single pitch of signed numbers (it reads pitches as if they followed in time).
        row = int(rolls[0, 0].sum((0, 1)).argmax())
        line = rolls[..., row : row + 1]
        expected = theirs.qualified_note_rate(line[0, 0].flatten(0, 1).numpy().astype(int), 2)
        assert metrics.qualified_note_rate(line, 2).item() == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(wild_phrases())
def test_begins_and_lengths_are_those_of_the_rolls_notes(roll):
    phrase = stack_rolls([roll])
    given = to_tensors(phrase)
    begins = metrics.note_begins(given.cells, given.onsets, given.drums)
    notes = roll.notes()
    assert int(begins.sum()) == len(notes)
    pitched = (~given.drums).nonzero().flatten()
    cells = given.cells if given.onsets is None else given.cells | given.onsets
    lengths = metrics.note_length_histogram(cells[:, pitched], begins[:, pitched])[0]
    drums = phrase.drums[notes["track"]]
    expected = np.bincount(notes["duration"][~drums].astype(int), minlength=len(lengths))
    np.testing.assert_array_equal(lengths, expected)
    # Conversion to the onset encoding finds the same begins.
    if phrase.onsets is None:
        np.testing.assert_array_equal(phrase.encoded("onset").onsets, begins.numpy())
