"""Test trainings of the causal composer: its draft, then its critics, twice; resumption, and mistakes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import bgmusic, refusal
from numpy.typing import NDArray

from bgmusic.music.composing.generate import phrases
from bgmusic.music.composing.load import load_generator
from bgmusic.music.networks.causal.network import CausalComposer

_SMALL = [
    *("--set", "network.width=16", "--set", "network.heads=2", "--set", "network.hidden=16"),
    *("--set", "network.layers=1", "--set", "network.encoder_layers=1"),
    *("--set", "training.batch=4", "--set", "training.log_every=2", "--set", "training.checkpoint_every=2"),
    *("--set", "training.g_optimizer.schedule=constant"),
    *("--device", "cpu", "--seed", "3"),
]
_SECOND_STAGES = "critic", "contrast", "recall", "recall-choice", "rates"
_CRITIC = ["--set", "network.critic_channels=8", "--set", "network.drafts=3"]


def _train(config: str, out: Path, *more: object) -> int:
    command = ("train", "pianoroll", "--config", config, "--data", "bach", "--out", out)
    return bgmusic(*command, *_SMALL, *(_CRITIC if config in _SECOND_STAGES else []), *more)


@pytest.mark.slow
def test_draft_and_critic_train_and_compose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draft, judged, music = tmp_path / "draft", tmp_path / "judged", tmp_path / "music"
    assert _train("default", draft, "--steps", 4) == 0
    assert _train("critic", judged, "--steps", 4, "--start", draft) == 0
    (_, _, first), (_, _, second) = load_generator(draft), load_generator(judged)
    assert isinstance(first, CausalComposer)
    assert isinstance(second, CausalComposer)
    theirs = second.state_dict()
    assert all(bool((value == theirs[name]).all()) for name, value in first.state_dict().items())
    assert any(name.startswith("critic.") for name in theirs)
    last = tmp_path / "last"
    assert _train("contrast", last, "--steps", 2, "--start", judged) == 0
    after = load_generator(last)[2].state_dict()
    assert {name.split(".")[0] for name, value in theirs.items() if not bool((value == after[name]).all())} == {
        "critic"
    }
    for config, part in (("recall", "recall"), ("rates", "rates"), ("recall-choice", "recall")):
        before, start, last = after, last, tmp_path / config
        recalls = [] if config == "recall" else ["--set", "network.recall=2"]
        assert _train(config, last, "--steps", 2, "--start", start, *recalls) == 0
        after = load_generator(last)[2].state_dict()
        changed = {name for name, value in after.items() if name not in before or not torch.equal(value, before[name])}
        assert {name.split(".")[0] for name in changed} == {part}
        if config == "recall-choice":
            assert any("returning" in name for name in changed)
    assert bgmusic("generate", last, "-n", 1, "--bars", 8, "--out", tmp_path / "long") == 0
    assert bgmusic("generate", judged, "-n", 2, "--out", music) == 0
    assert (music / "phrase-0001.mid").is_file()
    other = tmp_path / "other"
    capsys.readouterr()
    command = ("train", "pianoroll", "--config", "critic", "--data", "bach", "--out", other, "--start", draft)
    assert "don't fit" in refusal(capsys, *command, *_SMALL, "--set", "network.width=8")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_student_learns_what_a_composer_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    draft, judged, student = tmp_path / "draft", tmp_path / "judged", tmp_path / "student"
    assert _train("default", draft, "--steps", 2) == 0
    assert _train("critic", judged, "--steps", 2, "--start", draft) == 0
    monkeypatch.setattr("bgmusic.music.training.composed._PART", 2)
    few = ("--set", "composed.phrases=5", "--set", "composed.share=1.0", "--steps", 4)

    def interrupted(*inputs: Any, **options: Any) -> NDArray[np.bool_]:
        os.kill(os.getpid(), signal.SIGINT)
        return phrases(*inputs, **options)

    monkeypatch.setattr("bgmusic.music.training.composed.phrases", interrupted)
    _train("student", student, "--threads", processes, "--start", judged, *few)
    monkeypatch.setattr("bgmusic.music.training.composed.phrases", phrases)
    files = sorted((student / "composed").iterdir())
    assert len(files) == 1
    assert bgmusic("train", "pianoroll", "--resume", "--out", student) == 0
    files = sorted((student / "composed").iterdir())
    made = np.concatenate([np.load(path)["bits"] for path in files])
    _, shape, composer = load_generator(judged)
    expected = np.packbits(phrases(composer, shape, 5, 3).reshape(5, -1), axis=1)
    assert (made == expected).all()
    assert isinstance(load_generator(student)[2], CausalComposer)
    assert _train("critic", tmp_path / "again", "--steps", 2, "--start", student) == 0
    # A damaged file is told; without it, its phrases are composed again, and the bits are those of the first time.
    np.savez(files[0], bits=np.zeros(3))
    capsys.readouterr()
    go_on = ("train", "pianoroll", "--resume", "--out", student)
    assert files[0].name in refusal(capsys, *go_on)
    files[0].unlink()
    assert bgmusic(*go_on, "--steps", 6) == 0
    assert (np.concatenate([np.load(path)["bits"] for path in files]) == expected).all()
    assert "--start" in refusal(
        capsys, "train", "pianoroll", "--config", "student", "--data", "bach", "--out", tmp_path / "none", *_SMALL
    )


@pytest.mark.slow
@pytest.mark.parametrize("config", ["default", "contrast", "recall-choice"])  # others are saved and resumed likewise
def test_resumed_trainings_end_with_the_same_bits(tmp_path: Path, config: str) -> None:
    start: list[object] = []
    if config != "default":
        assert _train("default", tmp_path / "draft", "--steps", 2) == 0
        start = ["--start", tmp_path / "draft"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert _train(config, whole, "--steps", 2, *start) == 0
    assert _train(config, parts, "--steps", 1, *start) == 0
    assert bgmusic("train", "pianoroll", "--resume", "--out", parts, "--steps", 2) == 0
    (_, _, one), (_, _, two) = (load_generator(run) for run in (whole, parts))
    weights = two.state_dict()
    for name, value in one.state_dict().items():
        assert bool((value == weights[name]).all()), name
