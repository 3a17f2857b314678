"""The music of a seed and a number is the same whatever is asked for beside it, and in however many processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import bgmusic
from numpy.typing import NDArray
from tiny_runs import BAND, COMPOSER, LINES, MUSEGAN, SATB, make_run, network_of

import bgmusic as package
from bgmusic.errors import UserError
from bgmusic.gan.generate import sample
from bgmusic.music.composing.generate import phrases
from bgmusic.music.composing.interpolation import interpolate
from bgmusic.music.composing.load import load_generator
from bgmusic.music.composing.pieces import phrases_needed, pieces
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.lines.generator import LinesGenerator
from bgmusic.music.report.neuron_outputs import sample_preactivated
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.lookup import find_run
from bgmusic.training.protocols import SampleNetwork

COUNTS = (1, 2, 3, 16, 17)
REFINED = {**MUSEGAN, "refiner": 1}
NETWORKS = {
    "composer": (SATB, COMPOSER, "sbn", "ht"),
    "composer in the pause encoding": (BAND, COMPOSER, "sbn", "ht"),
    "musegan, dbn": (SATB, MUSEGAN, "dbn", "ht"),
    "musegan, sbn": (BAND, MUSEGAN, "sbn", "ht"),
    "musegan, refined sbn": (BAND, REFINED, "sbn", "ht"),
    "lines, dbn": (SATB, LINES, "dbn", "ht"),
    "lines, sbn": (BAND, {**LINES, "lines": 2}, "sbn", "ht"),
    "musegan, bs": (BAND, MUSEGAN, "real", "bs"),
}

each_network = pytest.mark.parametrize("name", NETWORKS)


def music(generator: SampleNetwork, shape: RollShape, bars: int | None, binarize: str) -> Callable[..., NDArray[Any]]:
    """Return the function of count, seed and further arguments that makes phrases, or pieces of ``bars`` bars."""
    if bars is None:
        return lambda count, seed=5, **more: phrases(generator, shape, count, seed, binarize, **more)
    return lambda count, seed=5, **more: pieces(generator, shape, bars, count, seed, binarize, **more)


@each_network
@pytest.mark.parametrize("bars", [None, 4, 16])
def test_a_phrase_or_piece_is_the_same_among_others_and_alone(name: str, bars: int | None) -> None:
    shape, network, neuron, binarize = NETWORKS[name]
    make = music(network_of(shape, network, neuron), shape, bars, binarize)
    most = make(max(COUNTS))
    for count in COUNTS[:-1]:
        assert np.array_equal(make(count), most[:count])
    assert np.array_equal(make(2, first=14), most[14:16])
    assert len(np.unique(most.reshape(len(most), -1), axis=0)) == len(most)
    assert not np.array_equal(make(1, seed=5 + 2**32), most[:1])  # all bits of the seed count


@each_network
def test_batches_of_several_as_on_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("generate", "pieces", "interpolation", "accompaniment"):
        monkeypatch.setattr(f"bgmusic.music.composing.{module}.batch_of", lambda generator, shape: 4)
    shape, network, neuron, binarize = NETWORKS[name]
    generator = network_of(shape, network, neuron)
    for bars in (None, 9):
        make = music(generator, shape, bars, binarize)
        most = make(10)
        progress: list[int] = []
        assert np.array_equal(make(5, first=3, progress=progress.append), most[3:8])
        assert sum(progress) == 5 * (1 if bars is None else phrases_needed(generator, shape, bars))
        assert np.array_equal(make(1), most[:1])
    path = interpolate(generator, shape, (5, 6), 3, binarize)
    assert np.array_equal(path[:1], phrases(generator, shape, 1, 5, binarize))


@each_network
def test_a_longer_piece_begins_as_a_shorter_one(name: str) -> None:
    shape, network, neuron, binarize = NETWORKS[name]
    generator = network_of(shape, network, neuron)
    short, long, first = (music(generator, shape, bars, binarize)(3, first=2) for bars in (4, 16, None))
    assert np.array_equal(long[:, :, :4], short)
    assert np.array_equal(long[:, :, : shape.bars], first)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["composer", "musegan, refined sbn"])
def test_processes_give_the_same_music(name: str) -> None:
    shape, network, neuron, binarize = NETWORKS[name]
    generator = network_of(shape, network, neuron)
    progress: list[int] = []
    together = pieces(generator, shape, 6, 5, 5, binarize, progress.append, first=1, jobs=2)
    assert np.array_equal(together, pieces(generator, shape, 6, 5, 5, binarize, first=1))
    assert sum(progress) == 5 * phrases_needed(generator, shape, 6)
    if not isinstance(generator, Composer):
        path = interpolate(generator, shape, (1, 2), 5, binarize, jobs=2)
        assert np.array_equal(path, interpolate(generator, shape, (1, 2), 5, binarize))


def test_the_report_shows_the_first_phrases_of_the_seed() -> None:
    for shape, network, neuron, binarize in NETWORKS.values():
        generator = network_of(shape, network, neuron)
        shown = [roll.channels() for roll, _, _ in sample_preactivated(generator, shape, 5, binarize)]
        assert not shown or np.array_equal(shown, phrases(generator, shape, 2, 5, binarize))
        assert bool(shown) != isinstance(generator, LinesGenerator)  # a line's decisions follow from each other


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bach", "freedoom"])
def test_shipped_generators(name: str) -> None:
    _, shape, generator = load_generator(find_run(name))
    pair = phrases(generator, shape, 2, 0)
    assert np.array_equal(phrases(generator, shape, 1, 0, first=1), pair[1:])
    assert np.array_equal(pieces(generator, shape, 8, 2, 0, jobs=2)[:, :, :4], pair)
    # Other sizes of batch may change last bits; here they hardly ever change a decision.
    assert (sample(generator, 2, 0, batch=2).view(np.bool_) != pair).mean() < 0.01


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_command_line_makes_one_piece_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", SATB)
    shared = ("generate", run, "--seed", 4, "--format", "mid,npz", "--out")
    assert bgmusic(*shared, tmp_path / "all", "-n", 5) == 0
    assert bgmusic(*shared, tmp_path / "two", "-n", 5, "--jobs", 2) == 0
    assert files(tmp_path / "all") == files(tmp_path / "two")
    capsys.readouterr()
    assert bgmusic(*shared, tmp_path / "one", "-n", 1, "--first", 3) == 0
    assert "phrase-0003.mid" in capsys.readouterr().out
    one = files(tmp_path / "one")
    assert set(one) == {"all.mid", "phrase-0003.mid", "rolls.npz"}
    assert one["phrase-0003.mid"] == files(tmp_path / "all")["phrase-0003.mid"]
    given = tmp_path / "all" / "phrase-0003.mid"
    shared = ("accompany", run, given, "--given", "alto", "--format", "mid", "--out")
    assert bgmusic(*shared, tmp_path / "many", "-n", 4, "-j", 2) == 0
    assert bgmusic(*shared, tmp_path / "third", "-n", 1, "--first", 2) == 0
    assert files(tmp_path / "third").items() <= files(tmp_path / "many").items()


def test_composers_give_one_piece_again(tmp_path: Path) -> None:
    composer = package.load(make_run(tmp_path / "run", BAND))
    most = composer.generate(4, seed=3)
    assert np.array_equal(composer.generate(first=2, seed=3)[0].cells, most[2].cells)
    assert np.array_equal(composer.generate(first=2, seed=3, bars=9)[0].cells[:, :2], most[2].cells)
    for name, value in (("first", -1), ("first", 1.5), ("jobs", 0)):
        with pytest.raises(TypeError if value == 1.5 else UserError, match=f"{name} is a whole number .*{value}"):
            composer.generate(**{name: value})
