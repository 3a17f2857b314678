"""A first look at bgmusic in about three minutes: train on digits, then look at what came out.

Run it with ``make demo``, or ``python examples/demo.py [--seconds 120] [--out demo]``.
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


def demo(seconds: float, out: Path) -> None:
    """Train for so many seconds, then generate and score."""
    if (out / "run").exists():  # the last demo's
        shutil.rmtree(out / "run")
    run = str(out / "run")
    bgmusic("train", "mnist", "--minutes", str(seconds / 60), "--out", run)
    bgmusic("generate", run, "-n", "256", "--out", str(out))
    bgmusic("evaluate", run, "--json", str(out / "scores.json"))
    print(f"\nLook at {out / 'samples.png'}: 256 digits, every pixel a binary decision.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="length of the training")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of what is made")
    options = parser.parse_args()
    demo(options.seconds, options.out)
