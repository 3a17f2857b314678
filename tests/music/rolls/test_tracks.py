"""Track sets: shipped sets, YAML files, and messages for invalid values."""

from __future__ import annotations

import pytest
import yaml

from bgmusic.errors import UserError
from bgmusic.music.rolls.tracks import Track, TrackSet


def test_lpd_5_collects_the_programs_of_the_dataset():
    tracks = TrackSet.load("lpd-5")
    families = [tracks.assign(8 * family, False) for family in range(16)]
    piano, guitar, bass, strings = 1, 2, 3, 4
    expected = [piano, strings, strings, guitar, bass] + [strings] * 7 + [None, strings, None, None]
    assert families == expected
    assert tracks.assign(33, True) == 0
    assert [t.program for t in tracks.tracks] == [0, 0, 25, 33, 48]
    assert (tracks.low, tracks.pitches, tracks.high) == (24, 84, 107)


def test_lpd_8_has_the_papers_programs():
    tracks = TrackSet.load("lpd-8")
    assert [t.program for t in tracks.tracks] == [0, 0, 24, 32, 48, 64, 80, 88]
    assert tracks.assign(71, False) == 5
    assert tracks.assign(72, False) is None


def test_parts_match_by_name_or_else_by_order():
    satb = TrackSet.load("satb")
    assert satb.assign_parts(["Bass", "Tenor", "Alto ", "SOPRANO"]) == [3, 2, 1, 0]
    assert satb.assign_parts(["S.", "A.", "T.", "B.", "Violin"]) == [0, 1, 2, 3, None]
    assert satb.assign_parts(["", "", "", ""]) == [0, 1, 2, 3]
    with pytest.raises(UserError, match="needs 4 parts, the piece has 3"):
        satb.assign_parts(["a", "b", "c"])


@pytest.mark.parametrize(("name", "bass"), [("lpd-5", "Bass"), ("satb", "Bass"), ("pop909", None)])
def test_the_track_that_plays_the_bass(name: str, bass: str | None) -> None:
    tracks = TrackSet.load(name)
    assert (None if tracks.bass is None else tracks.tracks[tracks.bass].name) == bass


@pytest.mark.parametrize("name", ["lpd-5", "lpd-8", "pop909", "satb"])
def test_sets_round_trip_through_dictionaries(name, tmp_path):
    tracks = TrackSet.load(name)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tracks.to_dict()))
    assert TrackSet.load(path) == tracks


def test_with_grid_moves_ranges_at_the_edges():
    low = TrackSet.load("lpd-5").with_grid(20, 84)
    assert [(t.low, t.high) for t in low.tracks] == [(20, 103)] * 5
    satb = TrackSet.load("satb").with_grid(36, 46)
    assert [(t.low, t.high) for t in satb.tracks] == [(57, 81), (53, 74), (48, 69), (36, 64)]


TRACK = {"name": "A", "program": 1, "programs": "0-3, 9"}


def test_programs_are_numbers_or_ranges():
    assert TrackSet.from_dict({"name": "x", "tracks": [TRACK]}).tracks[0].programs == (0, 1, 2, 3, 9)
    listed = TrackSet.from_dict({"name": "x", "tracks": [{**TRACK, "programs": [5, 7]}]})
    assert listed.tracks[0].programs == (5, 7)
    assert TrackSet.from_dict({"name": "x", "tracks": [{**TRACK, "programs": 5}]}).tracks[0].programs == (5,)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (7, "mine.yaml"),
        ({"name": "x"}, "tracks"),
        ({"name": "x", "tracks": []}, "1 to 64 tracks"),
        ({"name": "x", "tracks": [TRACK], "colour": 1}, "colour"),
        ({"name": "x", "tracks": [{**TRACK, "colour": 1}]}, "colour"),
        ({"name": "x", "tracks": [TRACK, dict(TRACK)]}, "needs a name"),
        ({"name": "x", "tracks": [TRACK, {**TRACK, "name": "B"}]}, "'A' and 'B'"),
        ({"name": "x", "tracks": [{**TRACK, "program": 128}]}, "program 128"),
        ({"name": "x", "tracks": [{**TRACK, "programs": "0-200"}]}, "not within 0 to 127"),
        ({"name": "x", "tracks": [{**TRACK, "programs": "piano"}]}, "write numbers and ranges"),
        ({"name": "x", "tracks": [{**TRACK, "is_drum": True}]}, "not programs"),
        ({"name": "x", "tracks": [{**TRACK, "high": 10}]}, "no pitch from 0 to 10"),
        ({"name": "x", "tracks": [TRACK], "low": 100}, "pitches 100 to 183"),
        ({"name": "x", "tracks": [TRACK], "by": "colour"}, "by"),
        ({"name": "x", "tracks": [{"name": n, "program": 0, "is_drum": True} for n in "ab"]}, "two tracks"),
    ],
)
def test_invalid_values_give_one_line(values, reason, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=reason) as caught:
        TrackSet.load(path)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_yaml(tmp_path):
    path = tmp_path / "mine.yaml"
    for content in (
        b"\xff\xfe",
        b"a: [",
        b"[" * 5000,
        b"!!python/object/apply:os.system ['true']",
        b"name: 2020-13-45",
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"not valid YAML|not a text file"):
            TrackSet.load(path)
    with pytest.raises(UserError, match=r"no track set .lpd-6.: .*lpd-5, lpd-8, pop909, satb"):
        TrackSet.load("lpd-6")


def test_sets_can_be_made_in_python():
    tracks = TrackSet("duo", (Track("Lead", 80, programs=(80, 81)), Track("Kit", 0, is_drum=True)), low=36, pitches=48)
    assert tracks.assign(81, False) == 0
    assert tracks.assign(0, True) == 1
    assert tracks.tracks[0].low == 36


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"program": 999}, UserError, "track 'a': program 999 is not within 0 to 127"),
        ({"program": -1}, UserError, "program -1"),
        ({"program": "x"}, TypeError, "program must be an integer, not 'x'"),
        ({"program": True}, TypeError, "program must be an integer"),
        ({"programs": (3, 128)}, UserError, "program 128"),
        ({"low": -1}, UserError, "low -1"),
        ({"high": 200}, UserError, "high 200 is not within 0 to 127"),
        ({"channels": (0,)}, UserError, "channel 0 is not within 1 to 16"),
        ({"name": 7}, TypeError, "name must be text, not 7"),
    ],
)
def test_a_track_checks_its_numbers(options, error, words):
    with pytest.raises(error, match=words):
        Track(**{"name": "a", "program": 0, **options})
