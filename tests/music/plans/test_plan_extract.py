"""What plans are extracted from music: rules, invariants, sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_phrases import LOW, PITCHES, phrases, track_set

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.plans.extract import extract, extract_batch, extract_channels
from bgmusic.music.plans.lead_sheet import write_line
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import LEVELS
from bgmusic.music.rolls.phrases import Phrases

CHORD = [(0, 0, 16, 60), (0, 0, 16, 64), (0, 0, 16, 67), (1, 0, 16, 48)]


def line(plan):
    return write_line(plan.harmony, plan.harmony_known, plan.shape.beats)


def transposed(notes, semitones):
    return [(track, onset, length, pitch + semitones) for track, onset, length, pitch in notes]


def later(notes, bars):
    return [(track, onset + 16 * bars, length, pitch) for track, onset, length, pitch in notes]


def test_a_bar_that_returns_names_the_first_of_its_kind():
    music = phrases(CHORD + later(transposed(CHORD, 2), 1) + later(CHORD, 2) + later(CHORD, 3), bars=4)
    plan = extract_batch(music).plan(0)
    assert plan.repeats.tolist() == [[0, 1, 0, 0], [0, 1, 0, 0]]
    assert line(plan) == "C | D | C | C"
    assert plan.complete


def test_a_track_plays_where_a_note_goes_on():
    plan = extract_batch(phrases([(0, 0, 32, 60), (1, 16, 4, 48)], bars=2)).plan(0)
    assert plan.instruments.tolist() == [[True, True], [False, True]]
    assert plan.activity.sum(-1).tolist() == [[1, 0], [0, 1]]


def test_activity_counts_steps_with_onsets():
    repeated = [(0, step, 1, pitch) for step in range(6) for pitch in (60, 64)]
    plan = extract_batch(phrases(repeated)).plan(0)
    assert plan.activity[0, 0].tolist() == [level <= 6 for level in LEVELS]


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        (CHORD, "C"),
        ([*CHORD[:3], (1, 0, 16, 40)], "C/E"),
        (transposed(CHORD, 9), "A"),
        ([(0, 0, 16, 60), (0, 0, 16, 63), (0, 0, 16, 67), (1, 0, 16, 48)], "Cm"),
        ([*CHORD, (0, 0, 16, 70)], "C7"),
        ([*CHORD, (0, 6, 1, 62)], "C"),  # a passing note
        ([(0, 2 * i, 2, (60, 67, 64, 67)[i % 4]) for i in range(8)] + [(1, 0, 16, 48)], "C"),  # an arpeggio
        ([(1, 0, 4, 48), (0, 4, 12, 60), (0, 4, 12, 64), (0, 4, 12, 67)], "C"),  # bass, then the chord
        ([(0, 0, 16, 60), (1, 0, 16, 67)], "C5"),
        ([], "N.C."),
    ],
)
def test_chords_are_those_of_a_lead_sheet(notes, expected):
    assert line(extract_batch(phrases(notes)).plan(0)) == expected


def test_chords_keep_their_names_in_every_key():
    music = phrases(*[transposed(CHORD, semitones) for semitones in range(-5, 7)])
    names = [line(extract_batch(music).plan(number)) for number in range(12)]
    assert len(set(names)) == 12
    assert not any("/" in name or "m" in name for name in names)


def test_drums_make_no_chords():
    plan = extract_batch(phrases([(2, 0, 16, 48), (2, 0, 16, 52), (2, 0, 16, 55)], drums=1)).plan(0)
    assert line(plan) == "N.C."
    assert plan.instruments[:, 0].tolist() == [False, False, True]


random_cells = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(seed=random_cells, density=st.sampled_from([0.0, 0.01, 0.2]), paused=st.booleans(), bars=st.integers(1, 6))
def test_any_music_makes_a_plan_without_contradictions(seed, density, paused, bars):
    rng = np.random.default_rng(seed)
    kinds = rng.random((2, 3, 3, 12, PITCHES)) < density  # three kinds of bars, so that bars return
    cells = kinds[0][:, rng.integers(0, 3, bars)][None]
    onsets = None if paused else cells & kinds[1][:, rng.integers(0, 3, bars)][None]
    music = Phrases(track_set(("Soprano", "Bass"), 1), 4, cells, onsets)
    plan = extract_batch(music).plan(0)
    assert settle(plan) == plan
    assert plan == extract(music.roll(0))


def test_channels_of_networks_give_the_same_plans():
    corpus = open_corpus("bach")
    planes = corpus.planes(np.arange(5))
    shape = corpus.settings.shape
    found = extract_channels(np.concatenate([planes[0], planes[1]], 1), shape)
    for number in range(5):
        assert found.plan(number) == extract(corpus.roll(number))


def test_many_phrases_give_the_plans_of_each():
    corpus = open_corpus("bach")
    planes = corpus.planes(np.arange(600))
    found = extract_batch(Phrases(corpus.track_set, corpus.resolution, planes[0], planes[1]))
    assert found.plan(599) == extract(corpus.roll(599))
    assert len(found[:7]) == 7


def test_no_phrases_give_no_plans():
    shape = open_corpus("bach").settings.shape
    assert len(extract_channels(np.zeros((0, shape.channels, 2, shape.steps, shape.pitches), bool), shape)) == 0


def test_wrong_arguments_are_refused():
    shape = open_corpus("bach").settings.shape
    with pytest.raises(TypeError, match="boolean"):
        extract_channels(np.zeros((1, shape.channels, 4, shape.steps, shape.pitches)), shape)
    with pytest.raises(UserError, match="channels need shape"):
        extract_channels(np.zeros((1, shape.channels, 4, shape.steps, 7), bool), shape)
    with pytest.raises(TypeError, match="Roll"):
        extract(np.zeros(3))
    with pytest.raises(TypeError, match="Phrases"):
        extract_batch("bach")


@pytest.mark.slow
def test_harmony_agrees_with_music21s_slices():
    """On beats that are a plain triad or seventh by music21's chordify, plans find the same chord."""
    music21 = pytest.importorskip("music21")
    same = total = 0
    for name in ("bwv269", "bwv66.6", "bwv347"):
        score = music21.corpus.parse(f"bach/{name}")
        end = int(score.highestTime) // 4 * 4
        cells = np.zeros((1, end * 4, PITCHES), bool)
        for note in score.flatten().notes:
            start, stop = (round(float(time) * 4) for time in (note.offset, note.offset + note.quarterLength))
            for pitch in note.pitches:
                cells[0, start:stop, pitch.midi - LOW] = True
        music = Phrases(track_set(("All",)), 4, cells.reshape(1, 1, -1, 16, PITCHES))
        harmony = extract_batch(music).harmony[0]
        for chord in score.chordify().flatten().getElementsByClass("Chord"):
            beat, length = float(chord.offset), float(chord.quarterLength)
            if beat.is_integer() and length >= 1 and beat < end and (chord.isTriad() or chord.isSeventh()):
                total += 1
                same += set(np.flatnonzero(harmony[int(beat), :12])) == {pitch.pitchClass for pitch in chord.pitches}
    assert total > 60
    assert same / total > 0.9
