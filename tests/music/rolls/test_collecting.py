"""Tracks that collect by name, channel and program; annotations; hostile patterns and names."""

from __future__ import annotations

import fnmatch
import time

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.errors import UserError
from bgmusic.music.midi.song import NOTE, Song, sort_notes, table
from bgmusic.music.rolls.collecting import split_annotations, tracks_of
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.part_names import MAX_PATTERN, NameMatcher, exact_name
from bgmusic.music.rolls.tracks import Track, TrackSet


def _song(*parts: tuple[str, int, int, bool]) -> Song:
    """Return a song with one note for each (name, channel, program, is_drum)."""
    rows = [(0, 4, 60, 64, program, drum, part) for part, (_, _, program, drum) in enumerate(parts)]
    names, channels = tuple(part[0] for part in parts), tuple(part[1] for part in parts)
    return Song(4, sort_notes(table(NOTE, rows)), parts=names, channels=channels)


def _tracks(song: Song, by: object, *tracks: Track, annotations: tuple[str, ...] = ()) -> list[str]:
    names = [track.name for track in tracks]
    track_set = TrackSet("x", tracks, by=by, annotations=annotations)  # type: ignore[arg-type]
    return [(*names, "-")[number] for number in tracks_of(song, track_set)]


POP = _song(("MELODY", 1, 0, False), ("BRIDGE", 2, 0, False), ("PIANO", 3, 0, False), ("CHORDS", 4, 0, False))


def test_pop909_collects_by_name_and_sets_the_chords_aside():
    pop909 = TrackSet.load("pop909")
    music, chords = split_annotations(POP, pop909)
    assert tracks_of(music, pop909).tolist() == [0, 1, 2]
    assert chords.notes["part"].tolist() == [3]
    losses = quantise(POP, pop909, 4).losses
    assert (losses.notes, losses.kept, losses.no_track, losses.annotations) == (3, 3, 0, 1)


def test_parts_that_no_track_names_are_left_out_and_counted():
    three = TrackSet("x", tuple(Track(name, 0) for name in ("Melody", "Bridge", "Piano")), by="name")
    losses = quantise(POP, three, 4).losses
    assert (losses.notes, losses.kept, losses.no_track, losses.annotations) == (4, 3, 1, 0)


def test_the_first_rule_that_finds_a_track_decides():
    song = _song(("Lead Vox", 1, 0, False), ("b", 2, 33, False), ("x", 3, 0, False), ("y", 4, 80, False))
    lead, keys = Track("Lead", 80, parts=("*vox*",)), Track("Keys", 0, programs=(0, 80))
    bass = Track("Bass", 33, channels=(2, 3))
    assert _tracks(song, ("name", "channel", "program"), lead, keys, bass) == ["Lead", "Bass", "Bass", "Keys"]
    assert _tracks(song, ("program", "name"), lead, keys, bass) == ["Keys", "-", "Keys", "Keys"]
    assert _tracks(song, "channel", lead, keys, bass) == ["-", "Bass", "Bass", "-"]
    assert _tracks(song, ("name",), lead, keys, bass) == ["Lead", "-", "-", "-"]


def test_exact_names_come_before_patterns_and_patterns_in_track_order():
    song = _song(("Bass Guitar", 1, 0, False), ("guitar", 2, 0, False), ("Bass", 3, 0, False))
    assert _tracks(song, "name", Track("G", 0, parts=("*guitar*", "*bass*")), Track("Bass", 0)) == ["G", "G", "Bass"]


def test_a_tracks_own_name_is_no_pattern_and_its_parts_match_themselves():
    song = _song(("*", 1, 0, False), ("Guitar [clean]", 2, 0, False), ("Guitar c", 3, 0, False), ("x", 4, 0, False))
    tracks = (Track("*", 0), Track("G", 0, parts=("guitar [clean]",)))
    assert _tracks(song, "name", *tracks) == ["*", "G", "G", "-"]


def test_percussion_goes_to_drum_tracks_only():
    song = _song(("Bass Drum", 10, 0, True), ("Bass", 1, 33, False), ("Kit", 16, 0, False))
    tracks = (Track("Bass", 33, parts=("*bass*",)), Track("Kit", 0, is_drum=True, parts=("*drum*",)))
    assert _tracks(song, "name", *tracks) == ["Kit", "Bass", "Kit"]  # a part may be drums by its name alone
    channels = (Track("Bass", 33, channels=(1, 10)), Track("Kit", 0, is_drum=True, channels=(16,)))
    assert _tracks(song, "channel", *channels) == ["-", "Bass", "Kit"]


def test_percussion_is_no_voice():
    kit, lead, low = ("Kit", 10, 0, True), ("Lead", 1, 0, False), ("Low", 2, 0, False)
    voices = (Track("Soprano", 0), Track("Bass", 0))
    assert _tracks(_song(kit, lead, low), "part", *voices) == ["-", "Soprano", "Bass"]
    assert _tracks(_song(lead, low, kit), "part", *voices) == ["Soprano", "Bass", "-"]
    with pytest.raises(UserError, match="needs 2 parts, the piece has 1"):
        _tracks(_song(kit, lead), "part", *voices)
    assert _tracks(_song(kit, lead), "part", Track("Beat", 0, is_drum=True), Track("Top", 0)) == ["Beat", "Top"]


