"""Trainings of planners: runs, resumption, completion of plans, the command line."""

import json

import numpy as np
import pytest
import torch
from command_line import bgmusic, refusal

from bgmusic.errors import UserError
from bgmusic.music.composing.planners import decide, load_planner, sample_bits
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.networks.planner.config import PlannerConfig, PlanSize
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.typed import typed_plan
from bgmusic.music.training import plans as training_of_plans
from bgmusic.music.training.plans import corpus_bits, fit, resume_plans, train_plans
from bgmusic.yaml import load_preset, merge, validate

TINY = {
    "network": {"keyed": 4, "plain": 6, "layers": 1, "judge_keyed": 4, "judge_plain": 6, "judge_layers": 1, "noise": 5},
    "training": {"steps": 2, "batch": 4, "log_every": 1, "checkpoint_every": 1, "sample_every": 2},
}
SATB = PlanShape(("Soprano", "Alto", "Tenor", "Bass"), (False,) * 4, 4, 4)


def config_of(preset="game", **training):
    values = merge(merge(load_preset("planner", preset), TINY), {"training": training})
    values["training"]["slope"] = {}  # a slope that follows the budget would change with it
    return validate(PlannerConfig, values, "test")


@pytest.fixture(autouse=True)
def few_plans(monkeypatch):

    monkeypatch.setattr(training_of_plans.corpus_bits, "__defaults__", (40,))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("planners") / "game"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_of_plans.corpus_bits, "__defaults__", (40,))
        assert train_plans(path, config_of(), "bach", quiet=True)
    return path


def test_a_run_has_a_planner_and_pictures(run):
    planner = load_planner(run)
    assert planner.layout.shape == SATB
    assert json.loads((run / "environment.json").read_text())["kind"] == "plans"
    assert list((run / "samples").glob("*.png"))
    bits = sample_bits(planner, 3, 1)
    assert (bits[2] == sample_bits(planner, 1, 1, first=2)[0]).all()


def test_a_resumed_run_has_the_same_weights(run, tmp_path):
    path = tmp_path / "resumed"
    assert train_plans(path, config_of(steps=1), "bach", quiet=True)
    assert resume_plans(path, steps=2, quiet=True)
    ours, theirs = (torch.load(folder / "state.pt", weights_only=True)["generator"] for folder in (path, run))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_imitation_needs_no_discriminator(tmp_path):
    assert train_plans(tmp_path / "run", config_of("default"), "bach", quiet=True)
    assert load_planner(tmp_path / "run").imitates


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"chords": "C | Am | F G | C", "form": "AABA", "instruments": "Bass:-x-x"},
        {"instruments": "Bass:-x--, Tenor:----"},
        {"form": "ABABCBCA"},
        {"chords": "C | ? | F | ?", "activity": "Alto:2 ? ? 4"},
        {"instruments": "-"},
        {"chords": "C | F", "instruments": "Soprano:-, Alto:-, Tenor:-"},
    ],
)
@pytest.mark.parametrize("bars", [1, 3, 16])
def test_plans_are_completed_and_keep_what_is_said(run, wishes, bars):
    planner = load_planner(run)
    try:
        plan = settle(typed_plan(SATB.with_bars(bars), **wishes))
    except UserError:
        return  # it does not fit the number of bars
    made = decide(planner, plan, 2, seed=3)
    for number in range(2):
        complete = made.plan(number)
        assert complete.complete
        assert settle(complete) == complete
        for name in ("form", "instruments", "harmony", "activity"):
            known = getattr(plan, f"{name}_known")
            assert (getattr(complete, name)[known] == getattr(plan, name)[known]).all()
    assert decide(planner, plan, 1, seed=3, first=1).plan(0) == made.plan(1)


def test_other_tracks_are_refused(run):
    with pytest.raises(UserError, match="the planner has the tracks Soprano"):
        decide(load_planner(run), typed_plan(PlanShape(("A",), (False,), 4, 4)), 1, 0)
    size = PlanSize(tracks=("A",), drums=(False,), bars=4, beats=4)
    with pytest.raises(UserError, match="does not fit"):
        fit(config_of().model_copy(update={"plans": size}), open_corpus("bach"))


def test_bits_of_a_corpus():
    bits = corpus_bits(open_corpus("bach"), "validation")
    assert bits.dtype == np.bool_
    assert len(bits) == 40


def test_the_command_line(capsys, tmp_path, run):
    path = tmp_path / "run"
    tiny = [
        f"--set={key}={value}" for key, value in (("network.keyed", 4), ("network.plain", 4), ("training.batch", 4))
    ]
    assert bgmusic("train", "plans", "--out", path, "--steps", 1, *tiny) == 0
    assert "bgmusic plan" in capsys.readouterr().out
    assert bgmusic("plan", path, "--chords", "C | Am", "--seed", 3) == 0
    shown = capsys.readouterr().out
    assert "chords   C   Am  C   Am" in shown
    assert "?" not in shown.partition("letters")[0]
    assert bgmusic("plan", "bach", "--planner", path) == 0
    assert "exists already" in refusal(capsys, "train", "plans", "--out", path, "--steps", 1)
    assert "--resume" in refusal(capsys, "train", "plans", "--resume", "--out", path, "--seed", 3)
    assert "no corpus" in refusal(capsys, "train", "plans", "--data", tmp_path / "none", "--out", tmp_path / "x")
    assert "run of plans" in refusal(capsys, "generate", path, "--out", tmp_path / "o")
    assert "run of plans" in refusal(capsys, "report", path, "--out", tmp_path / "o.html")
    assert "run of plans" in refusal(capsys, "compose", path, "--out", tmp_path / "o")
    assert bgmusic("plan", "bach", "--planner", "bach") == 0
