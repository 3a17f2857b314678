"""Test trainings in stages: their folders, resumption, and mistakes that are told before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import bgmusic, refusal

from bgmusic.music.composing.load import load_generator
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.training import pianoroll
from bgmusic.music.training.stages import Recipe
from bgmusic.training.runs import Run
from bgmusic.training.session import train
from bgmusic.yaml import load_preset, presets, validate

_VALUES = """
values:
  network: {width: 16, heads: 2, hidden: 16, layers: 1, encoder_layers: 1, critic_channels: 8, drafts: 2}
  training: {steps: 2, batch: 4, precision: float32}
"""
_STAGES = """
stages:
  - {name: draft, preset: default}
  - {name: judge, preset: critic, values: {training: {steps: 3}}}
  - {name: student, preset: student, values: {composed: {phrases: 3}}}
"""


def _recipe(folder: Path, stages: str = _STAGES) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(_VALUES + stages)
    return path


@pytest.mark.parametrize("name", sorted(presets("composer")))
def test_presets_are_valid(name: str) -> None:
    configs = validate(Recipe, load_preset("composer", name), name).configs()
    assert next(folder for folder, _ in configs) == "1-draft"
    assert configs[-1][1].network.kind == "causal"
    sizes = {config.network.width for _, config in configs if config.network.kind == "causal"}
    assert len(sizes) == 1


@pytest.mark.slow
def test_stages_follow_each_other_and_go_on_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--config", _recipe(tmp_path), "--seed", 4, "--device", "cpu")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert bgmusic("train", "composer", *options, "--out", whole) == 0
    assert sorted(path.name for path in whole.glob("[0-9]-*")) == ["1-draft", "2-judge", "3-student"]
    last = (whole / "3-student" / "generator.safetensors").read_bytes()
    assert (whole / "generator.safetensors").read_bytes() == last
    assert isinstance(load_generator(whole)[2], CausalComposer)
    assert bgmusic("generate", whole, "-n", 1, "--out", tmp_path / "music") == 0

    def interrupted(run: Run, *inputs: Any) -> bool:
        if run.path.name == "2-judge":
            raise KeyboardInterrupt
        return train(run, *inputs)

    monkeypatch.setattr(pianoroll, "train", interrupted)
    assert bgmusic("train", "composer", *options, "--out", parts) == 130
    monkeypatch.setattr(pianoroll, "train", train)
    assert isinstance(load_generator(parts)[2], CausalComposer)  # of the first stage
    assert not (parts / "2-judge" / "state.pt").exists()
    go_on = ("train", "composer", "--resume", "--out", parts)
    assert bgmusic(*go_on) == 0
    assert (parts / "generator.safetensors").read_bytes() == last
    assert bgmusic(*go_on) == 0  # nothing is left to do
    capsys.readouterr()
    assert "exists" in refusal(capsys, "train", "composer", *options, "--out", whole)
    assert "--resume" in refusal(capsys, *go_on, "--seed", 5)
    (parts / "environment.json").write_text('{"kind": "composer", "seed": 4, "data": "bach", "finished": 3}')
    assert "finished" in refusal(capsys, *go_on)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("stages: [{name: first, preset: critic}]", "first"),
        ("stages: [{name: first, preset: nothing}]", "nothing"),
        ("stages: [{name: First, preset: default}]", "name"),
        ("stages: [{name: draft, preset: default}, {name: next, preset: critic, values: {x: 1}}]", "next"),
        ("stages: []", "stages"),
        ("stages: [{name: draft, preset: satb, values: {rolls: {bars: 3}}}]", "draft"),
    ],
)
def test_wrong_recipes_are_told_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str, told: str
) -> None:
    recipe, out = _recipe(tmp_path, wrong), tmp_path / "run"
    assert told in refusal(capsys, "train", "composer", "--config", recipe, "--out", out)
    assert not out.exists()
