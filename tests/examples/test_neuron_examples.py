"""Test that the examples of neurons in models run and learn at a small size."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let examples import each other, as scripts in one folder do, and restore the number of threads."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def example(name: str) -> ModuleType:
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def test_each_example_is_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 150


@pytest.mark.slow
def test_binarygan_in_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    result = example("binarygan_generator").main(["--steps", "60"])
    assert result["after"] < 0.9 * result["before"]
    assert "values: [0.0, 1.0]" in capsys.readouterr().out
    source = (EXAMPLES / "binarygan_generator.py").read_text()
    body = source.split("generator = ")[1].split("\n)\n")[0]
    assert len(body.splitlines()) <= 10


@pytest.mark.slow
def test_recurrent_composer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = example("recurrent_composer").main(["--steps", "40", "--out", str(tmp_path)])
    assert result["binary"] < result["frequencies"]
    assert (tmp_path / "composed.mid").read_bytes()[:4] == b"MThd"
    assert "composed phrase" in capsys.readouterr().out


@pytest.mark.slow
def test_gated_transformer(capsys: pytest.CaptureFixture[str]) -> None:
    result = example("gated_transformer").main(["--steps", "16", "--price", "1"])
    assert result["gated"] < result["frequencies"]
    assert result["gated share"] < 0.9
    assert result["open share"] == 1
    assert "of its gates open" in capsys.readouterr().out


@pytest.mark.slow
def test_phrase_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = example("phrase_bits").main(["--steps", "60", "--bits", "16", "--out", str(tmp_path)])
    assert result["kept"] > 1.3 * result["usual"]
    assert result["most"] > 0.02
    assert len(list(tmp_path.glob("*.mid"))) == 3
    assert "pitches kept" in capsys.readouterr().out


def test_tokens_keep_all_notes(tmp_path: Path) -> None:
    chorales = example("chorales")
    from bgmusic.music.corpora.corpus import open_corpus
    from bgmusic.music.midi.read import read_midi

    tokens = chorales.load("test")
    corpus = open_corpus("bach")
    assert tokens.shape == (len(corpus.indices("test")), 64, 4)
    roll = corpus.roll(int(corpus.indices("test")[3]))
    chorales.save(tmp_path / "phrase.mid", tokens[3])
    notes = read_midi(tmp_path / "phrase.mid").notes
    begins = (tokens[3] >= chorales.FIRST).sum(0)
    assert len(notes) == int(begins.sum())
    # Tokens have every onset of the roll, and notes held from before the phrase start at its first step.
    assert roll.onsets is not None
    sounding = roll.cells[:, 0, 0].any(-1) & ~roll.onsets[:, 0, 0].any(-1)
    assert len(notes) == int(roll.onsets.sum() + sounding.sum())
