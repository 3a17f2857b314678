"""Compose under plans: silence, form, given tracks, files, planners beside composers."""

import shutil

import numpy as np
import pytest
from command_line import bgmusic as command
from command_line import refusal
from tiny_runs import make_run

import bgmusic
from bgmusic.errors import UserError
from bgmusic.music.composing import planned
from bgmusic.music.composing.planned import compose
from bgmusic.music.composing.planners import FILE
from bgmusic.music.networks.planner.config import PlannerConfig, PlanSize
from bgmusic.music.networks.planner.network import Planner
from bgmusic.music.plans.storing import read_plan
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.runs import Run, environment
from bgmusic.yaml import validate

SHAPE = RollShape(track_set="satb", resolution=1, bars=2, steps=4, encoding="onset")
CAUSAL = {"kind": "causal", "width": 16, "layers": 1, "encoder_layers": 1, "heads": 2, "hidden": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "causal", SHAPE, CAUSAL)


@pytest.fixture(scope="module")
def planner(tmp_path_factory):
    size = PlanSize(tracks=("Soprano", "Alto", "Tenor", "Bass"), drums=(False,) * 4, bars=2, beats=4)
    network = {"keyed": 4, "plain": 4, "layers": 1, "noise": 4}
    config = validate(PlannerConfig, {"network": network, "plans": size}, "test")
    made = Run.create(tmp_path_factory.mktemp("planners") / "run", "plans", config, environment(0, "cpu", "test"))
    made.save_generator(Planner(config), config)
    return made.path


def test_silent_bars_are_silent_and_sections_return(run):
    composer = bgmusic.load(run)
    plan = composer.plan(bars=4, chords="C | F", form="ABAB", instruments="Bass:x-x-, Alto:-")
    (roll,) = composer.compose(plan, seed=3)
    assert not roll.cells[1].any()
    assert not roll.cells[3, [1, 3]].any()
    assert (roll.cells[:, 2:] == roll.cells[:, :2]).all()
    assert roll.cells[3, 0].any()


def shares_in_scales(rolls):
    """Return the shares of all notes that the twelve major scales hold."""
    heard = np.zeros(12)
    for roll in rolls:
        np.add.at(heard, (np.argwhere(roll.cells)[:, -1] + roll.track_set.low) % 12, 1)
    return np.array([np.roll(heard, -key)[[0, 2, 4, 5, 7, 9, 11]].sum() for key in range(12)]) / heard.sum()


@pytest.mark.parametrize(("key", "scale"), [("D", 2), ("Dm", 5), ("Bb", 10)])
def test_the_key_is_decided_by_the_plan(key, scale):
    composer = bgmusic.load("bach")
    plans = [composer.plan(bars=6, complete=False, **said) for said in ({"key": key}, {})]
    pieces = [composer.compose(plan, 5, seed=1) for plan in plans]
    planned, free = map(shares_in_scales, pieces)
    assert planned.argmax() == scale
    assert planned[scale] > free[scale] + 0.1
    # A single piece may stay long in a neighbouring key, as music does; most do not.
    single = [(int(shares_in_scales([roll]).argmax()) - scale) % 12 for roll in pieces[0]]
    assert set(single) <= {0, 5, 7}
    assert single.count(0) >= 3


def test_planners_plan_in_the_key(run, planner):
    from bgmusic.music.composing.planners import decide, load_planner

    composer = bgmusic.load(run)
    made = [
        decide(load_planner(planner), composer.plan(bars=2, key=key, complete=False), 1, seed=0).plan(0)
        for key in ("C", "E")
    ]
    chords = [plan.harmony[:, :12] for plan in made]
    assert chords[0].any()
    assert (np.roll(chords[0], 4, -1) == chords[1]).all()


def test_a_piece_depends_on_its_plan_seed_and_number(run):
    composer = bgmusic.load(run)
    plan = composer.plan(chords="C | G")
    both = composer.compose(plan, 2, seed=5)
    (second,) = composer.compose(plan, 1, seed=5, first=1)
    assert (both[1].cells == second.cells).all()
    assert (both[0].cells != second.cells).any()


def test_a_planner_beside_the_composer_completes_plans(run, planner, tmp_path):
    folder = tmp_path / "with-planner"
    shutil.copytree(run, folder)
    shutil.copy(planner / "generator.safetensors", folder / FILE)
    plan = bgmusic.load(folder).plan(chords="C | G", seed=1)
    assert plan.complete


def test_a_composer_completes_plans_by_a_sketch(run):
    composer = bgmusic.load(run)
    said = composer.plan(bars=3, chords="C | ? | G", instruments="Alto:-??", complete=False)
    plans = [composer.plan(base=said, seed=seed) for seed in (1, 1, 2)]
    assert not said.complete
    assert plans[0] == plans[1] != plans[2]
    for plan in plans:
        assert plan.complete
        for name, values in said.arrays().items():
            if not name.endswith("_known"):
                known = said.arrays()[f"{name}_known"]
                assert (values[known] == plan.arrays()[name][known]).all()


