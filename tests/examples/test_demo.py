"""Test the demo with a tiny network and a second of training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"
CONFIG = """
network: {kind: composer, channels: 8, layers: 1, stages: 3, judge_channels: 4}
neuron: sbn
training: {batch: 8, imitation: {alone: 1.0}}
"""
VOICES = {"Soprano", "Alto", "Tenor", "Bass"}


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "tiny.yaml").write_text(CONFIG)
    command = [sys.executable, str(DEMO), "--minutes", "0.02", "--config", "tiny.yaml"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_demo_refuses_to_replace_another_run(tmp_path: Path) -> None:
    config = tmp_path / "demo" / "run" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.touch()
    result = run_demo(tmp_path)
    assert result.returncode
    assert "not made by the demo" in result.stderr
    assert config.exists()


@pytest.mark.slow
def test_demo_makes_music(tmp_path: Path) -> None:
    (tmp_path / "demo" / "run").mkdir(parents=True)
    (tmp_path / "demo" / ".demo").touch()  # the mark of an earlier demo
    result = run_demo(tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.index("shipped generator") < result.stdout.index("your own training")
    out = tmp_path / "demo"
    pieces = [out / f"piece-{number:04d}.mid" for number in range(4)]
    shipped = [out / "shipped" / f"phrase-{number:04d}.mid" for number in range(4)]
    for path in (*pieces, *shipped, out / "shipped" / "all.mid"):
        song = pretty_midi.PrettyMIDI(str(path))
        names = {instrument.name for instrument in song.instruments}
        assert names <= VOICES  # a voice may be silent after a second of training
        assert names == VOICES or path in pieces
        assert {instrument.program for instrument in song.instruments} == {52}
    assert (out / "all.mid").read_bytes()[:4] == b"MThd"
    with np.load(out / "rolls.npz") as arrays:
        assert arrays["rolls"].shape == (4, 4, 16, 16, 48)
        assert 0.001 < arrays["rolls"].mean() < 0.1
    for folder in (out, out / "shipped"):
        assert (folder / "all.wav").read_bytes()[:4] == b"RIFF"
        assert (folder / "rolls.png").read_bytes()[:4] == b"\x89PNG"
