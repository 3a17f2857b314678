"""Names of chords: spellings, round trips, Roman numerals."""

import numpy as np
import pytest

from bgmusic.errors import UserError
from bgmusic.music.plans.chord_names import bits_of, chord_name, note_class, parse_chord
from bgmusic.music.plans.roman import parse_key, parse_numeral

SPELLINGS = {
    "C": "C CM Cmaj CMaj Cmajor",
    "Cm": "Cm C- Cmin Cmi Cminor",
    "C7": "C7",
    "Cm7": "Cm7 C-7 Cmin7 Cmi7",
    "Cmaj7": "Cmaj7 CM7 CΔ CΔ7 Cma7 CMaj7 C^7",
    "Cm(maj7)": "CmM7 Cm(maj7) C-Δ7",
    "Cdim": "Cdim Co C° Cm-5 Cmb5",
    "Cdim7": "Cdim7 Co7 C°7",
    "Cm7b5": "Cm7b5 Cø Cø7 Cm7(b5) C-7b5 Cm7-5 Ch7",
    "Caug": "Caug C+",
    "Caug7": "Caug7 C+7 C7#5 C7+5",
    "Csus4": "Csus Csus4 Csus4no3 Cno3sus4",
    "C7sus4": "C7sus4 C7sus",
    "C6": "C6",
    "C6/9": "C6/9 C69",
    "C9": "C9",
    "Cm9": "Cm9 C-9",
    "Cmaj9": "Cmaj9",
    "C11": "C11",
    "C13": "C13",
    "C7b9": "C7b9 C7(b9) C7-9",
    "C7#11": "C7#11",
    "Cadd9": "Cadd9 Cadd2 C2",
    "Cadd11": "Cadd4 Cadd11",
    "C5": "C5 Cno3 C(omit3)",
    "Bb": "Bb B♭ A#",
    "F#m": "F#m F♯m Gbm",
    "C/E": "C/E",
    "Bb/D": "B♭/D",
    "Am7/G": "Am7/G Am/G",
    "N.C.": "N.C. NC N.C n.c.",
    "{C,E,F#,Ab,Bb}/C": "C7b5#5 C7#5b5",
    "{C,Db}/C": "{C,Db}/C {Db,C}",
}
PAIRS = [(text, name) for name, texts in SPELLINGS.items() for text in texts.split()]


@pytest.mark.parametrize(("text", "name"), PAIRS)
def test_usual_spellings_are_read(text, name):
    assert chord_name(parse_chord(text)) == name


def test_every_set_of_notes_has_a_text_that_reads_back():
    for number in range(1, 4096):
        classes = {note for note in range(12) if number >> note & 1}
        for bass in classes:
            bits = bits_of(classes, bass)
            assert (parse_chord(chord_name(bits)) == bits).all()


def test_a_bass_outside_the_chord_sounds_with_it():
    assert np.flatnonzero(parse_chord("C/D")).tolist() == [0, 2, 4, 7, 14]


@pytest.mark.parametrize(
    "text",
    [
        *("", "H", "c", "am", "Cxyz", "C/", "/C", "C//E", "C/H", "C7/9", "Cmm", "Cm7b5b", "C4", "Csus5", "C#b7", "♭"),
        *("C13b", "C/E/G", "{C", "{}", "{C,H}", "{C,E}/x", "C" * 50, "Cmaj7maj7", "1", "C²", "C7alt7", "C\x00", "💥"),
        *("Cmino", "Cmdim", "C7m", "Csusm", "Cmaj7m", "CmM", "Cdimmaj", "Csus4M", "C7ø", "Cmalt", "Cmid", "Coh"),
    ],
)
def test_other_text_is_no_chord(text):
    with pytest.raises(UserError) as caught:
        parse_chord(text)
    assert "\n" not in str(caught.value)


