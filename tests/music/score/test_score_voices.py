"""Voices, staves, keys and spelling."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.midi.song import table
from bgmusic.music.rolls.checks import STEP_NOTE
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import Track, TrackSet
from bgmusic.music.score.keys import Key, key_of, spell
from bgmusic.music.score.staves import clef_of, is_choir, parts_of
from bgmusic.music.score.voices import Tone, cut_at_bars, voices_of

MAJOR = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
MINOR = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]
TONES = st.builds(
    lambda onset, length, pitch: Tone(onset, onset + length, pitch),
    st.integers(0, 15),
    st.integers(1, 12),
    st.integers(60, 72),
)


def without_overlaps(tones):
    """Leave out tones that overlap another of their pitch."""
    kept = []
    for tone in tones:
        if all(tone.pitch != other.pitch or tone.stop <= other.onset or other.stop <= tone.onset for other in kept):
            kept.append(tone)
    return kept


def joined(voices):
    """Return (onset, stop, pitch) of the notes of voices, ties joined."""
    found = Counter()
    pieces = sorted((tone for voice in voices for chord in voice for tone in chord), key=lambda tone: tone.onset)
    open_ties = {}
    for tone in pieces:
        onset = open_ties.pop((tone.pitch, tone.onset)) if tone.continues else tone.onset
        if tone.goes_on:
            open_ties[tone.pitch, tone.stop] = onset
        else:
            found[onset, tone.stop, tone.pitch] += 1
    assert not open_ties
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(TONES, max_size=16), st.booleans())
def test_voices_keep_the_notes(tones, single):
    tones = without_overlaps(tones)
    voices = voices_of(tones, single)
    assert len(voices) <= (1 if single else 2)
    for voice in voices:
        for chord, following in itertools.pairwise(voice):
            assert chord[0].stop <= following[0].onset
        assert all(len({(tone.onset, tone.stop) for tone in chord}) == 1 for chord in voice)
    assert joined(voices) == Counter((tone.onset, tone.stop, tone.pitch) for tone in tones)
    bars = cut_at_bars(tones, 7, 4)
    assert joined([[(tone,) for tone in bar] for bar in bars]) == joined(voices)


def test_the_upper_voice_is_the_higher_one():
    long_low, melody = Tone(0, 16, 48), [Tone(4, 8, 72), Tone(8, 12, 74)]
    upper, lower = voices_of([long_low, *melody])
    assert [chord[0].pitch for chord in upper] == [72, 74]
    assert [chord[0].pitch for chord in lower] == [48]


def test_three_lines_become_chords():
    tones = [Tone(0, 8, 60), Tone(2, 8, 64), Tone(4, 8, 67)]
    (voice,) = voices_of(tones)
    assert [[tone.pitch for tone in chord] for chord in voice] == [[60], [60, 64], [60, 64, 67]]
    assert [[tone.continues for tone in chord] for chord in voice] == [[False], [True, False], [True, True, False]]


def test_parts_of_a_choir_share_staves():
    roll = open_corpus("bach").roll(0)
    assert [part.name for part in parts_of(roll)] == ["Soprano Alto", "Tenor Bass"]
    assert [staff.clef for part in parts_of(roll) for staff in part.staves] == ["treble", "bass"]
    assert not is_choir(TrackSet.load("lpd-5"))


def test_a_keyboard_has_two_staves_if_both_hands_play():
    tracks = TrackSet("duo", (Track("Piano", 0), Track("Bass", 33), Track("Drums", 0, True)))
    notes = table(STEP_NOTE, [(0, 0, 4, 48), (0, 0, 4, 72), (1, 0, 4, 36), (2, 0, 1, 38)])
    parts = parts_of(Roll.from_notes(notes, tracks, 4, 1, 16))
    assert [[staff.clef for staff in part.staves] for part in parts] == [["treble", "bass"], ["bass-8"], ["percussion"]]
    right = parts_of(Roll.from_notes(notes[1:2], tracks, 4, 1, 16))[0]
    assert [staff.clef for staff in right.staves] == ["treble"]


@pytest.mark.parametrize(("pitch", "clef"), [(72, "treble"), (48, "bass"), (33, "bass-8"), (96, "treble+8")])
def test_clefs(pitch, clef):
    assert clef_of([Tone(0, 1, pitch)]) == clef


def test_keys_are_found_by_their_scales():
    def key(*pitches):
        notes = table(STEP_NOTE, [(0, step, 1, pitch) for step, pitch in enumerate(pitches)])
        return key_of(notes, np.ones(len(notes), bool), MAJOR, MINOR)

    assert key(60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60) == Key(0, False)
    assert key(62, 64, 66, 67, 69, 71, 73, 74, 69, 66, 62) == Key(2, False)
    assert key(60, 62, 63, 65, 67, 68, 71, 72, 67, 63, 60) == Key(-3, True)
    assert key() == Key(0, False)


def test_spelling_follows_the_key():
    assert [spell(pitch, Key(0, False)) for pitch in range(60, 72)] == (
        ["C4", "C#4", "D4", "E-4", "E4", "F4", "F#4", "G4", "G#4", "A4", "B-4", "B4"]
    )
    assert [spell(pitch, Key(-3, True)) for pitch in (59, 60, 63, 66, 68, 70)] == [
        "B3",
        "C4",
        "E-4",
        "F#4",
        "A-4",
        "B-4",
    ]
    assert spell(60, Key(6, False)) == "B#3"
    assert spell(59, Key(-5, False)) == "C-4"
    assert spell(61, Key(2, False)) == "C#4"
