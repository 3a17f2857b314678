"""Plans as JSON: round trips, and untrusted files."""

import json

import pytest

import bgmusic
from bgmusic.errors import UserError
from bgmusic.music.plans.extract import extract
from bgmusic.music.plans.plan import Plan
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.storing import plan_from_dict, plan_json, plan_to_dict, read_plan, write_plan
from bgmusic.music.plans.table import table
from bgmusic.music.plans.typed import typed_plan

SHAPE = PlanShape(("Drums", "Piano"), (True, False), 4, 4)


def values(**changes):
    plan = settle(typed_plan(SHAPE, "C | Am | F G | C/E", None, "Drums:-xx?", "Piano:low"))
    return {**plan_to_dict(plan), **changes}


def with_track(**changes):
    base = values()
    return {**base, "tracks": [{**base["tracks"][0], **changes}, base["tracks"][1]]}


def test_a_plan_is_read_back(tmp_path):
    plan = settle(typed_plan(SHAPE, "C | Am | F G | C/E", None, "Drums:-xx?", "Piano:low"))
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    text = (tmp_path / "plan.json").read_text()
    assert '"harmony": ["C", "Am", "F G", "C/E"]' in text
    assert '"instruments": "-xx?"' in text


def test_a_composer_reads_the_plan_that_is_saved(tmp_path):
    composer = bgmusic.load("bach")
    plan = composer.plan(chords="C | Am | F G | C", complete=False)
    plan.save(tmp_path / "plan.json")
    assert composer.plan(base=tmp_path / "plan.json", complete=False) == plan
    with pytest.raises(FileNotFoundError):
        plan.save(tmp_path / "none" / "plan.json")


@pytest.mark.parametrize("name", ["bach", "freedoom"])
def test_plans_of_music_are_read_back(name):
    corpus = bgmusic.open_corpus(name)
    for index in range(0, len(corpus), len(corpus) // 20):
        plan = extract(corpus.roll(index))
        assert plan_from_dict(json.loads(plan_json(plan))) == plan


@pytest.mark.parametrize(("key", "written", "scale"), [("D", "D", 2), ("F# minor", "F#m", 9), ("cm", "Cm", 3)])
def test_the_key_is_read_back(key, written, scale):
    plan = plan_from_dict(values(key=key))
    assert plan_to_dict(plan)["key"] == written
    assert plan_from_dict(json.loads(plan_json(plan))) == plan
    assert plan.repeated(2).scales.tolist() == [scale] * 2
    assert plan.window(1, 2).scale == scale
    assert plan.lengthened(9).scale == scale
    assert f"key {written}" in table(plan)
    assert Plan.unknown(SHAPE).scale == -1


def test_parts_may_be_left_out():
    plan = plan_from_dict(
        {"format": "bgmusic plan", "version": 1, "bars": 2, "beats": 4, "tracks": [{"name": "A"}, {"name": "B"}]}
    )
    assert repr(plan) == "Plan(2 tracks, 2 bars; known: nothing)"


BAD = [
    [],
    "plan",
    None,
    {},
    values(format="midi"),
    values(version=2),
    values(bars=0),
    values(bars=5),
    values(bars=4.0),
    values(bars=True),
    values(bars=10**9),
    values(beats=0),
    values(beats=10**9),
    values(beats="4"),
    values(tracks=[]),
    values(tracks=[{}]),
    values(tracks=[{"name": ""}]),
    values(tracks=[{"name": "A"}] * 2),
    values(tracks=[{"name": f"{number}"} for number in range(65)]),
    values(colour="red"),
    values(key="H"),
    values(key=5),
    values(key="C" * 30),
    values(harmony=["C"] * 3),
    values(harmony=["C", "F", "G", "H"]),
    values(harmony=["C | F", "G", "C"]),
    values(harmony=["C | F", "G", "C", "C"]),
    values(harmony=["C", "F", "G", ""]),
    values(harmony=["C", "I", "G", "C"]),
    values(harmony=["C", "F", "G", 1]),
    values(harmony=["C" * 2000] * 4),
    with_track(form=[1, 2, 3]),
    with_track(form=[2, 2, 3, 4]),
    with_track(form=[0, 2, 3, 4]),
    with_track(form=[1, 1, 2, 4]),
    with_track(form=[1, 2, 3, 4.5]),
    with_track(form=[1, 1, 1, 1]),
    with_track(instruments="-xx"),
    with_track(instruments="-xxy"),
    with_track(instruments="-xx\n"),
    with_track(activity=[0, 1, 2]),
    with_track(activity=[1, 1, 1, 1]),
    with_track(activity=[0, 9, 1, 1]),
    with_track(activity=[0, -1, 1, 1]),
    with_track(drums="maybe"),
    with_track(program=3),
    with_track(name=5),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_other_values_are_refused_in_one_line(bad):
    with pytest.raises(UserError) as caught:
        plan_from_dict(bad, "file.json")
    assert str(caught.value).startswith("file.json: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "where", "allowed"),
    [
        (with_track(instruments="-xxy"), "instruments of Drums, bar 4: ", "x (plays), - (silent) or ? (open)"),
        (with_track(activity=[0, 2, 2, 9]), "activity of Drums, bar 4: ", "0 to 8"),
        (with_track(form=[1, 0, 3, 4]), "form of Drums, bar 2: ", "from 1"),
        (with_track(name=5), "name of track 1: ", "text"),
        (with_track(program=3), "'program' of Drums", "remove it"),
        (values(harmony=["C", 1, "F", "G"]), "harmony, bar 2: ", "chords"),
        (values(version=2), "version: ", "write 1, not 2"),
        (values(tracks=[]), "tracks: ", "1 to 64 tracks"),
        (values(tracks=[5]), "tracks: ", "not 5"),
        ({"format": "bgmusic plan", "version": 1}, "bars is missing", "1 to 1024"),
        ([], "a plan has the parts ", "bars"),
    ],
)
def test_mistakes_are_named_by_track_and_bar(bad, where, allowed):
    with pytest.raises(UserError) as caught:
        plan_from_dict(bad, "file.json")
    assert str(caught.value).startswith(f"file.json: {where}")
    assert allowed in str(caught.value)
    assert "validation" not in str(caught.value)


def test_broken_json_is_named_by_its_line(tmp_path):
    (tmp_path / "plan.json").write_text('{"bars": 1,\n"beats" 4}')
    with pytest.raises(UserError, match="line 2"):
        read_plan(tmp_path / "plan.json")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b"1e999", b'{"a": ' * 5000])
def test_broken_files_are_refused(tmp_path, content):
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(UserError):
        read_plan(tmp_path / "plan.json")


def test_huge_files_are_not_read(tmp_path):
    (tmp_path / "plan.json").write_bytes(b" " * 5_000_000)
    with pytest.raises(UserError, match="too large"):
        read_plan(tmp_path / "plan.json")


def test_unhinged_numbers_are_refused(tmp_path):
    (tmp_path / "plan.json").write_text('{"bars": ' + "9" * 10_000 + "}")
    with pytest.raises(UserError):
        read_plan(tmp_path / "plan.json")