def test_names_need_bits_of_a_chord():
    with pytest.raises(ValueError, match="shape"):
        chord_name(np.zeros(12, bool))
    with pytest.raises(ValueError, match="boolean"):
        chord_name(np.zeros(24))
    with pytest.raises(ValueError, match="one bass"):
        chord_name(np.arange(24) == 0)
    assert note_class("Cb") == 11
    assert note_class("X") is None


@pytest.mark.parametrize(
    ("key", "numerals", "names"),
    [
        ("C", "I ii iii IV V vi viio", "C Dm Em F G Am Bdim"),
        ("Eb", "Imaj7 ii7 V7 viiø7 viio7", "Ebmaj7 Fm7 Bb7 Dm7b5 Ddim7"),
        ("C", "I7 IV7 IV9 V13 bVII7 II7 IM7 IV^7 imaj7", "C7 F7 F9 G13 Bb7 D7 Cmaj7 Fmaj7 Cm(maj7)"),
        ("C", "I65 IV42 V42 vi65 vii%7 vii%65 viidim7", "Cmaj7/E Fmaj7/E G7/F C6 Bm7b5 Dm6 Bdim7"),
        ("Am", "i7 iv7 III7 VI65 viidim", "Am7 Dm7 C7 Fmaj7/A Abdim"),
        ("C", "I6 I64 V65 V43 V42 ii65", "C/E C/G G7/B G7/D G7/F F6"),
        ("C", "V/V V7/ii viio7/V bVII bII6 III+", "D A7 F#dim7 Bb Db/F Eaug"),
        ("Am", "i III iv v V7 VI VII viio7 i6", "Am C Dm Em E7 F G Abdim7 Am/C"),
        ("f# minor", "i V", "F#m Db"),
        ("C", "Isus4 V9 ii9", "Csus4 G9 Dm9"),
        ("C", "♭VII", "Bb"),
        ("Am", "i bVII bVI bIII bII", "Am G F C Bb"),
    ],
)
def test_numerals_are_chords_of_a_key(key, numerals, names):
    found = [chord_name(parse_numeral(numeral, parse_key(key))) for numeral in numerals.split()]
    assert " ".join(found) == names


@pytest.mark.parametrize(
    "text", ["VIII", "Vx", "V/", "V/V7", "I65/", "I42x", "#", "V/V/V", "viii", "iiii", "IIII", "iiaj7", "i5", "Iv"]
)
def test_other_text_is_no_numeral(text):
    with pytest.raises(UserError):
        parse_numeral(text, parse_key("C"))


@pytest.mark.parametrize("text", ["", "H", "C blue", "major", "Cmm", "#", "C" * 100])
def test_other_text_is_no_key(text):
    with pytest.raises(UserError, match="is no key"):
        parse_key(text)


@pytest.mark.slow
def test_chords_agree_with_music21():
    harmony = pytest.importorskip("music21.harmony")
    texts = "C Cm C7 Cm7 Cmaj7 Cdim Cdim7 Cm7b5 Caug Csus4 Csus2 C6 Cm6 C9 Cm9 F/A Am7/G B-7 F#m C7b9 C13"
    for text in texts.split():
        symbol = harmony.ChordSymbol(text)
        bits = parse_chord(text.replace("B-", "Bb"))
        assert set(np.flatnonzero(bits[:12]).tolist()) == {pitch.pitchClass for pitch in symbol.pitches}, text
        assert bits[12:].argmax() == symbol.bass().pitchClass
    roman = pytest.importorskip("music21.roman")
    # Root positions of I7 and IV7 differ by intent: RomanText takes the seventh of the key, bands play C7 and F7.
    numerals = "I ii iii IV V vi viio V7 V65 V43 V42 ii65 viio7 viiø7 I6 I64 V/V V7/ii I65 IV65 IV42 bVII"
    for numeral in numerals.split():
        theirs = roman.RomanNumeral(numeral, "E-")
        bits = parse_numeral(numeral, parse_key("Eb"))
        assert set(np.flatnonzero(bits[:12]).tolist()) == {pitch.pitchClass for pitch in theirs.pitches}, numeral
        assert bits[12:].argmax() == theirs.bass().pitchClass
