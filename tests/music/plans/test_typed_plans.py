"""Plans as typed by users: lines of chords, form, instruments, activity; a hundred mistakes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.errors import UserError
from bgmusic.music.plans.lead_sheet import parse_line, split_bars, write_line
from bgmusic.music.plans.roman import parse_key
from bgmusic.music.plans.settle import overrule, settle
from bgmusic.music.plans.shape import LEVELS, PlanShape
from bgmusic.music.plans.table import table
from bgmusic.music.plans.typed import bars_of, find_track, typed_plan

SHAPE = PlanShape(("Drums", "Piano", "Bass"), (True, False, False), 8, 4)
FOUR = SHAPE.with_bars(4)


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("C | Am | F G | C", "C | Am | F G | C"),
        ("| C | Am |", "C | Am"),
        ("C|Am|F  G", "C | Am | F G"),
        ("C | % | F % G C", "C | C | F G C"),
        ("Dm7 G7 C", "Dm7 G7 C"),
        ("C C F F", "C F"),
        ("? | N.C. | C ?", "? | N.C. | C ?"),
        ("C F G %", "C F G %"),
        ("C/E | %", "C/E | C/E"),
    ],
)
def test_lines_of_chords(line, written):
    harmony, known = parse_line(line, 4)
    assert write_line(harmony, known, 4) == written
    again = parse_line(written, 4)
    assert (again[0] == harmony).all()
    assert (again[1] == known).all()


chords = st.sampled_from(["C", "Am7", "F/A", "G7b9", "N.C.", "?", "%", "{C,Db}/C"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(chords, min_size=1, max_size=5), min_size=1, max_size=6), st.integers(5, 7))
def test_any_line_reads_back(bars, beats):
    line = " | ".join(" ".join(bar) for bar in bars)
    if bars[0][0] == "%":
        with pytest.raises(UserError):
            parse_line(line, beats)
        return
    harmony, known = parse_line(line, beats)
    again = parse_line(write_line(harmony, known, beats), beats)
    assert (again[0] == harmony).all()
    assert (again[1] == known).all()


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="CDEFGABm7b#/|%?N.{} ,IVivdimsus+-°x", max_size=40))
def test_wild_lines_are_read_or_refused_in_one_line(text):
    message = ""
    try:
        parse_line(text, 4, parse_key("C"))
    except UserError as error:
        message = str(error)
    assert "\n" not in message


def test_numerals_use_the_key():
    harmony, known = parse_line("I | vi | IV V7 | I", 4, parse_key("D"))
    assert write_line(harmony, known, 4) == "D | Bm | G A7 | D"


@pytest.mark.parametrize(
    ("arguments", "bars"),
    [
        ((None, None, 4), 4),
        (("C | F", None, 4), 4),
        (("C | F | G", None, 4), 3),
        (("C | F | G | C | C", None, 4), 5),
        (("C | F", "AABA", 4), 8),
        ((None, "AABA", 4), 4),
        (("C", "Drums:AB, Bass:AA", 4), 2),
    ],
)
def test_a_length_that_is_not_said(arguments, bars):
    assert bars_of(*arguments) == bars


def test_sections_return_where_the_track_plays():
    plan = settle(typed_plan(SHAPE, form="AABA", instruments="Drums:-x-x"))
    assert plan.repeats[0].tolist() == [0, 0, -1, -1, 0, 0, 2, 3]
    assert plan.repeats[1].tolist() == [-1, -1, 0, 1, -1, -1, 0, 1]
    assert plan.instruments[0].tolist() == [False, False, True, True] * 2


def test_a_form_of_single_bars_is_known_whole():
    plan = settle(typed_plan(FOUR, form="AABA"))
    assert plan.repeats[1].tolist() == [0, 0, 2, 0]
    assert plan.form_known.all()


def test_conclusions_follow():
    plan = settle(typed_plan(FOUR, "C | ? | F | ?", "ABCB", "Bass:-xx?", "Bass:? 2 ? ?"))
    assert write_line(plan.harmony, plan.harmony_known, 4) == "C | ? | F | ?"
    assert plan.instruments[2].tolist() == [False, True, True, True]
    assert plan.activity[2].sum(-1).tolist() == [0, 2, 0, 2]
    assert plan.activity_known[2].tolist() == [True, True, False, True]
    plan = settle(typed_plan(FOUR, "C | G | ? | ?", "ABAB"))
    assert write_line(plan.harmony, plan.harmony_known, 4) == "C | G | C | G"
    silent = settle(typed_plan(FOUR, instruments="Piano:x-xx, Bass:x-xx"))
    assert write_line(silent.harmony, silent.harmony_known, 4) == "? | N.C. | ? | ?"


def test_no_activity_is_silence_unless_the_track_plays():
    plan = settle(overrule(typed_plan(FOUR, instruments="Bass:?x??"), typed_plan(FOUR, activity="Bass:none")))
    assert plan.instruments_known[2].all()
    assert plan.instruments[2].tolist() == [False, True, False, False]


def test_settling_twice_changes_nothing():
    plan = settle(typed_plan(SHAPE, "C | F", "AABA", "Drums:-x-x", "Piano:low"))
    assert settle(plan) == plan


def test_typed_wishes_overrule_a_plan():
    base = settle(typed_plan(FOUR, "C | F | G | C", activity="low"))
    plan = overrule(base, typed_plan(FOUR, "? | Dm | ? | ?", activity="Bass:high"))
    assert write_line(plan.harmony, plan.harmony_known, 4) == "C | Dm | G | C"
    assert plan.activity[:, 0].sum(-1).tolist() == [2, 2, 6]
    with pytest.raises(UserError, match="differ in size"):
        overrule(base, typed_plan(SHAPE))


@pytest.mark.parametrize(
    ("option", "own", "of_all"),
    [("form", "Drums:AAAA", "ABAB"), ("instruments", "Drums:-x-x", "xxxx"), ("activity", "Drums:1", "low")],
)
def test_the_value_of_a_track_counts_in_either_order(option, own, of_all):
    first, second = (settle(typed_plan(FOUR, **{option: text})) for text in (f"{own}, {of_all}", f"{of_all}, {own}"))
    assert first == second
    alone = settle(typed_plan(FOUR, **{option: own}))
    assert (first.arrays()[option][0] == alone.arrays()[option][0]).all()


def test_tracks_have_names_and_numbers():
    assert find_track(SHAPE, " bass ") == 2
    assert find_track(SHAPE, "1") == 1


def test_the_table_shows_everything():
    plan = settle(typed_plan(FOUR, "C | Am | C | ?", "ABAC", "Drums:-x-x", "Piano:low"))
    lines = table(plan).splitlines()
    assert lines[0].split() == ["bar", "1", "2", "3", "4"]
    assert lines[1].split() == ["chords", "C", "Am", "C", "?"]
    assert lines[2].split() == ["Drums", "-", "Ax", "-", "Bx"]
    assert "A2" in lines[3]
    long = typed_plan(SHAPE.with_bars(64), "C | Am")
    assert max(map(len, table(long, 60).splitlines())) <= 60


BAD = [
    {"instruments": "Bass:xxxx", "activity": "Bass:low none low low"},
    {"instruments": "Bass:xxxx, bass:x-xx"},
    {"activity": "Bass:low, low, Bass:high"},
    # chords
    {"chords": ""},
    {"chords": "|"},
    {"chords": " | | "},
    {"chords": "C | | F | G"},
    {"chords": "C || F"},
    {"chords": "|: C | F :|"},
    {"chords": "C | H"},
    {"chords": "C | F#x"},
    {"chords": "c | f"},
    {"chords": "C, F"},
    {"chords": "C - F"},
    {"chords": "C F G Am Dm"},
    {"chords": "% | C"},
    {"chords": "% C"},
    {"chords": "C | F | G"},
    {"chords": " | ".join("C" * 11)},
    {"chords": " | ".join("C" * 12)},
    {"chords": " | ".join("C" * 16)},
    {"chords": " | ".join("C" * 1025)},
    {"chords": "C" * 200_000},
    {"chords": "C | F/H"},
    {"chords": "C | F/"},
    {"chords": "C | /F"},
    {"chords": "I | IV"},
    {"chords": "C | ii"},
    {"chords": "I | VIII", "key": "C"},
    {"chords": "I | IVx", "key": "C"},
    {"chords": "V/V/V", "key": "C"},
    {"chords": "I/", "key": "C"},
    {"chords": "I", "key": "H"},
    {"chords": "I", "key": ""},
    {"chords": "I", "key": "C blue"},
    {"chords": "C\n\nF\x00"},
    {"chords": "{C,E | F}"},
    {"chords": "{C E G}"},
    {"chords": "N.C | C7sus9"},
    {"chords": "C|D|E|F|G|A|B"},
    {"chords": "💥"},
    # form
    {"form": ""},
    {"form": "AAB"},
    {"form": "AABAC"},
    {"form": "A1B1"},
    {"form": "A,B"},
    {"form": "A-BA"},
    {"form": "AA|BA"},
    {"form": "AABA'"},
    {"form": "Flute:AABA"},
    {"form": "Drums:"},
    {"form": ":AABA"},
    {"form": "Drums:AABA,"},
    {"form": "3:AABA"},
    {"form": "-1:AABA"},
    {"form": "Drums:AABA; Bass:ABAB"},
    {"form": "ÄÄBÄ"},
    {"form": "A" * 20_000},
    {"form": "A" * 16},
    # instruments
    {"instruments": ""},
    {"instruments": "Drums"},
    {"instruments": "Drums:"},
    {"instruments": "Drums:-x-"},
    {"instruments": "Drums:-x-x-x-x-x-x-x-x"},
    {"instruments": "Drums:on"},
    {"instruments": "Drums:1010"},
    {"instruments": "Trumpet:xxxx"},
    {"instruments": "Drums=xxxx"},
    {"instruments": "Drums:xx|xx"},
    {"instruments": "Drums:xx.x"},
    {"instruments": "Drums:xxxx,,Bass:xxxx"},
    {"instruments": "99:xxxx"},
    {"instruments": "²:xxxx"},
    {"instruments": "Drums:✗✗✗✗"},
    {"instruments": "x" * 11_000},
    # activity
    {"activity": ""},
    {"activity": "Piano"},
    {"activity": "Piano:"},
    {"activity": "Piano:loud"},
    {"activity": "Piano:9"},
    {"activity": "Piano:-1"},
    {"activity": "Piano:1.5"},
    {"activity": "Piano:1 2 3"},
    {"activity": "Piano:1232"},
    {"activity": "Piano:low-high"},
    {"activity": "Organ:low"},
    {"activity": "Piano:low,,"},
    {"activity": "Piano:1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8"},
    {"activity": "Piano:٣"},
    # contradictions
    {"chords": "C", "instruments": "Piano:-, Bass:-"},
    {"chords": "C | F", "instruments": "Piano:xx-x, Bass:xx--"},
    {"chords": "C|D|E|F|G|C|D|E", "form": "AABB"},
    {"chords": "C|D|E|F|C|D|E|G", "form": "AA"},
    {"form": "AAAA", "activity": "Bass:1 1 1 2"},
    {"form": "ABAB", "activity": "low high high low"},
    {"instruments": "Bass:xx-x", "activity": "Bass:low"},
    {"instruments": "-", "activity": "Drums:full"},
    {"instruments": "-", "chords": "C"},
    {"form": "AA", "chords": "C|F|G|C|C|F|G|F"},
    {"form": "AABA", "activity": "Piano:1 2 3 4 5 6 7 8"},
    {"form": "AAAAAAAA", "chords": "C | F"},
    {"instruments": "Piano:--------, Bass:-------x", "chords": "C"},
    {"activity": "none", "instruments": "-", "chords": "Am"},
    {"form": "Drums:AA", "activity": "Drums:1 2"},
]


REMEDIES = [
    ({"form": "ABCDEFGHIJKL"}, "--bars 12"),
    ({"form": "AABABCB"}, "--bars 14"),
    ({"form": "Bass AB"}, "Drums:AAAA, Bass:ABAB"),
    ({"instruments": "Drums=-x-x"}, "Drums:-x-x, Bass:xxxx"),
    ({"instruments": "Drums:-x-x; Bass:xxxx"}, "Drums:-x-x, Bass:xxxx"),
    ({"activity": "Piano low"}, "Track:value"),
    ({"chords": "C:maj7 | A:min"}, "without the colon"),
    ({"chords": "|: C | F :|"}, "repeats"),
    ({"chords": "C / / G"}, "%"),
    ({"chords": "C . . G"}, "%"),
    ({"chords": "c"}, "C or Cm"),
    ({"chords": "bb | C"}, "Bb or Bbm"),
    ({"chords": "am7"}, "Am7"),
]


@pytest.mark.parametrize(("arguments", "remedy"), REMEDIES, ids=lambda value: str(value)[:60])
def test_messages_say_what_to_write(arguments, remedy):
    with pytest.raises(UserError) as caught:
        typed_plan(SHAPE, **arguments)
    assert remedy in str(caught.value)


def _settled(key=None, **arguments):
    return settle(typed_plan(SHAPE, **arguments, key=None if key is None else parse_key(key)))


def test_there_are_a_hundred_mistakes():
    assert len(BAD) >= 100


@pytest.mark.parametrize("arguments", BAD, ids=lambda arguments: str(arguments)[:60])
def test_mistakes_are_refused_in_one_line(arguments):
    with pytest.raises(UserError) as caught:
        _settled(**arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert 10 < len(message) < 300


def test_drums_alone_play_no_chords():
    with pytest.raises(UserError, match="all tracks are drums"):
        typed_plan(PlanShape(("Drums",), (True,), 4, 4), "C")
    assert settle(typed_plan(PlanShape(("Drums",), (True,), 4, 4))).harmony_known.all()


def test_levels_are_unary():
    plan = typed_plan(FOUR, activity="none low full 3")
    assert plan.activity[0].sum(-1).tolist() == [0, 2, len(LEVELS), 3]
    assert split_bars("C | F") == [["C"], ["F"]]


@pytest.mark.parametrize(
    ("said", "loose"),
    [
        ("C | C | Am ? G % | %", "C ? ? ? | C ? ? ? | Am ? G ? | Am ? G ?"),
        ("C F | Dm7 G C/E F | ? | N.C.", "C ? F ? | Dm7 G C/E F | ? | N.C. ? ? ?"),
    ],
)
def test_loose_chords_are_known_where_they_begin(said, loose):
    plan = typed_plan(FOUR, said, loose=True)
    assert write_line(plan.harmony, plan.harmony_known, 4) == loose
    strict = typed_plan(FOUR, said)
    known = plan.harmony_known
    assert (strict.harmony[known] == plan.harmony[known]).all()
    assert settle(plan) == plan
