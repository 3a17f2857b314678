"""The command of a small training on digits."""

from __future__ import annotations

from pathlib import Path

SMALL = [
    *("train", "mnist", "--config", "paper", "--neuron", "sbn", "--steps", 42, "--device", "cpu", "--seed", 5),
    *("--set", "training.warmup=null", "--set", "training.batch=8"),
    *("--set", "training.d_updates=2", "--set", "training.average.horizon=10"),
    *("--set", "training.log_every=4", "--set", "training.checkpoint_every=7", "--set", "training.sample_every=20"),
    *("--set", "network.g_widths=[16]", "--set", "network.d_widths=[16]"),
]
RESUME = ["train", "mnist", "--device", "cpu", "--resume", "--out"]


def bits(run: Path) -> dict[str, bytes]:
    """Return the files that must be identical in a resumed and an uninterrupted run."""
    names = ["config.yaml", "generator.safetensors", "metrics.jsonl"]
    names += [f"samples/step-{step:07d}.png" for step in (20, 40, 42)]
    return {name: (run / name).read_bytes() for name in names}