def test_program_changes_within_a_part_are_followed_unless_its_name_decides():
    rows = [(0, 4, 60, 64, 0, False, 0), (4, 4, 60, 64, 33, False, 0)]
    song = Song(4, table(NOTE, rows), parts=("Left",))
    keys, bass = Track("Keys", 0, programs=(0,)), Track("Bass", 33, programs=(33,))
    assert _tracks(song, ("name", "program"), keys, bass) == ["Keys", "Bass"]
    assert _tracks(song, ("name", "program"), Track("Left", 0), bass) == ["Left", "Left"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"by": []}, "by is part, or one or several of"),
        ({"by": ["name", "name"]}, "by is part, or"),
        ({"by": ["part", "name"]}, "by is part, or"),
        ({"by": 7}, "by"),
        ({"by": {"name": 1}}, "by"),
        (
            {"by": "name", "tracks": [{"name": "A", "program": 0, "parts": ["b"]}, {"name": "b", "program": 0}]},
            "'b' is",
        ),
        ({"tracks": [{"name": "A", "program": 0, "channels": "0-3"}]}, "not within 1 to 16"),
        ({"tracks": [{"name": "A", "program": 0, "channels": [17]}]}, "channel 17"),
        ({"tracks": [{"name": n, "program": 0, "channels": 3} for n in "ab"]}, "channel 3 is collected by two"),
        ({"annotations": ["*" * 200]}, "at most 80"),
        ({"annotations": [f"*{n}" for n in range(300)]}, "at most 256"),
        ({"tracks": [{"name": "A", "program": 0, "parts": ["[" + "a" * 90]}]}, "at most 80"),
    ],
)
def test_invalid_rules_give_one_line(values, reason):
    with pytest.raises(UserError, match=reason) as caught:
        TrackSet.from_dict({"name": "x", "tracks": [{"name": "A", "program": 0}], **values}, "mine.yaml")
    assert "\n" not in str(caught.value)
    assert "mine.yaml" in str(caught.value)


NAMES = st.text(st.sampled_from("aAbB*?[]-! \\éß"), max_size=12)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(NAMES, max_size=4), min_size=1, max_size=4), st.lists(NAMES, max_size=4))
def test_names_match_as_fnmatch_does(patterns: list[list[str]], names: list[str]) -> None:
    try:
        matcher = NameMatcher(patterns)
    except ValueError:
        return
    for name, found in zip(names, matcher.match(names), strict=True):
        key = name.strip().lower()
        expected = [
            track
            for track, those in enumerate(patterns)
            if any(p.strip().lower() == key or fnmatch.fnmatchcase(key, p.strip().lower()) for p in those)
        ]
        assert sorted(set(found)) == expected


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=150))
def test_an_exact_name_matches_itself(name: str) -> None:
    assert NameMatcher([[exact_name(name)]]).match([name]) != [[]]
    assert len(exact_name(name)) <= MAX_PATTERN


def test_hostile_patterns_and_names_take_bounded_time():
    patterns = [("*a" * 39 + f"*{n:02}")[-MAX_PATTERN:] for n in range(99)]
    tracks = TrackSet.from_dict({"name": "x", "by": "name", "tracks": [{"name": "A", "program": 0, "parts": patterns}]})
    start = time.process_time()
    assert tracks.match_names([f"{'a' * 100_000}{n}" for n in range(200)]) == [[]] * 200
    assert time.process_time() - start < 5


SETS = st.builds(
    lambda by, tracks, annotations: TrackSet.from_dict(
        {
            "name": "x",
            "by": by,
            "annotations": annotations,
            "tracks": [{"name": f"t{n}", "program": n, **track} for n, track in enumerate(tracks)],
        }
    ),
    st.lists(st.sampled_from(["name", "channel", "program"]), min_size=1, max_size=3, unique=True),
    st.lists(
        st.fixed_dictionaries({"parts": st.lists(st.sampled_from(["a*", "*b", "?"]), max_size=2)}),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.sampled_from(["a*", "ab"]), max_size=1),
)


@settings(deadline=None, max_examples=100)
@given(
    SETS,
    st.lists(
        st.tuples(st.sampled_from(["", "a", "ab", "cb", "t1"]), st.integers(1, 16), st.integers(0, 4), st.booleans()),
        max_size=6,
    ),
)
def test_every_note_is_kept_lost_or_an_annotation(track_set: TrackSet, parts: list[tuple[str, int, int, bool]]) -> None:
    assert TrackSet.from_dict(yaml.safe_load(yaml.safe_dump(track_set.to_dict()))) == track_set
    song = _song(*parts)
    tracks = tracks_of(song, track_set)
    assert tracks.shape == (len(song.notes),)
    assert ((tracks >= 0) & (tracks <= len(track_set))).all()
    music, aside = split_annotations(song, track_set)
    assert len(music.notes) + len(aside.notes) == len(song.notes)
    losses = quantise(song, track_set, 4).losses
    dropped = losses.no_track + losses.out_of_range + losses.merged + losses.beyond
    assert losses.kept + dropped == losses.notes == len(song.notes) - losses.annotations
    assert losses.no_track == np.count_nonzero(tracks_of(music, track_set) == len(track_set))
