"""Every preset, strategy, neuron and form trains for some steps; runs go on; what doesn't fit is said in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bgmusic.cli.main import main
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
    "network": {"channels": 4, "layers": 1, "stages": 2, "judge_channels": 4, "judge_layers": 1},
    "training": TINY["training"],
}
TINY_COMPOSER = merge(
    TINY, {"network": {"channels": 6, "layers": 1, "stages": 3, "judge_channels": 4, "judge_layers": 1}}
)
for _key in ("width", "latent"):
    del TINY_COMPOSER["network"][_key]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
STRATEGIES = presets("pianoroll/strategies")
SHAPE = RollShape(track_set="lpd-5", resolution=4, bars=2, steps=16, encoding="pause")


class Coins:
    """A source of random rolls."""

    def __init__(self, channels: int, device: str = "cpu") -> None:
        self.channels, self.device = channels, device

    def batch(self, size: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return (torch.rand(size, self.channels, 2, 16, 84, generator=generator) < 0.02).float().to(self.device)


def config_of(*layers: dict[str, Any], preset: str = "satb") -> PianorollConfig:
    values = load_preset("pianoroll", preset)
    composer = values.get("network", {}).get("kind") == "composer"
    for layer in (*layers, TINY_COMPOSER if composer else TINY):
        values = merge(values, layer)
    return validate(PianorollConfig, values, "test")


def strategy(name: str) -> dict[str, Any]:
    return load_preset("pianoroll/strategies", name)


def play(config: PianorollConfig, device: str = "cpu") -> Game:
    shape = SHAPE.model_copy(update={"encoding": config.encoding or "pause"})
    torch.manual_seed(0)
    generator, discriminator = make_generator(config, shape), make_discriminator(config, shape)
    before = [weight.clone() for weight in generator.parameters()]
    coins = Coins(10 if shape.encoding == "onset" else 5, device)
    game = Game(generator, discriminator, coins, config.training, device=device)
    game.run()
    changed = [not torch.equal(a, b.cpu()) for a, b in zip(before, generator.parameters(), strict=True)]
    learns = [weight.requires_grad for weight in generator.parameters()]
    assert any(changed)
    assert not any(change and not learn for change, learn in zip(changed, learns, strict=True))
    assert all(bool(weight.isfinite().all()) for weight in discriminator.parameters())
    return game


def test_all_presets_are_found() -> None:
    found = {path.stem for path in (configs_dir() / "pianoroll").glob("*.yaml")}
    assert {"default", "accompany", "lpd-5", "lpd-8", "satb"} <= found
    assert set(STRATEGIES) == {"pretrain", "end-to-end", "two-stage", "joint"}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", presets("pianoroll"))
def test_every_preset_trains(preset: str, device: str) -> None:
    play(config_of(preset=preset), device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_every_strategy_and_neuron_trains(name: str, neuron: str, device: str) -> None:
    layers = [strategy(name)] if name == "pretrain" else [strategy(name), {"neuron": neuron}]
    game = play(config_of(*layers), device)
    rolls = phrases(game.sampler, SHAPE.model_copy(update={"encoding": "onset"}), 3, 0)
    assert rolls.shape == (3, 10, 2, 16, 84)
    assert rolls.dtype == np.bool_


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
def test_every_form_trains(changes: dict[str, Any], device: str) -> None:
    play(config_of(changes), device)


def test_second_stages_begin_with_the_first(tmp_path: Path) -> None:
    first = tmp_path / "first"
    train_pianoroll(first, config_of(strategy("pretrain")), "bach", quiet=True, device="cpu")
    config = config_of(strategy("two-stage"))
    second = tmp_path / "second"
    assert train_pianoroll(second, config, "bach", start=first, quiet=True, device="cpu")
    corpus = open_corpus("bach")
    fitted = fit(config, corpus)
    game = make_training(fitted, corpus, 1)
    begin_with(game, fitted, first)
    game.generator.train()  # but for what is fixed
    noise = torch.randn(2, 8)
    # Another seed, but the same first stage; and training the refiner has left that stage as it was.
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
    with pytest.raises(UserError, match="needs a first stage"):
        train_pianoroll(tmp_path / "third", config, "bach", quiet=True)
    assert not (tmp_path / "third").exists()


GAMES = {
    "musegan": config_of({"neuron": "sbn", "transpose": [-3, 3]}),
    "imitation": config_of(preset="default"),
    "imitation, then the game": config_of({"training": {"imitation": {"alone": 0.5}}}, preset="default"),
    "the game alone": config_of({"training": {"imitation": None, "average": None}}, preset="default"),
}


@pytest.mark.parametrize("config", GAMES.values(), ids=GAMES.keys())
def test_a_resumed_run_equals_an_uninterrupted_one(config: PianorollConfig, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    train_pianoroll(whole, config, "bach", seed=3, quiet=True, device="cpu")
    shorter = config.model_copy(update={"training": config.training.model_copy(update={"steps": 1})})
    train_pianoroll(part, shorter, "bach", seed=3, quiet=True, device="cpu")
    # As if it had been interrupted after one step of two.
    (part / "config.yaml").write_text((whole / "config.yaml").read_text())
    assert resume_pianoroll(part, quiet=True, device="cpu")
    weights = [load_generator(run)[2].state_dict() for run in (whole, part)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert (part / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()


def test_a_run_goes_on_with_its_own_corpus_alone_wherever_that_is_now(tmp_path: Path) -> None:
    there, here, run = tmp_path / "there", tmp_path / "here", tmp_path / "run"
    shutil.copytree(open_corpus("bach").path, there)
    config = config_of(preset="default")
    train_pianoroll(run, config, str(there), quiet=True, device="cpu")
    there.rename(here)
    with pytest.raises(UserError, match="there"):
        resume_pianoroll(run, quiet=True, device="cpu")
    assert resume_pianoroll(run, data=str(here), quiet=True, device="cpu")
    assert resume_pianoroll(run, quiet=True, device="cpu")  # it is remembered
    meta = json.loads((here / "meta.json").read_text())
    piece = meta["pieces"][0]
    piece["split"] = "test" if piece["split"] == "train" else "train"
    (here / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(UserError, match="here is not the corpus that "):
        resume_pianoroll(run, quiet=True, device="cpu")


def bgmusic(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_from_corpus_to_midi(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    capsys.readouterr()


SATB = ["--config", "satb", "--set"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "pianoroll", "--data", "nowhere"], "no corpus 'nowhere'"),
        (["train", "pianoroll", "--config", "nothing"], "presets: accompany"),
        (["train", "pianoroll", *SATB, "strategy=joint"], "--start RUN"),
        (["train", "pianoroll", "--strategy", "joint"], "is for BinaryMuseGAN's networks"),
        (["train", "pianoroll", "--start", "x"], "takes no first stage"),
        (["train", "pianoroll", "--set", "rolls.track_set=lpd-5"], "rolls"),
        (["train", "pianoroll", *SATB, "network.refiner=0", "--set", "strategy=joint"], "needs a refiner"),
        (["train", "pianoroll", *SATB, "network.width=400"], "width"),
        (["train", "pianoroll", *SATB, "network.first=16384", "--set", "network.width=8"], "weights"),
        (["train", "pianoroll", *SATB, "training.batch=1"], "at least two samples"),
        (
            ["train", "pianoroll", *SATB, "training.warmup=null", "--set", "training.imitation.alone=1"],
            "no imitation loss",
        ),
        (["train", "pianoroll", "--set", "network.width=1"], "width: unknown key"),
        (["train", "pianoroll", "--set", "network.kind=choir"], "'choir'"),
        (["train", "pianoroll", "--set", "strategy=joint"], "strategy joint"),
        (["train", "pianoroll", "--resume"], "--out RUN"),
        (["generate", "nowhere"], "no run nowhere"),
    ],
    ids=str,
)
def test_mistakes_end_in_one_line(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bgmusic(*arguments) == 2
    text = capsys.readouterr().err
    assert text.startswith("bgmusic: error: ")
    assert says in text
    assert text.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_corpus_must_fit_the_rolls_that_a_config_wants() -> None:
    wants = RollShape(track_set="lpd-5", resolution=4, bars=4, steps=16, encoding="onset")
    config = config_of().model_copy(update={"rolls": wants})
    with pytest.raises(UserError, match="track_set is satb"):
        fit(config, open_corpus("bach"))


def test_one_after_another_keeps_phrases_apart() -> None:
    rng = np.random.default_rng(0)
    rolls = to_rolls(rng.random((3, 5, 2, 16, 84)) < 0.05, SHAPE)
    joined = join_with_rests(rolls)
    assert joined.bars == 3 * 2 + 2
    assert len(joined.notes()) == sum(len(roll.notes()) for roll in rolls)
    with pytest.raises(UserError, match="no phrases"):
        join_with_rests([])


def test_a_composer_that_imitates_nothing_knows_how_many_notes_tracks_play() -> None:
    corpus = open_corpus("freedoom")
    tiny = {"kind": "composer", "channels": 8, "layers": 1, "stages": 2, "judge_channels": 4}
    for imitation in (None, {"weight": 0.0, "alone": 0.0}):
        values = {"network": tiny, "neuron": "sbn", "training": {"imitation": imitation, "batch": 4}}
        game = make_training(fit(validate(PianorollConfig, values, "test"), corpus), corpus, 0)
        assert (game.generator.most > 1).all()
