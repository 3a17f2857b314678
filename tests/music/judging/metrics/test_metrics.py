"""Every metric equals loops over cells, on real and random rolls; wrong dtypes and shapes are rejected."""

from __future__ import annotations

import math

import metric_loops as loops
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging import metrics
from bgmusic.music.judging.metrics.packed import PackedRolls
from bgmusic.music.judging.metrics.published import published

DRUMS = torch.tensor([True, False, False])
LOW = 22  # not a C; 37 pitches are not a multiple of four


def equal(fast, slow):
    np.testing.assert_allclose(np.asarray(fast, float), slow, rtol=2e-5, atol=2e-5)


@st.composite
def wild(draw):
    """Rolls (1, 3, bars, steps, 37), onsets or None, and their resolution."""
    resolution = draw(st.sampled_from([1, 4, 12, 24]))
    steps = resolution * draw(st.sampled_from([1, 2, 3])) if resolution < 12 else resolution
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = (1, 3, draw(st.integers(1, 3)), steps, 37)
    density = draw(st.sampled_from([0.0, 0.02, 0.3, 0.95, 1.0]))
    rolls = rng.random(shape) < density
    if draw(st.booleans()):  # held notes
        rolls |= np.roll(rolls, 1, axis=3)
    return rolls, (rng.random(shape) < 0.1 if draw(st.booleans()) else None), resolution


def check_all(rolls, onsets, drums, low, resolution):
    cells, begun = torch.from_numpy(rolls), None if onsets is None else torch.from_numpy(onsets)
    for given_as in (cells, PackedRolls(cells)):
        equal(metrics.empty_bar_rate(given_as), loops.empty_bar_rate(rolls))
        equal(metrics.pitches_used(given_as), loops.pitches_used(rolls))
        equal(metrics.pitch_classes_used(given_as, low), loops.pitch_classes_used(rolls, low))
        equal(metrics.polyphony_rate(given_as, 1), loops.polyphony_rate(rolls, 1))
        equal(metrics.polyphony_rate(given_as), loops.polyphony_rate(rolls, 2))
        equal(metrics.in_scale_rate(given_as, low), loops.in_scale_rate(rolls, low))
        equal(metrics.in_scale_rate(given_as, low, tonic=2), loops.in_scale_rate(rolls, low, 2))
        equal(metrics.tonal_distance(given_as, low, resolution), loops.tonal_distance(rolls, low, resolution))
        for shortest in (1, 2, 3, 40):
            equal(metrics.qualified_note_rate(given_as, shortest), loops.qualified_note_rate(rolls, shortest))
            equal(
                metrics.qualified_note_rate(given_as, shortest, begun),
                loops.qualified_note_rate(rolls, shortest, onsets),
            )
    equal(metrics.voices(cells), rolls.sum(-1))
    hits = loops.begins(rolls, onsets, drums)
    begins = metrics.note_begins(cells, begun, torch.as_tensor(drums))
    np.testing.assert_array_equal(begins.numpy(), hits)
    equal(metrics.notes_per_bar(begins), hits.sum((3, 4)))
    pattern = metrics.drum_pattern(resolution, rolls.shape[3]).numpy()
    equal(metrics.drum_in_pattern_rate(begins, resolution), loops.drum_in_pattern_rate(hits, pattern))
    equal(metrics.groove_consistency(begins), loops.groove_consistency(hits))
    equal(metrics.bar_repetition(begins), loops.bar_repetition(hits))
    equal(metrics.onset_position_histogram(begins), hits.sum((1, 2, 4)))
    check_histograms(rolls, onsets, low)
    for name, slow in loops.published(rolls, resolution, drums).items():
        equal(published(cells, resolution, torch.as_tensor(drums))[name], slow)


