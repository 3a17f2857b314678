"""The demo, with a tiny network and a second of training: what it leaves behind is music."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pretty_midi

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"
CONFIG = """
network: {kind: composer, channels: 8, layers: 1, stages: 3, judge_channels: 4}
neuron: sbn
training: {batch: 8, imitation: {alone: 1.0}}
"""


def test_the_demo_makes_music(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    command = [sys.executable, str(DEMO), "--minutes", "0.02", "--config", "tiny.yaml"]
    (tmp_path / "demo" / "run").mkdir(parents=True)
    (tmp_path / "demo" / "run" / "config.yaml").touch()
    refused = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert refused.returncode
    assert "no demo made it" in refused.stderr
    assert (tmp_path / "demo" / "run" / "config.yaml").exists()
    (tmp_path / "demo" / ".demo").touch()  # as the last demo left it
    ended = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "all.wav" in ended.stdout.splitlines()[-1]
    out = tmp_path / "demo"
    pieces = [out / f"piece-{number:04d}.mid" for number in range(4)]
    for path in (*pieces, out / "all.mid"):
        song = pretty_midi.PrettyMIDI(str(path))
        assert {instrument.name for instrument in song.instruments} == {"Soprano", "Alto", "Tenor", "Bass"}
        assert {instrument.program for instrument in song.instruments} == {52}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import muspy

            assert {track.program for track in muspy.read_midi(str(path)).tracks} == {52}
    with np.load(out / "rolls.npz") as arrays:
        assert arrays["rolls"].shape == (4, 4, 16, 16, 48)
        assert 0.001 < arrays["rolls"].mean() < 0.1
    assert (out / "all.wav").read_bytes()[:4] == b"RIFF"
    assert (out / "rolls.png").read_bytes()[:4] == b"\x89PNG"
