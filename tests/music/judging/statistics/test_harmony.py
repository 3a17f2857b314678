"""Chords, progressions and keys of hand-made phrases."""

from __future__ import annotations

import pytest
import torch
from small_phrases import Found, block, melody, phrases

from bgmusic.music.judging.statistics import Example
from bgmusic.music.judging.statistics.chords import TYPES, chord_table, clashes
from bgmusic.music.judging.statistics.tonality import keys

VOICES = ("Soprano", "Alto", "Tenor", "Bass")


def chords(*rows, length=4, **options):
    notes = [note for place, row in enumerate(rows) for note in block(place * length, length, *row)]
    return phrases(notes, voices=VOICES, bars=max(1, -(-len(rows) * length // 16)), **options)


C, F, G, AM = (72, 67, 64, 48), (72, 69, 65, 53), (71, 67, 62, 43), (72, 69, 64, 45)
G7, CMAJ7, BDIM = (77, 71, 62, 55), (71, 67, 64, 48), (77, 74, 71, 59)


@pytest.mark.parametrize(
    ("pitch_classes", "kind", "root"),
    [
        ((0, 4, 7), "major", 0),
        ((2, 5, 9), "minor", 2),
        ((11, 2, 5), "diminished", 11),
        ((0, 4, 8), "augmented", 0),
        ((7, 11, 2, 5), "dominant seventh", 7),
        ((9, 0, 4, 7), "minor seventh", 9),
        ((5, 9, 0, 4), "major seventh", 5),
        ((11, 2, 5, 9), "half-diminished seventh", 11),
        ((11, 2, 5, 8), "diminished seventh", 2),
        ((0, 5, 7), "other three", -1),
        ((0, 7), "two pitch classes", -1),
        ((3,), "one pitch class", -1),
        ((), "silence", -1),
        ((0, 2, 4, 7), "other four or more", -1),
        ((0, 2, 4, 5, 7), "other four or more", -1),
    ],
)
def test_chord_types_and_roots(pitch_classes, kind, root):
    mask = sum(1 << pitch_class for pitch_class in pitch_classes)
    types, roots = chord_table()
    assert TYPES[int(types[mask])] == kind
    assert int(roots[mask]) == root


def test_chords_are_read_on_strong_and_weak_beats_and_off_the_beat():
    found = Found(chords(C, G7, F, AM))
    assert found.counts("chord types on strong beats") == {"major": 2}
    assert found.counts("chord types on weak beats") == {"dominant seventh": 1, "minor": 1}
    assert found.counts("chord types off the beat") == {"major": 6, "dominant seventh": 3, "minor": 3}
    assert found.rate("beats on a triad") == (3, 4)
    assert found.rate("beats on a triad or seventh") == (4, 4)
    assert found.example("beats on a triad") == Example(0, 4)
    assert found.counts("pitch classes per beat") == {3: 3, 4: 1}


def test_strong_beats_follow_the_metre():
    rows = (C, G7, AM, C, G7, AM)  # 24 steps
    notes = [note for place, row in enumerate(rows) for note in block(place * 4, 4, *row)]
    three = {"voices": VOICES, "bars": 2, "steps": 12}
    assert Found(phrases(notes, **three)).counts("chord types on strong beats") == {"major": 2}
    # In 6/8 beats are dotted quarters, of 6 steps; the first is strong, the second is in the middle of G7.
    found = Found(phrases(notes, **three, metres=[(6, 8)]))
    assert found.counts("chord types on strong beats") == {"major": 2}
    assert found.counts("chord types on weak beats") == {"dominant seventh": 2}
    # Phrases of several metres in one batch.
    both = Found(phrases(notes, notes, **three, metres=[(6, 8), (3, 4)]))
    assert both.counts("chord types on weak beats") == {"dominant seventh": 4, "minor": 2}


def test_clashes_are_semitones_in_any_octave():
    assert clashes(torch.tensor([1 << 0 | 1 << 11, 1 << 4 | 1 << 5, 1 << 0 | 1 << 2])).tolist() == [True, True, False]
    found = Found(phrases([*block(0, 8, 71, 60), *block(8, 4, 64, 60), *block(12, 4, 61, 60)]))
    assert found.rate("semitone clashes on strong beats") == (1, 2)
    assert found.rate("semitone clashes") == (12, 16)


def test_changes_of_chord_and_bass():
    found = Found(chords(C, C, G, F))
    assert found.rate("beats with a new chord") == (2, 3)
    assert found.counts("bass motion between chords") == {"7 up": 1, "10 up": 1}
    assert found.counts("chord progressions") == {"major to major, root 7 up": 1, "major to major, root 10 up": 1}


def test_chords_without_a_name_are_no_progression():
    found = Found(chords(C, (72, 67, 65, 48), AM, BDIM))
    assert found.counts("chord progressions") == {"minor to diminished, root 2 up": 1}
    assert found.rate("beats with a new chord") == (3, 3)


def test_long_holds_last_two_beats():
    held = [*block(0, 8, *C), *block(8, 4, *G7), *block(12, 4, *G7)]
    assert Found(phrases(held, voices=VOICES)).rate("long holds on a triad") == (1, 1)
    clash = [*block(0, 16, *G7), *block(16, 16, *AM)]
    found = Found(phrases(clash, voices=VOICES, bars=2))
    assert found.rate("long holds on a triad") == (1, 2)
    assert found.example("long holds on a triad") == Example(0, 0)


def test_cadences_end_on_the_tonic_on_a_strong_beat():
    bar = (C, F, AM, G7)
    assert Found(chords(*bar, C, C, C, C)).counts("V-I cadences") == {1: 1}
    # On a weak beat.
    assert Found(chords(C, *bar, C, C, C)).counts("V-I cadences") == {0: 1}
    # G7 to C, and then C to F, which is not the tonic.
    assert Found(chords(C, G7, C, C, F, C, G7, C)).counts("V-I cadences") == {1: 1}
    # The tonic does not last a beat.
    short = [*block(0, 4, *G7), *block(4, 4, *G7), *block(8, 2, *C), *block(10, 6, *AM)]
    assert Found(phrases(short, voices=VOICES)).counts("V-I cadences") == {0: 1}


def test_keys_of_scales_and_triads():
    major = torch.tensor([[2.0, 0, 1, 0, 1.5, 1, 0, 1.5, 0, 1, 0, 0.5]])
    tonic, minor, clarity = keys(torch.cat([major, major.roll(7, -1), torch.zeros(1, 12), torch.ones(1, 12)]))
    assert tonic[:2].tolist() == [0, 7]
    assert minor[:2].tolist() == [False, False]
    assert clarity[0] == pytest.approx(clarity[1].item())
    assert 0.9 < clarity[0] <= 1
    assert clarity[2:].isnan().all()
    a_minor = torch.zeros(12).scatter(0, torch.tensor([9, 0, 4, 11, 8]), torch.tensor([4.0, 2, 3, 1, 1]))
    assert (int(keys(a_minor)[0]), bool(keys(a_minor)[1])) == (9, True)


def test_drift_is_the_distance_on_the_circle_of_fifths():
    scale = (60, 62, 64, 65, 67, 69, 71, 72)
    up = [pitch + 2 for pitch in scale]  # D major: two fifths
    notes = [*melody(*scale), *melody(*up, start=32)]
    found = Found(phrases(notes, voices=("Soprano",), bars=4))
    assert found.counts("drift of the key") == {2: 1}
    same = [*melody(*scale), *melody(*scale, start=32)]
    assert Found(phrases(same, voices=("Soprano",), bars=4)).counts("drift of the key") == {0: 1}


def test_silence_has_no_chords():
    found = Found(phrases([], voices=VOICES))
    for name in ("chord types on strong beats", "beats with a new chord", "long holds on a triad", "key clarity"):
        assert found.counts(name) == {}
    assert found.counts("V-I cadences") == {0: 1}
