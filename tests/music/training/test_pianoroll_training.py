"""Test trainings of composers and BinaryMuseGAN: presets, strategies, resumption, first stages, mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import bgmusic, refusal

from bgmusic.errors import UserError
from bgmusic.files import configs_dir
from bgmusic.gan.game import Game
from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.midi.read import read_midi
from bgmusic.music.networks.build import make_discriminator, make_generator
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.joining import join_with_rests
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.training.pianoroll import begin_with, fit, make_training, resume_pianoroll, train_pianoroll
from bgmusic.yaml import load_preset, merge, presets, validate

TINY: dict[str, Any] = {
    "network": {"width": 0.07, "latent": 8},
    "training": {"steps": 2, "batch": 4, "warmup": None, "d_updates": 2, "log_every": 1, "checkpoint_every": 1},
}
TINY_COMPOSER: dict[str, Any] = {
    "network": {"channels": 6, "layers": 1, "stages": 3, "judge_channels": 4, "judge_layers": 1},
    "training": TINY["training"],
}
TINY_LINES: dict[str, Any] = {
    "network": {"channels": 8, "layers": 1, "latent": 4, "judge_channels": 4},
    "training": TINY["training"],
}
TINIES = {"musegan": TINY, "composer": TINY_COMPOSER, "lines": TINY_LINES}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
STRATEGIES = presets("pianoroll/strategies")
# The presets of the causal composer are in test_causal_training.
GAMES = [name for name in presets("pianoroll") if load_preset("pianoroll", name)["network"]["kind"] != "causal"]
SHAPE = RollShape(track_set="lpd-5", resolution=4, bars=2, steps=16, encoding="pause")


class RandomSource:
    """Serve random rolls."""

    def __init__(self, channels: int, device: str = "cpu") -> None:
        self.channels, self.device = channels, device

    def batch(self, size: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return (torch.rand(size, self.channels, 2, 16, 84, generator=generator) < 0.02).float().to(self.device)


def config_of(*layers: dict[str, Any], preset: str = "satb") -> PianorollConfig:
    values = load_preset("pianoroll", preset)
    for layer in (*layers, TINIES[values["network"]["kind"]]):
        values = merge(values, layer)
    return validate(PianorollConfig, values, "test")


def strategy(name: str) -> dict[str, Any]:
    return load_preset("pianoroll/strategies", name)


def train_briefly(config: PianorollConfig, device: str = "cpu") -> Game:
    shape = SHAPE.model_copy(update={"encoding": config.encoding or "pause"})
    torch.manual_seed(0)
    generator, discriminator = make_generator(config, shape), make_discriminator(config, shape)
    before = [weight.clone() for weight in generator.parameters()]
    source = RandomSource(10 if shape.encoding == "onset" else 5, device)
    game = Game(generator, discriminator, source, config.training, device=device)
    game.run()
    changed = [not torch.equal(a, b.cpu()) for a, b in zip(before, generator.parameters(), strict=True)]
    trained = [weight.requires_grad for weight in generator.parameters()]
    assert any(changed)
    assert not any(changes and not trains for changes, trains in zip(changed, trained, strict=True))
    assert all(bool(weight.isfinite().all()) for weight in discriminator.parameters())
    return game


def test_all_presets_are_found() -> None:
    folder = configs_dir() / "pianoroll"
    names = {path.stem for path in folder.glob("*.yaml")}
    assert {
        "default",
        "accompany",
        "composer",
        "contrast",
        "critic",
        "gan",
        "lpd-5",
        "lpd-8",
        "satb",
        "student",
    } <= names
    assert set(STRATEGIES) == {"pretrain", "end-to-end", "two-stage", "joint"}


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", GAMES)
def test_every_preset_trains(preset: str, device: str) -> None:
    train_briefly(config_of(preset=preset), device)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_every_strategy_and_neuron_trains(name: str, neuron: str, device: str) -> None:
    layers = [strategy(name)] if name == "pretrain" else [strategy(name), {"neuron": neuron}]
    game = train_briefly(config_of(*layers), device)
    rolls = phrases(game.sampler, SHAPE.model_copy(update={"encoding": "onset"}), 3, 0)
    assert rolls.shape == (3, 10, 2, 16, 84)
    assert rolls.dtype == np.bool_


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"discriminator": "ablated-1"}},
        {"network": {"discriminator": "ablated-2"}},
        {"network": {"norm": "scale"}},
        {"training": {"precision": "bfloat16"}},
        {"training": {"objective": "relativistic", "penalty": {"kind": "r1r2"}, "average": {"horizon": 10}}},
        {"network": {"refiner": 0}, "neuron": "real"},
    ],
    ids=str,
)
@pytest.mark.parametrize("device", DEVICES)
def test_every_variant_trains(changes: dict[str, Any], device: str) -> None:
    train_briefly(config_of(changes), device)


@pytest.mark.slow
def test_a_second_stage_starts_from_the_first(tmp_path: Path) -> None:
    first = tmp_path / "first"
    train_pianoroll(first, config_of(strategy("pretrain")), "bach", quiet=True, device="cpu")
    config = config_of(strategy("two-stage"))
    second = tmp_path / "second"
    assert train_pianoroll(second, config, "bach", start=first, quiet=True, device="cpu")
    corpus = open_corpus("bach")
    fitted = fit(config, corpus)
    game = make_training(fitted, corpus, 1)
    begin_with(game, fitted, first)
    game.generator.train()  # fixed parts stay in evaluation mode
    noise = torch.randn(2, 8)
    # The seed differs, but the first stage is the same; training the refiner has not changed it.
    torch.testing.assert_close(game.generator.body(noise), load_generator(second)[2].body(noise))
    torch.testing.assert_close(game.generator.body(noise), load_generator(first)[2].body.eval()(noise))
    with pytest.raises(UserError, match="other rolls"):
        begin_with(game, fitted.model_copy(update={"rolls": SHAPE}), first)
    wider = fit(
        config_of(strategy("joint")).model_copy(update={"network": config.network.model_copy(update={"width": 0.1})}),
        corpus,
    )
    with pytest.raises(UserError, match="don't fit"):
        begin_with(make_training(wider, corpus, 0), wider, first)
    with pytest.raises(UserError, match="first stage"):
        train_pianoroll(tmp_path / "third", config, "bach", quiet=True)
    assert not (tmp_path / "third").exists()


CONFIGS = {
    "musegan": config_of({"neuron": "sbn", "transpose": [-3, 3]}),
    "imitation": config_of(preset="composer"),
    "imitation, then a game": config_of({"training": {"imitation": {"alone": 0.5}}}, preset="composer"),
    "lines": config_of(preset="gan"),
    "a game alone": config_of({"training": {"imitation": None, "average": None}}, preset="composer"),
}


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_a_resumed_run_equals_an_uninterrupted_one(config: PianorollConfig, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    train_pianoroll(whole, config, "bach", seed=3, quiet=True, device="cpu")
    shorter = config.model_copy(update={"training": config.training.model_copy(update={"steps": 1})})
    train_pianoroll(part, shorter, "bach", seed=3, quiet=True, device="cpu")
    # The run now looks like one that was interrupted after one of two steps.
    (part / "config.yaml").write_text((whole / "config.yaml").read_text())
    assert resume_pianoroll(part, quiet=True, device="cpu")
    weights = [load_generator(run)[2].state_dict() for run in (whole, part)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert (part / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_a_run_resumes_with_its_own_corpus_only_which_may_have_moved(tmp_path: Path) -> None:
    old, new, run = tmp_path / "old", tmp_path / "new", tmp_path / "run"
    shutil.copytree(open_corpus("bach").path, old)
    config = config_of(preset="composer")
    train_pianoroll(run, config, str(old), quiet=True, device="cpu")
    old.rename(new)
    with pytest.raises(UserError, match=r"old.*--data"):
        resume_pianoroll(run, quiet=True, device="cpu")
    assert resume_pianoroll(run, data=str(new), quiet=True, device="cpu")
    assert resume_pianoroll(run, quiet=True, device="cpu")  # the new folder is stored in the run
    meta = json.loads((new / "meta.json").read_text())
    piece = meta["pieces"][0]
    piece["split"] = "test" if piece["split"] == "train" else "train"
    (new / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(UserError, match="new is not the corpus"):
        resume_pianoroll(run, quiet=True, device="cpu")


@pytest.mark.slow
def test_train_and_generate_from_a_corpus_to_midi(tmp_path: Path) -> None:
    run, music = str(tmp_path / "run"), tmp_path / "music"
    sizes = ["--config", "satb", "--set", "network.width=0.07", "--set", "training.batch=4", "--device", "cpu"]
    assert bgmusic("train", "pianoroll", "--data", "bach", "--steps", "2", "--out", run, *sizes) == 0
    assert bgmusic("generate", run, "-n", "3", "--seed", "5", "--format", "mid,png,npz", "--out", str(music)) == 0
    with np.load(music / "rolls.npz") as arrays:
        rolls, onsets, meta = arrays["rolls"], arrays["onsets"], json.loads(str(arrays["meta"]))
    assert rolls.shape == onsets.shape == (3, 4, 4, 16, 48)
    assert rolls.dtype == onsets.dtype == np.bool_
    assert [track["name"] for track in meta["track_set"]["tracks"]] == ["Soprano", "Alto", "Tenor", "Bass"]
    tracks = open_corpus("bach").track_set
    for number in range(3):
        song = read_midi(music / f"phrase-{number:04d}.mid")
        notes = Roll(tracks, 4, rolls[number], onsets[number]).notes()
        assert len(song.notes) == len(notes)
        assert set(song.parts) >= {tracks.tracks[track].name for track in np.unique(notes["track"])}
        assert set(song.notes["program"]) == {52}
    assert (music / "all.mid").exists()
    assert (music / "rolls.png").read_bytes().startswith(b"\x89PNG")
    assert bgmusic("generate", run, "-n", "3", "--seed", "5", "--format", "npz", "--out", str(tmp_path / "again")) == 0
    with np.load(tmp_path / "again" / "rolls.npz") as arrays:
        assert np.array_equal(arrays["rolls"], rolls)


SATB = ["--config", "satb", "--set"]


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["train", "pianoroll", "--data", "nowhere"], "'nowhere'"),
        (["train", "pianoroll", "--config", "nothing"], "accompany"),
        (["train", "pianoroll", *SATB, "strategy=joint"], "--start"),
        (["train", "pianoroll", "--strategy", "joint"], "BinaryMuseGAN"),
        (["train", "pianoroll", "--start", "x"], "first stage"),
        (["train", "pianoroll", "--set", "rolls.track_set=lpd-5"], "rolls"),
        (["train", "pianoroll", *SATB, "network.refiner=0", "--set", "strategy=joint"], "refiner"),
        (["train", "pianoroll", *SATB, "network.width=400"], "width"),
        (["train", "pianoroll", *SATB, "network.first=16384", "--set", "network.width=8"], "weights"),
        (["train", "pianoroll", *SATB, "training.batch=1"], "two samples"),
        (
            ["train", "pianoroll", *SATB, "training.warmup=null", "--set", "training.imitation.alone=1"],
            "imitation",
        ),
        (["train", "pianoroll", "--set", "network.width=1"], "width"),
        (["train", "pianoroll", "--set", "network.kind=choir"], "'choir'"),
        (["train", "pianoroll", "--set", "strategy=joint"], "joint"),
        (["train", "pianoroll", "--resume"], "--out"),
        (["generate", "nowhere"], "nowhere"),
    ],
    ids=str,
)
def test_mistakes_end_in_one_line(
    arguments: list[str],
    phrase: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert phrase in refusal(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_corpus_that_does_not_fit_the_config_is_refused() -> None:
    shape = RollShape(track_set="lpd-5", resolution=4, bars=4, steps=16, encoding="onset")
    config = config_of().model_copy(update={"rolls": shape})
    with pytest.raises(UserError, match="track_set"):
        fit(config, open_corpus("bach"))


def test_joined_phrases_are_separated_by_rests() -> None:
    rng = np.random.default_rng(0)
    rolls = to_rolls(rng.random((3, 5, 2, 16, 84)) < 0.05, SHAPE)
    joined = join_with_rests(rolls)
    assert joined.bars == 3 * 2 + 2
    assert len(joined.notes()) == sum(len(roll.notes()) for roll in rolls)
    with pytest.raises(UserError, match="to join"):
        join_with_rests([])


@pytest.mark.slow
def test_a_composer_without_imitation_knows_the_largest_chords_of_its_corpus() -> None:
    corpus = open_corpus("freedoom")
    tiny = {"kind": "composer", "channels": 8, "layers": 1, "stages": 2, "judge_channels": 4}
    for imitation in (None, {"weight": 0.0, "alone": 0.0}):
        values = {"network": tiny, "neuron": "sbn", "training": {"imitation": imitation, "batch": 4}}
        game = make_training(fit(validate(PianorollConfig, values, "test"), corpus), corpus, 0)
        assert (game.generator.most > 1).all()
