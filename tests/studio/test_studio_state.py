"""The studio's state: edits keep the invariants, locks hold, and a project file reopens exactly."""

from __future__ import annotations

import gzip
import json

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import SATB, network_of

from bgmusic.errors import UserError
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import Track, TrackSet
from bgmusic.studio.areas import area, pack
from bgmusic.studio.composing import take_edit
from bgmusic.studio.edits import read_edit
from bgmusic.studio.history import EVERY, History
from bgmusic.studio.project_file import project_bytes, read_project
from bgmusic.studio.state import MAX_TAKES, State, equal
from bgmusic.studio.view import view_of

BAND = TrackSet("band", (Track("Drums", 0, True, low=35, high=40), Track("Piano", 0), Track("Bass", 33)), 30, 40)
SHAPE = RollShape(track_set=BAND, resolution=4, bars=4, steps=16, encoding="onset", bpm=100)


def new(bars=None):
    return State.new("bach", SHAPE, bars)


def do(state, **edit):
    return read_edit(edit).apply(state)


def rows(state):
    return state.notes.tolist()


NOTES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 9), st.integers(35, 40)), min_size=1, max_size=6
)
AREAS = st.fixed_dictionaries(
    {},
    optional={
        "tracks": st.lists(st.integers(0, 2), max_size=3),
        "beats": st.tuples(st.integers(0, 15), st.integers(1, 16)).map(sorted),
    },
)
EDITS = st.one_of(
    st.builds(lambda notes: {"do": "add", "notes": notes}, NOTES),
    st.builds(lambda where, on: {"do": "lock", "on": on, **where}, AREAS, st.booleans()),
    st.builds(lambda where: {"do": "clear", **where}, AREAS),
    st.builds(lambda where, notes: {"compose": where, "notes": notes}, AREAS, NOTES),
    st.builds(lambda pick, by: {"pick": pick, **by}, st.integers(0, 99), st.sampled_from(
        [{"do": "delete"}, {"do": "move", "steps": 3}, {"do": "move", "semitones": -1}, {"do": "own", "on": True},
         {"do": "move", "longer": 2}, {"do": "own", "on": False}])),
    st.builds(lambda track, bar, what: {"do": "decide", "track": track, "bar": bar, **what},
              st.integers(0, 2), st.integers(0, 4), st.sampled_from(
                  [{"part": "instruments", "value": value} for value in (True, False, None)]
                  + [{"part": "form", "value": value} for value in (0, 1, None)])),
    st.builds(lambda beat, name: {"do": "chord", "beats": [beat, beat + 2], "name": name}, st.integers(0, 15),
              st.sampled_from(["C", "Am7", "F/A", None])),
    st.builds(lambda bars: {"do": "bars", "bars": bars}, st.integers(3, 5)),
    st.builds(lambda take: {"do": "show", "take": take}, st.integers(0, 9)),
    st.just({"undo": True}),
    st.just({"redo": True}),
)  # fmt: skip


def perform(history, edit):
    """Perform a random edit; one that does not fit is refused."""
    state = history.state
    try:
        if "undo" in edit or "redo" in edit:
            return history.undo() if "undo" in edit else history.redo()
        if "compose" in edit:
            free = area(state, edit["compose"].get("tracks"), edit["compose"].get("beats"))
            return history.apply({"do": "take", "notes": edit["notes"], "free": pack(free)})
        if "pick" in edit:
            if not len(state.notes):
                return state
            track, onset, _, pitch, _ = rows(state)[edit["pick"] % len(state.notes)]
            named = {key: value for key, value in edit.items() if key != "pick"}
            return history.apply({**named, "notes": [[track, onset, pitch]]})
        return history.apply(edit)
    except UserError:
        return state


