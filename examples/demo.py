"""A first look at bgmusic in a few minutes: train on Bach's chorales, then see and hear what came out.

Run it with ``make demo``, or ``python examples/demo.py [--minutes 3] [--out demo] [--digits]``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path


def bgmusic(*arguments: str) -> None:
    """Run one bgmusic command, and show it as it would be typed."""
    print("$ bgmusic", *arguments, flush=True)
    ended = subprocess.run([sys.executable, "-m", "bgmusic.cli.main", *arguments], check=False)
    if ended.returncode:
        sys.exit(ended.returncode)


def music(minutes: float, out: Path, config: str) -> None:
    """Train on chorales for so many minutes; then four pieces of 16 bars as MIDI, pictures and sound."""
    run = str(out / "run")
    bgmusic("train", "pianoroll", "--data", "bach", "--config", config, "--minutes", str(minutes), "--out", run)
    bgmusic("generate", run, "-n", "4", "--bars", "16", "--format", "mid,png,npz,wav", "--out", str(out))
    print(f"\nListen to {out / 'all.wav'} and look at {out / 'rolls.png'}: four pieces, each also a .mid beside them.")


def digits(minutes: float, out: Path, config: str) -> None:
    """Train on digits for so many minutes, then generate and score."""
    run = str(out / "run")
    bgmusic("train", "mnist", "--config", config, "--minutes", str(minutes), "--out", run)
    bgmusic("generate", run, "-n", "256", "--out", str(out))
    bgmusic("evaluate", run, "--json", str(out / "scores.json"))
    print(f"\nLook at {out / 'samples.png'}: 256 digits, every pixel a binary decision.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", action="store_true", help="digits instead of music")
    parser.add_argument("--minutes", type=float, default=3.0, help="length of the training")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of what is made")
    parser.add_argument("--config", default="default", help="what is trained: a preset, or your own YAML file")
    options = parser.parse_args()
    run, mark = options.out / "run", options.out / ".demo"
    if run.exists() and not mark.exists():
        sys.exit(f"{run} is there already, and no demo made it: choose another --out")
    if run.exists():
        shutil.rmtree(run)
    options.out.mkdir(parents=True, exist_ok=True)
    mark.touch()  # what the next demo may take the place of
    (digits if options.digits else music)(options.minutes, options.out, options.config)
