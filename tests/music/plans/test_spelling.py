"""Names of chords and keys suit the key."""

import numpy as np
import pytest
from music21 import key as music21_key

from bgmusic.music.plans.chord_names import chord_name, note_class, parse_chord
from bgmusic.music.plans.spelling import key_spelling, spelling

MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


@pytest.mark.parametrize("minor", [False, True])
def test_each_key_spells_its_own_scale(minor):
    for tonic, name in enumerate(MINOR if minor else MAJOR):
        names = key_spelling(tonic, minor)
        assert names[tonic] == name
        assert [note_class(one) for one in names] == list(range(12))
        scale = music21_key.Key(name.replace("b", "-"), "minor" if minor else "major").pitches[:7]
        rare = {"C-", "E#"}  # B and F here: no chord is called C flat or E sharp
        for pitch in scale:
            written = names[pitch.pitchClass].replace("b", "-")
            assert written == pitch.name or pitch.name in rare, (name, pitch.name)


@pytest.mark.parametrize(
    "line",
    [
        "C F G7 Am",
        "E A B7 C#m G#m",
        "Ab Db Eb7 Fm Bbm",
        "F#m C#7 A D",
        "Gm Cm D7 Eb",
        "B E F#7 G#m",
        "Dm A7 Bb Gm",
        "Am B7/D# E7 F#7/A#",
        "D/F# A7/C# Bm F#/A#",
        "Abmaj7 Db9 Gbmaj7 B",
        "Ebm B Gb Db",
        "B Bb",
    ],
)
def test_chords_are_written_as_musicians_write_them(line):
    chords = line.split()
    bits = np.array([parse_chord(chord) for chord in chords])
    names = spelling(bits, np.ones(len(bits), bool))
    assert [chord_name(one, names) for one in bits] == chords


def test_nothing_known_is_spelled_as_in_c():
    assert spelling(np.zeros((4, 24), bool), np.zeros(4, bool)) == MAJOR


def test_a_key_that_is_said_decides():
    chords, names = ["Ebm", "Abm", "Cb", "Bb7", "Abm/Cb"], key_spelling(3, True)
    assert [chord_name(parse_chord(text), names) for text in chords] == chords
