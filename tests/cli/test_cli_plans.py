"""``bgmusic plan`` and ``bgmusic compose``: what they show and write, and mistakes in one line."""

import json

import pytest
from command_line import bgmusic, refusal
from tiny_runs import BAND, SATB, make_run

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.plans.storing import read_plan


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "satb", SATB)


@pytest.fixture(scope="module")
def tune(tmp_path_factory):
    path = tmp_path_factory.mktemp("tunes") / "tune.mid"
    open_corpus("bach").roll(0).save(path)
    return path


def test_a_plan_is_shown_written_and_taken_back(capsys, tmp_path):
    path = tmp_path / "plan.json"
    assert bgmusic("plan", "bach", "--chords", "C | Am | F G | C", "--form", "AABA", "--bars", 16, "--out", path) == 0
    first = capsys.readouterr().out
    assert "chords   C   Am" in first
    assert json.loads(path.read_text())["bars"] == 16
    assert bgmusic("plan", "bach", "--chords", "C | Am F", "--loose", "--open") == 0
    assert "C ? ? ?  Am ? F ?  C ? ? ?" in capsys.readouterr().out
    assert bgmusic("plan", path) == 0
    assert capsys.readouterr().out.splitlines()[:6] == first.splitlines()[:6]
    assert bgmusic("plan", "bach", "--plan", path, "--activity", "Bass:low") == 0
    assert "Bass     A2" in capsys.readouterr().out


def test_folders_of_one_file_are_made(capsys, tmp_path, run):
    plan, song = tmp_path / "a" / "b" / "plan.json", tmp_path / "c" / "d" / "phrase.mid"
    assert bgmusic("plan", run, "--open", "--out", plan) == 0
    assert read_plan(plan).shape.bars == 4
    assert bgmusic("data", "export", "bach", "--index", 0, "--out", song) == 0
    assert song.is_file()
    for words in (["--out", ""], ["--out="]):
        assert "--out is empty" in refusal(capsys, "plan", run, "--open", *words)


def test_a_plan_is_extracted_from_music(capsys, tmp_path, tune):
    assert bgmusic("plan", tune, "--tracks", "satb") == 0
    of_file = capsys.readouterr().out
    assert bgmusic("plan", "bach", "--index", 0) == 0
    assert capsys.readouterr().out == of_file
    open_corpus("bach").roll(0).save(tmp_path / "phrase.npz")
    assert bgmusic("plan", tmp_path / "phrase.npz") == 0
    assert capsys.readouterr().out == of_file