def test_the_command_writes_the_plan_beside_the_music(run, planner, tmp_path, capsys):
    wishes = ["--chords", "C | Am", "--instruments", "Tenor:x-", "--planner", planner]
    assert command("compose", run, *wishes, "-n", 2, "--seed", 4, "--format", "npz,mid", "--out", tmp_path / "one") == 0
    assert "piece-0000.plan.json and so on" in capsys.readouterr().out
    plan = read_plan(tmp_path / "one" / "piece-0001.plan.json")
    assert plan.complete
    again = ["--plan", tmp_path / "one" / "piece-0001.plan.json", "--first", 1, "--seed", 4]
    assert command("compose", run, *again, "--format", "npz", "--out", tmp_path / "two") == 0
    first, second = (np.load(tmp_path / name / "rolls.npz")["rolls"] for name in ("one", "two"))
    assert (first[1] == second[0]).all()
    assert not first[:, 2, 1].any()


def test_tracks_that_rest_throughout_are_named(run, tmp_path, capsys, monkeypatch):
    out = ["--format", "npz", "--out", tmp_path / "composed"]
    assert command("compose", run, "--instruments", "Bass:xx", *out) == 0
    assert "rest" not in capsys.readouterr().err
    whole = compose

    def rests(*tracks):
        def composed(*arguments, **options):
            made = whole(*arguments, **options)
            made.reshape(len(made), 4, -1)[:, list(tracks)] = False
            return made

        monkeypatch.setattr(planned, "compose", composed)

    rests(1, 3)  # the plan says nothing of the alto
    assert command("compose", run, "--instruments", "Bass:x?", "-n", 2, *out) == 0
    said = capsys.readouterr().err
    assert said.startswith("Bass plays by the plan, but rests throughout")
    assert "Alto" not in said
    rests(0, 1, 2, 3)
    assert command("compose", run, "--activity", "Tenor:none", *out) == 0
    said = capsys.readouterr().err
    assert said.startswith("nothing sounds: Soprano, Alto, Bass may play")
    assert said.count("\n") == 1


def test_a_given_track_stays(run, tmp_path, capsys):
    tune = bgmusic.load(run).generate(1, seed=1)[0]
    tune.save(tmp_path / "tune.mid")
    given = ["--given", tmp_path / "tune.mid", "--track", "Soprano", "--format", "mid,npz"]
    assert command("compose", run, *given, "--out", tmp_path / "composed") == 0
    composed = bgmusic.read(tmp_path / "composed" / "rolls.npz")
    assert (composed.cells[0] == tune.cells[0]).all()
    plan = read_plan(tmp_path / "composed" / "piece-0000.plan.json")
    assert plan.activity_known[0].all()
    assert not plan.activity_known[1].any()
    assert command("compose", run, *given, "--planner", run, "--out", tmp_path / "planned") == 0
    assert (bgmusic.read(tmp_path / "planned" / "rolls.npz").cells[0] == tune.cells[0]).all()
    assert read_plan(tmp_path / "planned" / "piece-0000.plan.json").complete
    capsys.readouterr()
    assert "does not repeat bar 1" in refusal(capsys, "compose", run, *given, "--form", "AA", "--out", tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_plans_of_others_are_refused(run, tmp_path, capsys):
    out = ["--out", tmp_path / "no"]
    assert "plans for Drums, Piano" in refusal(capsys, "compose", run, "--planner", "freedoom", *out)
    tune = tmp_path / "tune.mid"
    bgmusic.load(run).generate(1)[0].save(tune)
    free = ["--given", tune, "--free", "Alto", "--planner", run]
    assert "does not hear" in refusal(capsys, "compose", run, *free, *out)
    assert "give one of them" in refusal(capsys, "plan", run, "--open", "--planner", run)
    assert "no run, corpus or file" in refusal(capsys, "plan", tmp_path / "nothing.mid")
    assert "bar 1 is silent" in refusal(capsys, "plan", run, "--activity", "Bass:4", "--instruments", "Bass:-")
    assert command("plan", run, "--open", "--bars", 2) == 0
    assert "?" in capsys.readouterr().out.split("letters")[0]
    assert command("plan", run, "--bars", 2) == 0
    assert "?" not in capsys.readouterr().out.split("letters")[0]


def test_wrong_arguments(run):
    composer = bgmusic.load(run)
    with pytest.raises(UserError, match="seed"):
        composer.plan(seed=-1)
    with pytest.raises(UserError, match="n is a whole number"):
        composer.compose(composer.plan(), 0)
    with pytest.raises(UserError, match="tracks Soprano, Alto, Tenor, Bass, this composer has Drums"):
        bgmusic.load("freedoom").compose(composer.plan())
    with pytest.raises(TypeError, match="a plan is a Plan"):
        composer.compose([composer.plan()])
    with pytest.raises(TypeError, match="bars is a whole number"):
        composer.generate(1, bars=2.0)
    with pytest.raises(TypeError, match="drafts is a whole number"):
        bgmusic.load("bach", drafts="4")
    with pytest.raises(UserError, match="device 'moon'"):
        composer.to("moon")
    accompaniment = composer.accompany(composer.generate(1)[0], given=0)[0]
    with pytest.raises(UserError, match="bpm must be"):
        accompaniment.save("never.mid", bpm=2000)
    with pytest.raises(TypeError):
        accompaniment.save("never.mid", tempo=60)
