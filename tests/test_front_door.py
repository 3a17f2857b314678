"""Test the front door: ``str`` paths, wrong types, missing extras, and the data set in workers."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import bgmusic
from bgmusic import UserError


@pytest.fixture(scope="module")
def roll() -> bgmusic.Roll:
    return bgmusic.open_corpus("bach").roll(0)


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_may_be_str_or_path(
    roll: bgmusic.Roll, kind: Callable[[Path], str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kind(tmp_path / "one.mid")
    roll.save(path)
    again = bgmusic.read(path, tracks="satb", resolution=4)
    assert np.array_equal(again.cells, roll.cells)
    roll.save(kind(tmp_path / "one.png"))
    corpus = bgmusic.open_corpus("bach")
    assert len(bgmusic.open_corpus(kind(corpus.path))) == len(corpus)
    composer = bgmusic.load("bach")
    composer.save_pretrained(kind(tmp_path / "saved"))
    again_composer = bgmusic.load(kind(tmp_path / "saved"))
    assert again_composer.shape == composer.shape
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("name", "phrases"),
    [("nowhere", ["nowhere", "bach"]), ("no/such/folder", ["no/such/folder"])],
)
def test_load_says_what_is_missing(name: str, phrases: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        bgmusic.load(name)
    for phrase in phrases:
        assert phrase in str(caught.value)


@pytest.mark.parametrize(
    ("options", "phrases"),
    [
        ({"n": 0}, ["n", "0"]),
        ({"n": 1.5}, ["n", "1.5"]),
        ({"n": True}, ["n", "True"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": "1"}, ["seed", "'1'"]),
        ({"bars": 0}, ["0"]),
        ({"bars": 5000}, ["1024"]),
        ({"binarize": "round"}, ["round"]),
    ],
)
def test_generate_checks_its_arguments(options: dict[str, Any], phrases: list[str]) -> None:
    with pytest.raises((UserError, TypeError, ValueError)) as caught:
        bgmusic.load("bach").generate(**options)
    for phrase in phrases:
        assert phrase in str(caught.value)


def test_wishes_are_text_and_devices_exist() -> None:
    with pytest.raises(TypeError, match="chords must be a string, not list"):
        bgmusic.load("bach").plan(chords=["C", "G"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="complete must be True or False, not 'no'"):
        bgmusic.load("bach").plan(complete="no")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"no plan file 'C | G'.*chords"):
        bgmusic.load("bach").compose("C | G")
    with pytest.raises(TypeError, match="given is the name or number"):
        bgmusic.load("bach").accompany("song.mid", True)
    with pytest.raises(TypeError, match="a list of rolls"):
        bgmusic.evaluate(bgmusic.load("bach", drafts=1).generate()[0], against="bach")
    with pytest.raises(UserError, match="device 'foo'"):
        bgmusic.load("bach", device="foo")


def test_load_needs_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").touch()  # "" is not the folder in which one works
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no name of a composer: give bach"):
        bgmusic.load("")


def test_read_checks_file_and_tracks(tmp_path: Path, roll: bgmusic.Roll) -> None:
    text = tmp_path / "song.mid"
    text.write_text("no music")
    with pytest.raises(UserError, match=r"song\.mid"):
        bgmusic.read(str(text))
    with pytest.raises(FileNotFoundError):
        bgmusic.read(str(tmp_path / "none.mid"))
    roll.save(text)
    with pytest.raises(UserError, match="no-such-tracks"):
        bgmusic.read(str(text), tracks="no-such-tracks")
    with pytest.raises((UserError, TypeError), match=r"resolution|0"):
        bgmusic.read(str(text), tracks="satb", resolution=0)
    with pytest.raises(UserError, match="99"):
        bgmusic.read(str(text), tracks="satb", resolution=4, first_bar=99)


def test_save_names_the_known_suffixes(roll: bgmusic.Roll, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.xyz.*\.mid"):
        roll.save(str(tmp_path / "one.xyz"))
    assert list(tmp_path.iterdir()) == []


def test_roll_refuses_other_types(roll: bgmusic.Roll) -> None:
    with pytest.raises(TypeError, match=r"boolean.*float32|float32"):
        bgmusic.Roll(roll.track_set, 4, roll.cells.astype(np.float32))
    with pytest.raises(UserError, match="shape"):
        bgmusic.Roll(roll.track_set, 4, roll.cells[:2])


def test_metrics_refuse_floating_point_rolls(roll: bgmusic.Roll) -> None:
    from bgmusic.music.judging import metrics

    with pytest.raises(TypeError, match="boolean"):
        metrics.empty_bar_rate(torch.from_numpy(roll.cells)[None].float())


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_corpus_is_a_dataset(workers: int) -> None:
    corpus = bgmusic.open_corpus("bach")
    assert corpus[0].dtype == torch.float32
    assert torch.equal(corpus[-1], corpus[len(corpus) - 1])
    loader = DataLoader(corpus.subset("test"), batch_size=4, num_workers=workers)  # type: ignore[arg-type]
    batch = next(iter(loader))
    assert batch.shape == (4, 8, 4, 16, 48)
    assert set(batch.unique().tolist()) == {0.0, 1.0}


def test_corpus_checks_names_and_indices() -> None:
    with pytest.raises(UserError, match=r"nowhere.*bach"):
        bgmusic.open_corpus("nowhere")
    corpus = bgmusic.open_corpus("bach")
    with pytest.raises(IndexError, match=str(len(corpus))):
        corpus[len(corpus)]
    with pytest.raises(TypeError):
        corpus[0.5]  # type: ignore[index]


def test_evaluate_checks_its_source(roll: bgmusic.Roll, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        bgmusic.evaluate(str(tmp_path / "nowhere"), against="bach")
    with pytest.raises(UserError):
        bgmusic.evaluate([roll], against="freedoom")
    with pytest.raises(UserError):
        bgmusic.evaluate([], against="bach")
    with pytest.raises(UserError, match="-5"):
        bgmusic.evaluate([roll], against="bach", seed=-5)


def test_evaluate_adds_the_judge_on_request(roll: bgmusic.Roll, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "bgmusic.music.composing.comparison.evaluate"
    monkeypatch.setattr(module, lambda samples, held_out, training, seed, judged: judged)
    assert [bgmusic.evaluate([roll], judged=judged) for judged in (False, True)] == [False, True]
    assert bgmusic.evaluate([roll]) is False


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without_hub(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "huggingface_hub":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return genuine(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_hub)
    with pytest.raises(UserError, match=r"pip install.*hub"):
        bgmusic.load("owner/name")
    with pytest.raises(UserError, match=r"pip install.*hub"):
        bgmusic.load("bach").push_to_hub("owner/name")


@pytest.mark.slow
def test_a_composer_composes_saves_and_is_judged(tmp_path: Path) -> None:
    composer = bgmusic.load("bach")
    first, second = (composer.generate(1, seed=3)[0] for _ in range(2))
    assert np.array_equal(first.cells, second.cells)
    assert repr(first).startswith("Roll(satb")
    assert "<audio" in first._repr_html_()
    for suffix in ("mid", "png", "wav", "flac", "ogg", "mp3", "npz"):
        first.save(str(tmp_path / f"one.{suffix}"))
        assert (tmp_path / f"one.{suffix}").stat().st_size > 100
    (accompaniment,) = composer.accompany(str(tmp_path / "one.mid"), given="Soprano")
    assert np.array_equal(accompaniment.roll.cells[0], first.cells[0])