def check_histograms(rolls, onsets, low):
    cells = torch.from_numpy(rolls if onsets is None else rolls | onsets)
    begun = None if onsets is None else torch.from_numpy(onsets)
    batch, tracks, bars, steps, pitches = rolls.shape
    lengths = np.zeros((batch, bars * steps + 1))
    classes = np.zeros((batch, 12))
    intervals = np.zeros((batch, 2 * pitches - 1))
    for n in range(batch):
        for track in range(tracks):
            time = cells[n, track].flatten(0, 1).numpy()
            begins = None if onsets is None else onsets[n, track].reshape(time.shape)
            for _, length, _ in loops.notes(time, begins):
                lengths[n, length] += 1
            for _, row in np.argwhere(time):
                classes[n, (row + low) % 12] += 1
        for one, other in zip(cells[n, 0].flatten(0, 1).numpy(), cells[n, -1].flatten(0, 1).numpy(), strict=True):
            for i in np.flatnonzero(one):
                np.add.at(intervals[n], np.flatnonzero(other) - i + pitches - 1, 1)
    equal(metrics.note_length_histogram(cells, metrics.note_begins(cells, begun)), lengths)
    equal(metrics.pitch_class_histogram(cells, low), classes)
    equal(metrics.interval_histogram(cells[:, 0], cells[:, -1]), intervals)
    heard = cells.any(1).numpy()
    per_step = [[len({(row + low) % 12 for row in np.flatnonzero(s)}) for b in p for s in b] for p in heard]
    equal(metrics.pitch_classes_per_step(cells, low).flatten(1), per_step)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(wild())
def test_random_rolls_equal_loops(music):
    rolls, onsets, resolution = music
    check_all(rolls, onsets, DRUMS.numpy(), LOW, resolution)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "index"), [("bach", 0), ("bach", 1234), ("freedoom", 77)])
def test_real_phrases_equal_loops(name, index):
    corpus = open_corpus(name)
    roll = corpus.roll(index)
    drums = np.array([track.is_drum for track in corpus.track_set.tracks])
    assert roll.onsets is not None
    check_all(roll.cells[None], roll.onsets[None], drums, roll.low, roll.resolution)


@pytest.mark.parametrize("onsets", [False, True])
@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(
    ("shape", "drums", "resolution"),
    [
        ((1, 1, 2, 8, 37), [False], 4),  # one track
        ((1, 1, 2, 8, 37), [True], 4),  # drums alone
        ((1, 2, 1, 1, 37), [True, False], 1),  # one step
        ((2, 2, 1, 2, 1), [False, False], 1),  # one pitch
    ],
    ids=["one track", "drums alone", "one step", "one pitch"],
)
def test_extreme_rolls_equal_loops(shape, drums, resolution, density, onsets):
    rng = np.random.default_rng(1)
    rolls = rng.random(shape) < density
    check_all(rolls, rng.random(shape) < 0.3 if onsets else None, np.array(drums), LOW, resolution)


def test_counts_above_255_are_exact():
    rolls = torch.ones(1, 1, 1, 700, 3, dtype=torch.bool)
    assert PackedRolls(rolls).per_pitch.tolist() == [[[[700.0] * 3]]]
    assert metrics.qualified_note_rate(rolls, 700).item() == 1
    assert metrics.qualified_note_rate(rolls, 701).item() == 0


def all_metrics(rolls, resolution=4):
    begins = metrics.note_begins(rolls)
    return {
        "empty": metrics.empty_bar_rate(rolls),
        "pitches": metrics.pitches_used(rolls),
        "classes": metrics.pitch_classes_used(rolls, 24),
        "notes": metrics.notes_per_bar(begins),
        "qualified": metrics.qualified_note_rate(rolls, 2),
        "polyphony": metrics.polyphony_rate(rolls),
        "in scale": metrics.in_scale_rate(rolls, 24),
        "pattern": metrics.drum_in_pattern_rate(begins, resolution),
        "tonal": metrics.tonal_distance(rolls, 24, resolution),
        "groove": metrics.groove_consistency(begins),
        "repetition": metrics.bar_repetition(begins),
    }


def test_silence_is_nan_in_rates_of_notes_only():
    values = all_metrics(torch.zeros(1, 2, 4, 16, 24, dtype=torch.bool))
    undefined = {name for name, value in values.items() if value.isnan().any()}
    assert undefined == {"qualified", "in scale", "pattern", "tonal", "repetition"}
    assert all(values[name].isnan().all() for name in undefined)
    assert values["empty"].eq(1).all()
    assert values["groove"].eq(1).all()


def test_a_full_roll_has_all_values():
    values = all_metrics(torch.ones(1, 2, 4, 16, 24, dtype=torch.bool))
    assert not any(value.isnan().any() for value in values.values())
    assert values["empty"].eq(0).all()
    assert values["pitches"].eq(24).all()
    assert values["classes"].eq(12).all()
    assert values["qualified"].eq(1).all()
    assert values["polyphony"].eq(1).all()
    assert values["in scale"].item() == pytest.approx(7 / 12)
    assert values["tonal"].eq(0).all()