def sound(state, units):
    """Return which notes sound in units, cut to them."""
    found = set()
    for track, onset, duration, pitch, _ in rows(state):
        for step in range(onset, onset + duration):
            if units[track, step // SHAPE.unit]:
                found.add((track, step, pitch, step == onset))
    return found


def check(state):
    """Check the invariants of a state."""
    state.roll()  # refuses overlaps
    assert state.locks.shape == (3, state.bars * 4)
    assert state.decided.shape.bars == state.bars
    assert len(state.takes) <= MAX_TAKES
    assert -1 <= state.shown < max(1, len(state.takes))


@settings(max_examples=25, deadline=None)
@given(st.lists(EDITS, max_size=40))
def test_random_edits_keep_locks_and_reopen_exactly(edits):
    history = History(new())
    for edit in edits:
        before = history.state
        after = perform(history, edit)
        check(after)
        if edit.get("do") not in (None, "lock", "bars") or "compose" in edit or "pick" in edit:
            assert sound(after, before.locks) == sound(before, before.locks)
    again = read_project(project_bytes(history))
    assert equal(again.state, history.state)
    assert (again.undos, again.redos) == (history.undos, history.redos)
    assert project_bytes(again) == project_bytes(history)


@pytest.mark.slow
def test_a_thousand_edits_replay():
    """Edits and real compositions: locked units never change, memory stays, and the project file replays exactly."""
    network, rng = network_of(SATB), np.random.default_rng(5)
    history = History(State.new("voices", SATB))
    memory = psutil.Process().memory_info
    before_all = memory().rss

    def notes(count):
        rows = rng.integers([0, 0, 1, 57], [4, 60, 5, 66], (count, 4)).tolist()
        return [[track, onset, duration, pitch - 12 * (track > 1)] for track, onset, duration, pitch in rows]

    def composed(where):
        state = history.state
        free = area(state, where["tracks"], where["beats"]) & ~state.kept
        return take_edit(network, state, free, int(rng.integers(1 << 40)))

    done = compositions = 0
    while done < 1000:
        first, track = int(rng.integers(0, 15)), int(rng.integers(4))
        where = {"tracks": [track], "beats": [first, int(rng.integers(first + 1, 17))]}
        kind = int(rng.choice(8, p=[0.1, 0.06, 0.2, 0.2, 0.2, 0.1, 0.1, 0.04]))
        edit = composed(where) if kind == 1 else {
            0: {"do": "lock", "on": bool(rng.random() < 0.3), **where},
            2: {"compose": where, "notes": notes(40)},
            3: {"do": "add", "notes": notes(2)},
            4: {"pick": int(rng.integers(99)), "do": "delete"},
            5: {"do": "chord", "beats": where["beats"], "name": ["Dm", "C", None][int(rng.integers(3))]},
            6: {"do": "own", "on": bool(rng.integers(2)), "pick": int(rng.integers(99))},
            7: {"do": "show", "take": int(rng.integers(9))},
        }[kind]  # fmt: skip
        before = history.state
        after = perform(history, edit)
        if kind:
            locked = np.tile(np.repeat(before.locks, SATB.unit, axis=1).reshape(4, 4, 16), (2, 1, 1))
            assert np.array_equal(after.roll().channels()[locked], before.roll().channels()[locked])
        done += after is not before
        compositions += kind == 1 and after is not before
    assert compositions > 20
    assert memory().rss - before_all < 100e6
    again = read_project(project_bytes(history))
    assert equal(again.state, history.state)
    assert project_bytes(again) == project_bytes(history)
    for _ in range(100):
        history.undo()
        again.undo()
        assert equal(again.state, history.state)
    assert (again.undos, again.redos) == (900, 100)


def test_the_users_notes_are_kept():
    state = do(new(), do="add", notes=[[1, 0, 4, 60]])
    free = pack(np.ones((3, 16), bool))
    state = do(state, do="take", notes=[[1, 0, 2, 62], [1, 4, 2, 62], [1, 3, 4, 64]], free=free)
    assert rows(state) == [(1, 0, 4, 60, True), (1, 4, 2, 62, False)]
    assert len(state.takes) == 2
    assert state.shown == 1
    back = do(state, do="own", notes=[[1, 0, 60]], on=False)
    assert rows(do(back, do="take", notes=[], free=free)) == []


def test_a_note_that_is_placed_over_others_cuts_them():
    state = do(new(), do="add", notes=[[1, 0, 8, 60], [1, 8, 4, 60]])
    state = do(state, do="add", notes=[[1, 4, 6, 60]])
    assert rows(state) == [(1, 0, 4, 60, True), (1, 4, 6, 60, True)]
    assert rows(do(state, do="move", notes=[[1, 4, 60]], semitones=2, longer=-5))[1] == (1, 4, 1, 62, True)
    assert rows(do(new(), do="add", notes=[[0, 0, 8, 38]])) == [(0, 0, 1, 38, True)]


def test_locked_notes_cannot_be_edited():
    state = do(do(new(), do="add", notes=[[1, 2, 8, 60]]), do="lock", on=True, tracks=[1], beats=[2, 3])
    for edit in (
        {"do": "delete", "notes": [[1, 2, 60]]},
        {"do": "add", "notes": [[1, 8, 1, 50]]},
        {"do": "move", "notes": [[1, 2, 60]], "steps": 20},
    ):
        with pytest.raises(UserError, match="unlock it first"):
            do(state, **edit)
    # A note that sounds in a locked unit is kept whole.
    assert rows(do(state, do="clear")) == rows(state)
    with pytest.raises(UserError, match="behind bar"):
        do(do(new(), do="lock", on=True, beats=[15, 16]), do="bars", bars=3)


def test_decisions():
    state = do(new(), do="chords", line="C | Am | F G | C | Dm")
    assert state.bars == 5
    assert state.decided.harmony_known.all()
    assert do(state, do="chords", line="C F", loose=True).decided.harmony_known[:5].tolist() == [
        True,
        False,
        True,
        False,
        True,
    ]
    state = do(state, do="chord", beats=[4, 6], name=None)
    assert not state.decided.harmony_known[4:6].any()
    state = do(state, do="decide", part="form", track=1, bar=2, value=0)
    assert state.decided.repeats[1].tolist() == [-1, -1, 0, -1, -1]
    state = do(state, do="decide", part="instruments", track=1, bar=2, value=False)
    assert not state.decided.instruments[1, 2]
    with pytest.raises(UserError, match="silent in bar 3: let it play"):
        do(state, do="decide", part="activity", track=1, bar=2, value=3)
    state = do(state, do="key", name="F# minor")
    assert view_of(History(state))["key"] == "F#m"
    assert do(state, do="bars", bars=7).decided.scale == 9
    assert not do(state, do="key", name=None).decided.key_known.any()
    for wrong in ({"part": "instruments", "value": 1}, {"part": "form", "value": 3}, {"part": "activity", "value": 9}):
        with pytest.raises(UserError):
            do(state, do="decide", track=1, bar=1, **wrong)


def test_an_ending_follows_from_the_key_and_from_what_plays():
    with pytest.raises(UserError, match="needs a key"):
        do(new(), do="ending")
    with pytest.raises(UserError, match="3 bars or more"):
        do(new(2), do="ending")
    minor = do(do(new(), do="key", name="Am"), do="ending")
    plan = minor.decided
    assert [plan.harmony_known[:11].any(), plan.harmony_known[11:].all()] == [False, True]
    assert [np.flatnonzero(bits).tolist() for bits in plan.harmony[[11, 12, 15]]] == [
        [4, 8, 11, 12 + 4], [0, 4, 9, 12 + 9], [0, 4, 9, 12 + 9],
    ]  # fmt: skip
    assert not plan.activity_known.any()  # nothing plays before
    # A chord and the silence of a bar that are decided stay; the piano has played, and strikes once.
    state = do(new(), do="add", notes=[[1, 16, 4, 40], [1, 20, 12, 36], [2, 16, 16, 36]])
    state = do(state, do="decide", part="form", track=1, bar=3, value=1)
    state = do(
        do(state, do="chord", beats=[11, 12], name="F"), do="decide", part="instruments", track=2, bar=3, value=False
    )
    ended = do(state, do="ending").decided
    assert np.flatnonzero(ended.harmony[11]).tolist() == [0, 5, 9, 12 + 5]
    assert ended.activity_known[:, 3].tolist() == [False, True, False]
    assert ended.activity[1, 3].tolist() == [True, *[False] * 7]
    assert not ended.form_known[1, 3]
    assert not ended.instruments[2, 3]
    assert view_of(History(do(state, do="ending")))["plan"]["decided"]["harmony"][12] is not None


@pytest.mark.parametrize(
    "values",
    [
        None, [], {}, {"do": "nothing"}, {"do": "ending"}, {"do": "ending", "bars": 4},
        {"do": "add"}, {"do": "add", "notes": []},
        {"do": "add", "notes": [[0, 0, 0, 36]]},
        {"do": "add", "notes": [[300, 0, 1, 36]]}, {"do": "add", "notes": [[1, 63, 2, 60]]},
        {"do": "add", "notes": [[1, 0, 1, 200]]}, {"do": "add", "notes": [[1, 1e3, 1, 60]]},
        {"do": "lock", "on": True, "tracks": [3]}, {"do": "lock", "on": True, "beats": [3, 3]},
        {"do": "lock", "on": True, "beats": [0, 17]}, {"do": "delete", "notes": [[1, 1, 1]]},
        {"do": "chord", "beats": [0, 1], "name": "H"}, {"do": "chords", "line": ""},
        {"do": "key", "name": "H"},
        {"do": "chords", "line": "|".join(["C"] * 200)}, {"do": "bars", "bars": 0}, {"do": "bars", "bars": 5000},
        {"do": "tempo", "bpm": float("nan")}, {"do": "tempo", "bpm": 1e9}, {"do": "show", "take": 0},
        {"do": "take", "notes": [], "free": "!"}, {"do": "take", "notes": [], "free": "AAAA"},
        {"do": "title", "title": "x" * 300}, {"do": "add", "notes": [[1, 0, 1, 60]], "more": 1},
        {"do": "load", "notes": [], "bars": 2, "bpm": 90, "given": [7]},
    ],
)  # fmt: skip
def test_wrong_edits_are_refused(values):
    history = History(new())
    with pytest.raises(UserError):
        history.apply(values)
    assert equal(history.state, new())
    assert not history.undos


def test_undo_and_redo():
    history = History(new())
    with pytest.raises(UserError, match="nothing to undo"):
        history.undo()
    for step in range(2 * EVERY + 3):
        history.apply({"do": "tempo", "bpm": 60 + step})
    for _ in range(EVERY + 7):
        history.undo()
    assert history.state.bpm == 60 + EVERY - 5
    history.redo()
    assert history.state.bpm == 60 + EVERY - 4
    history.apply({"do": "tempo", "bpm": 200})
    with pytest.raises(UserError, match="nothing to redo"):
        history.redo()
    for _ in range(history.undos):
        history.undo()
    assert equal(history.state, new())


def test_a_long_history_forgets_its_beginning(monkeypatch):
    monkeypatch.setattr("bgmusic.studio.history.MOST_BYTES", 4000)
    history = History(new())
    for step in range(500):
        history.apply({"do": "tempo", "bpm": 60 + step})
    assert 2 * EVERY <= history.undos < 500
    again = read_project(project_bytes(history))
    assert equal(again.state, history.state)
    while history.undos:
        history.undo()
    assert history.state.bpm > 60


def test_files_that_are_no_projects():
    good = json.loads(gzip.decompress(project_bytes(History(new()))))
    for content in (b"", b"abc", gzip.compress(b"[1"), gzip.compress(b"{}"), gzip.compress(b"[" * 100_000)):
        with pytest.raises(UserError):
            read_project(content)
    for key, value in (("at", 1), ("edits", [{"do": "undo"}]), ("version", 2), ("first", {})):
        with pytest.raises(UserError):
            read_project(gzip.compress(json.dumps({**good, key: value}).encode()))
    for key, value in (
        ("notes", [[1, 0, 99, 60, True]]), ("notes", [[1, -1, 1, 60, True]]), ("locks", ""), ("shown", 3),
        ("bars", 1000), ("decided", {}), ("takes", [[[9, 0, 1, 60, True]]]),
    ):  # fmt: skip
        changed = {**good, "first": {**good["first"], key: value}}
        with pytest.raises(UserError):
            read_project(gzip.compress(json.dumps(changed).encode()))
    with pytest.raises(UserError, match="too large"):
        read_project(b"\x1f\x8b" + bytes(40 << 20))