def test_a_run_gives_its_tracks(capsys, run):
    assert bgmusic("plan", run, "--instruments", "Tenor:x-") == 0
    (tenor,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Tenor")]
    assert tenor.split() == ["Tenor", "?x", "?x", "-", "-"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chords", " | ".join("C" * 11), "--bars", 8], "11 bars of chords do not fit 8 bars"),
        (["--chords", "C | Am | H"], "'H' is no chord"),
        (["--chords", "C", "--instruments", "-"], "all pitched tracks are silent"),
        (["--instruments", "Tuba:x"], "no track 'Tuba'; tracks: Soprano, Alto, Tenor, Bass"),
        (["--form", "AAB"], "3 sections do not fit 4 bars"),
        (["--form", "AABA", "--bars", 4, "--chords", "C | F | G | C"], "bar 2 repeats bar 1"),
        (["--activity", "Bass:loud"], "'loud' is not understood"),
        (["--chords", "I | V"], "a key"),
        (["--key", "H", "--chords", "I"], "no key"),
        (["--loose"], "give chords"),
        (["--bars", 2000], "--bars"),
        (["--bars", 0], "--bars"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "compose"])
def test_mistakes_are_one_line(capsys, tmp_path, run, command, arguments, message):
    out = ["--out", tmp_path / "composed"] if command == "compose" else []
    assert message in refusal(capsys, command, run, *arguments, *out)
    assert not (tmp_path / "composed").exists()


def test_more_mistakes_of_plan(capsys, tmp_path, run, tune):
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    assert "no run, corpus or file" in refusal(capsys, "plan", tmp_path / "missing")
    assert "broken.json" in refusal(capsys, "plan", broken)
    assert "broken.json" in refusal(capsys, "plan", run, "--plan", broken)
    assert "shown as it is" in refusal(capsys, "plan", tune, "--chords", "C")
    assert "--index" in refusal(capsys, "plan", "bach", "--index", 3, "--form", "AABA")
    assert "no 100000" in refusal(capsys, "plan", "bach", "--index", 100000)


def test_a_plan_of_other_tracks_or_bars_is_refused(capsys, tmp_path, run):
    path = tmp_path / "band.json"
    assert bgmusic("plan", make_run(tmp_path / "band", BAND), "--out", path) == 0
    message = refusal(capsys, "compose", run, "--plan", path, "--out", tmp_path / "composed")
    assert "for another composer: it has the tracks Drums, Piano" in message
    path = tmp_path / "short.json"
    assert bgmusic("plan", run, "--bars", 2, "--out", path) == 0
    message = refusal(capsys, "compose", run, "--plan", path, "--bars", 4, "--out", tmp_path / "composed")
    assert "the plan has 2 bars, not 4" in message


def test_mistakes_of_a_given_track(capsys, tmp_path, run, tune):
    out = ["--out", tmp_path / "composed"]
    assert "--given needs --track" in refusal(capsys, "compose", run, "--given", tune, *out)
    assert "--track needs --given" in refusal(capsys, "compose", run, "--track", "Soprano", *out)
    assert "no track 'Flute'" in refusal(capsys, "compose", run, "--given", tune, "--track", "Flute", *out)
    given = ["--given", tune, "--track", "Soprano"]
    assert "the given track has 4 bars" in refusal(capsys, "compose", run, *given, "--bars", 8, *out)
    assert "the tempo of the file" in refusal(capsys, "compose", run, *given, "--bpm", 70, *out)
    message = refusal(capsys, "compose", run, *given, "--instruments", "Soprano:-", *out)
    assert "its notes are given, and differ from the plan in bar 1" in message


def test_a_damaged_given_file_is_mentioned(capsys, tmp_path, tune):
    damaged = tmp_path / "damaged.mid"
    damaged.write_bytes(b"junk" + tune.read_bytes())
    words = ["--given", damaged, "--track", "Soprano", "--drafts", 1, "--out", tmp_path / "out"]
    assert bgmusic("compose", "bach", *words) == 0
    assert "repaired" in capsys.readouterr().err


def test_what_cannot_sound_is_said(capsys, tmp_path, run):
    out = ["--out", tmp_path / "composed"]
    assert "all tracks are silent" in refusal(capsys, "compose", run, "--instruments", "----", *out)
    assert bgmusic("compose", run, "--free", "Alto", *out) == 0
    assert "without --given" in capsys.readouterr().err


def test_a_plan_says_nothing_of_bars_that_are_kept(capsys, tmp_path, run):
    assert bgmusic("generate", run, "--bars", 3, "--format", "mid", "--out", tmp_path) == 0
    (song,), out = tmp_path.glob("*-0000.mid"), tmp_path / "composed"
    words = ["--free", "Alto:1", "--bars", 2, "--instruments", "Alto:xx, Bass:--", "--out", out]
    capsys.readouterr()
    assert bgmusic("compose", run, "--given", song, *words) == 0
    said = capsys.readouterr().err
    assert "Alto, Bass: --instruments and --activity change nothing" in said
    assert "bars 3 to 3 stay as they are" in said
    plan = read_plan(out / "piece-0000.plan.json")
    names = list(plan.shape.tracks)
    assert plan.instruments_known[names.index("Alto")].tolist() == [True, False]
    assert not plan.instruments_known[names.index("Bass")].any()


def test_a_network_without_plans_says_so(capsys, tmp_path, run):
    message = refusal(capsys, "compose", run, "--chords", "C | F", "--out", tmp_path / "composed")
    assert "composes without plans" in message
