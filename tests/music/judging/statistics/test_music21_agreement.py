"""Statistics of fifty chorales equal music21's: melodic intervals, parallels, chord types, keys.

Compared are whole chorales, as one bar each, spelled as music21 reads them.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import pytest
from small_phrases import LOW, Found, phrases

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging.statistics.tonality import keys
from bgmusic.music.judging.statistics.view import PhraseView

pytestmark = pytest.mark.slow
music21 = pytest.importorskip("music21")

CHORALES, RESOLUTION, HIGH = 50, 4, LOW + 48
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
NAMES = {
    "major triad": "major",
    "minor triad": "minor",
    "diminished triad": "diminished",
    "augmented triad": "augmented",
    "dominant seventh chord": "dominant seventh",
    "minor seventh chord": "minor seventh",
    "major seventh chord": "major seventh",
    "half-diminished seventh chord": "half-diminished seventh",
    "diminished seventh chord": "diminished seventh",
}


class Chorale:
    """Four lists of (onset, length, note of music21), in steps, and the same notes as a phrase of one bar."""

    def __init__(self, spans, score=None):
        self.score, self.spans = score, spans
        steps = max(onset + length for part in spans for onset, length, _ in part)
        notes = [(t, on, size, note.pitch.midi) for t, part in enumerate(spans) for on, size, note in part]
        self.phrase = phrases(notes, voices=VOICES, steps=steps)
        self.found = Found(self.phrase)
        self.grid = [[None] * steps for _ in spans]
        for row, part in zip(self.grid, spans, strict=True):
            for onset, length, note in part:
                row[onset : onset + length] = [note] * length


def read(score):
    """Return the chorale of a score."""
    parts = [part.stripTies().flatten().notes for part in score.parts]
    spans = [
        [(round(note.offset * RESOLUTION), round(note.quarterLength * RESOLUTION), note) for note in part]
        for part in parts
    ]
    return Chorale(spans, score)


def fits(score):
    if len(score.parts) != len(VOICES):
        return False
    notes = [note for part in score.parts for note in part.stripTies().flatten().notes]
    on_grid = all(
        float(value * RESOLUTION).is_integer() and note.quarterLength > 0
        for note in notes
        for value in (note.offset, note.quarterLength)
    )
    return on_grid and all(hasattr(note, "pitch") and LOW <= note.pitch.midi < HIGH for note in notes)


@pytest.fixture(scope="module")
def chorales():
    corpus = open_corpus("bach")
    names = dict.fromkeys(corpus.info(number).source for number in range(0, len(corpus), 12))
    found = []
    for name in names:
        score = music21.corpus.parse(name.removeprefix("music21/").removesuffix(".mxl"))
        if fits(score):
            found.append(read(score))
        if len(found) == CHORALES:
            return found
    raise AssertionError(f"only {len(found)} chorales fit")


def test_melodic_intervals(chorales):
    for chorale in chorales:
        for track, part in enumerate(chorale.spans):
            sizes = [music21.interval.Interval(one, two).semitones for (*_, one), (*_, two) in pairwise(part)]
            expected = Counter(max(-13, min(13, size)) for size in sizes)
            assert chorale.found.counts("melodic intervals", track) == expected


def parallels(chorale):
    """Count moves of a pair in which both change, parallel fifths and octaves, by music21.

    music21 calls fifths by contrary motion (a twelfth to a fifth) parallel too; here both voices must go one way.
    """
    expected = Counter()
    for one, other in combinations(chorale.grid, 2):
        for (a, c), (b, d) in zip(pairwise(one), pairwise(other), strict=True):
            if None in (a, b, c, d) or a.pitch.midi == c.pitch.midi or b.pitch.midi == d.pitch.midi:
                continue
            expected["moves"] += 1
            quartet = music21.voiceLeading.VoiceLeadingQuartet(a, c, b, d)
            if (c.pitch.midi > a.pitch.midi) == (d.pitch.midi > b.pitch.midi):
                expected["fifths"] += quartet.parallelFifth()
                expected["octaves"] += quartet.parallelOctave() or quartet.parallelUnison()
    return expected


def test_parallel_fifths_and_octaves(chorales):
    """Chorales have few parallels, so voices of different chorales are combined too."""
    mixed = [
        Chorale([chorales[number + voice].spans[voice] for voice in range(4)]) for number in range(len(chorales) - 3)
    ]
    for sets in (chorales, mixed):
        expected = sum((parallels(chorale) for chorale in sets), Counter())
        fifths = [chorale.found.rate("parallel fifths") for chorale in sets]
        octaves = [chorale.found.rate("parallel octaves") for chorale in sets]
        found = Counter(moves=sum(n for _, n in fifths), fifths=sum(n for n, _ in fifths))
        found["octaves"] = sum(n for n, _ in octaves)
        print(f"\nby music21: {dict(expected)}; here: {dict(found)}")
        assert found == expected
        assert found["fifths"] > (0 if sets is chorales else 100)


def test_chord_types_on_beats(chorales):
    """Chords with a name have one spelling in music21; other spellings of the same pitch classes are left out."""
    totals = Counter()
    for chorale in chorales:
        view = PhraseView(chorale.phrase)
        found = Counter()
        for place in ("on strong beats", "on weak beats"):
            found += Counter(chorale.found.counts(f"chord types {place}"))
        expected = Counter()
        for step in view.beats.tolist():
            notes = [row[step] for row in chorale.grid if row[step] is not None]
            if notes:
                name = music21.chord.Chord([note.pitch for note in notes]).commonName
                expected[NAMES.get(name, "")] += 1
        for name in NAMES.values():
            totals[name] += found[name]
            totals["differ"] += abs(found[name] - expected[name])
    print(f"\nchords on beats: {dict(totals)}")
    assert totals["differ"] <= 0.002 * sum(totals.values())


def test_keys(chorales):
    same = 0
    for chorale in chorales:
        view = PhraseView(chorale.phrase)
        tonic, minor, clarity = keys(view.chroma.sum(1))
        expected = music21.analysis.discrete.KrumhanslSchmuckler().getSolution(chorale.score)
        mode = "minor" if minor[0] else "major"
        if (int(tonic[0]), mode) == (expected.tonic.pitchClass, expected.mode):
            same += 1
            assert float(clarity[0]) == pytest.approx(expected.correlationCoefficient, abs=0.01)
    print(f"\nkeys: {same} of {len(chorales)} agree")
    assert same >= 0.96 * len(chorales)