def test_a_roll_of_one_step_and_one_bar():
    roll = torch.zeros(1, 2, 1, 1, 24, dtype=torch.bool)
    roll[0, 0, 0, 0, [0, 4, 7]] = True
    values = all_metrics(roll, resolution=1)
    assert values["qualified"][0, 0] == 0
    assert values["polyphony"][0, 0] == 1
    assert values["in scale"].item() == 1
    assert values["pattern"][0, 0] == 1
    assert values["groove"].isnan().all()  # needs two bars
    assert values["repetition"].isnan().all()
    assert values["tonal"][0].isnan().tolist() == [[False, True], [True, True]]


def test_hand_worked_bar():
    # A C major chord for a beat, with C held to the end of the bar.
    roll = torch.zeros(1, 1, 1, 16, 24, dtype=torch.bool)
    roll[0, 0, 0, :, 0] = True
    roll[0, 0, 0, :4, [4, 7]] = True
    assert metrics.note_length_histogram(roll, metrics.note_begins(roll)).nonzero().tolist() == [[0, 4], [0, 16]]
    assert metrics.polyphony_rate(roll).item() == 0.25
    assert metrics.polyphony_rate(roll, 3).item() == 0
    again = torch.zeros_like(roll)
    again[0, 0, 0, [0, 8], 0] = True
    assert metrics.qualified_note_rate(roll, 5, again).item() == pytest.approx(2 / 4)
    assert metrics.pitch_class_histogram(roll, 60).tolist() == [[16, 0, 0, 0, 4, 0, 0, 4, 0, 0, 0, 0]]


def test_tonal_distance_of_known_chords():
    # The same pitch class in another octave is at distance 0; a tritone is far.
    roll = torch.zeros(1, 3, 1, 4, 24, dtype=torch.bool)
    for track, row in enumerate((0, 12, 6)):
        roll[0, track, 0, :, row] = True
    distances = metrics.tonal_distance(roll, 24, 4)[0]
    assert distances[0, 1] == 0
    # A tritone is half a circle of fifths and of minor thirds (2 each), and a whole one of major thirds (0).
    assert distances[0, 2].item() == pytest.approx(math.sqrt(8), abs=1e-5)


def test_drum_patterns_are_musegans():
    for steps, resolution, pattern in (
        (96, 24, [1, 0.1, 0, 0, 0, 0.1]),
        (48, 12, [1, 0.1, 0.1]),
        (24, 6, [1, 0.1, 0.1]),
        (64, 16, [1, 0.1, 0, 0.1]),
        (32, 8, [1, 0.1]),
        (16, 4, [1, 0.1]),
    ):
        expected = np.tile(pattern, steps // len(pattern))
        np.testing.assert_allclose(metrics.drum_pattern(resolution, steps), expected, rtol=1e-6)
    assert metrics.drum_pattern(1, 4).tolist() == [1, 1, 1, 1]
    assert metrics.drum_pattern(9, 9)[::3].tolist() == [1, 1, 1]


def test_qualified_notes_at_every_resolution():
    assert [metrics.shortest_qualified(r) for r in (1, 4, 12, 16, 24, 48)] == [2, 2, 2, 2, 3, 6]


@pytest.mark.slow
def test_published_distances_with_a_short_last_beat():
    rolls = torch.rand(2, 3, 2, 14, 24, generator=torch.Generator().manual_seed(0)) < 0.3
    drums = torch.tensor([True, False, False])
    whole = torch.nn.functional.pad(rolls, (0, 0, 0, 2))
    found, expected = (published(x, 4, drums)["tonal_distance"] for x in (rolls, whole))
    assert found.shape == (2, 3, 3, 2)
    torch.testing.assert_close(found, expected, equal_nan=True)


ROLL = torch.zeros(2, 3, 2, 8, 12, dtype=torch.bool)
TRACK = ROLL[:, 0]
TAKE_ROLLS = {
    "empty_bar_rate": metrics.empty_bar_rate,
    "pitches_used": metrics.pitches_used,
    "pitch_classes_used": lambda x: metrics.pitch_classes_used(x, LOW),
    "notes_per_bar": metrics.notes_per_bar,
    "qualified_note_rate": lambda x: metrics.qualified_note_rate(x, 2),
    "qualified_note_rate, onsets": lambda x: metrics.qualified_note_rate(ROLL, 2, x),
    "voices": metrics.voices,
    "polyphony_rate": metrics.polyphony_rate,
    "chroma": lambda x: metrics.chroma(x, LOW),
    "in_scale_rate": lambda x: metrics.in_scale_rate(x, LOW),
    "pitch_classes_per_step": lambda x: metrics.pitch_classes_per_step(x, LOW),
    "tonal_distance": lambda x: metrics.tonal_distance(x, LOW, 4),
    "note_length_histogram": lambda x: metrics.note_length_histogram(x, ROLL),
    "note_length_histogram, begins": lambda x: metrics.note_length_histogram(ROLL, x),
    "onset_position_histogram": metrics.onset_position_histogram,
    "pitch_class_histogram": lambda x: metrics.pitch_class_histogram(x, LOW),
    "note_begins": metrics.note_begins,
    "note_begins, onsets": lambda x: metrics.note_begins(ROLL, x),
    "drum_in_pattern_rate": lambda x: metrics.drum_in_pattern_rate(x, 4),
    "groove_consistency": metrics.groove_consistency,
    "bar_repetition": metrics.bar_repetition,
    "published": lambda x: published(x, 4, DRUMS),
    "PackedRolls": metrics.PackedRolls,
    "interval_histogram": lambda x: metrics.interval_histogram(x, TRACK),
    "interval_histogram, other": lambda x: metrics.interval_histogram(TRACK, x),
}


def test_every_public_metric_is_checked():
    of_numbers = {"drum_pattern", "shortest_qualified"}
    assert {name.split(",")[0] for name in TAKE_ROLLS} == {*metrics.__all__, "published"} - of_numbers


@pytest.mark.parametrize("name", TAKE_ROLLS)
def test_wrong_rolls_are_rejected(name):
    metric = TAKE_ROLLS[name]
    good = TRACK if name.startswith("interval") else ROLL
    metric(good)
    for dtype in (torch.float32, torch.uint8, torch.int32, torch.int64):
        with pytest.raises(TypeError, match=f"boolean.*{dtype}"):
            metric(good.to(dtype))
    with pytest.raises(TypeError, match="ndarray"):
        metric(good.numpy())
    for other in (good[0], good[None]):
        with pytest.raises(ValueError, match=r"must have shape \(batch,"):
            metric(other)


@pytest.mark.parametrize("name", [name for name in TAKE_ROLLS if "histogram, " in name or ", onsets" in name])
def test_unequal_shapes_are_rejected(name):
    good = TRACK if name.startswith("interval") else ROLL
    for other in (good[:1], good[..., :5]):
        with pytest.raises(ValueError, match="same shape"):
            TAKE_ROLLS[name](other)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (lambda: metrics.pitch_classes_used(ROLL, 60.5), "low"),
        (lambda: metrics.in_scale_rate(ROLL, LOW, 2.5), "tonic"),
        (lambda: metrics.tonal_distance(ROLL, LOW, 0), "resolution"),
        (lambda: metrics.tonal_distance(ROLL, LOW, 4.0), "resolution"),
        (lambda: metrics.qualified_note_rate(ROLL, 0), "shortest"),
        (lambda: metrics.polyphony_rate(ROLL, -1), "more_than"),
        (lambda: metrics.shortest_qualified(0), "resolution"),
        (lambda: metrics.drum_pattern(0, 4), "resolution"),
        (lambda: metrics.drum_pattern(4, 0), "steps"),
        (lambda: metrics.drum_in_pattern_rate(ROLL, 0), "resolution"),
        (lambda: published(ROLL, 0, DRUMS), "resolution"),
        # A mask of integers would select tracks by number.
        (lambda: metrics.note_begins(ROLL, None, DRUMS.long()), "drums"),
        (lambda: metrics.note_begins(ROLL, None, DRUMS[:2]), "drums"),
        (lambda: published(ROLL, 4, DRUMS.long()), "drums"),
        (lambda: published(ROLL, 4, DRUMS[None]), "drums"),
    ],
)
def test_wrong_numbers_and_masks_are_rejected(metric, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words} must"):
        metric()


@pytest.mark.parametrize("name", TAKE_ROLLS)
def test_an_empty_batch_is_refused(name):
    good = TRACK if name.startswith("interval") else ROLL
    with pytest.raises(ValueError, match="must hold at least one phrase; the batch is empty"):
        TAKE_ROLLS[name](good[:0])
