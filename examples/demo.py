"""Compose with the shipped generator, then train one for a few minutes and compose with it.

Run it with ``make demo``, or ``python examples/demo.py [--minutes 3] [--out demo] [--digits]``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path


def bgmusic(*arguments: str) -> None:
    """Print and run one bgmusic command; exit with its code if it fails."""
    print("$ bgmusic", *arguments, flush=True)
    result = subprocess.run([sys.executable, "-m", "bgmusic.cli.main", *arguments], check=False)
    if result.returncode:
        sys.exit(result.returncode)


def compose(out: Path) -> None:
    """Compose four phrases with the shipped generator ``bach``, as MIDI, picture and sound."""
    bgmusic("generate", "generator:bach", "-n", "4", "--format", "mid,png,wav", "--out", str(out))
    print(f"\nMusic by the shipped generator: listen to {out / 'all.wav'}, look at {out / 'rolls.png'};")
    print(f"MIDI files: {out / 'all.mid'} and a .mid per phrase.\n", flush=True)


def music(minutes: float, out: Path, config: str) -> None:
    """Train on chorales, then compose four pieces of 16 bars as MIDI, pictures and sound."""
    run = str(out / "run")
    bgmusic("train", "pianoroll", "--data", "bach", "--config", config, "--minutes", str(minutes), "--out", run)
    bgmusic("generate", run, "-n", "4", "--bars", "16", "--format", "mid,png,npz,wav", "--out", str(out))
    print(f"\nMusic by your own training: listen to {out / 'all.wav'}, look at {out / 'rolls.png'};")
    print(f"MIDI files: {out / 'all.mid'} and a .mid per piece. Compare with {out / 'shipped' / 'all.wav'}.")


def digits(minutes: float, out: Path, config: str) -> None:
    """Train on digits, then generate and score."""
    run = str(out / "run")
    bgmusic("train", "mnist", "--config", config, "--minutes", str(minutes), "--out", run)
    bgmusic("generate", run, "-n", "256", "--out", str(out))
    bgmusic("evaluate", run, "--json", str(out / "scores.json"))
    print(f"\nLook at {out / 'samples.png'}: 256 digits, every pixel a binary decision.")


def main() -> None:
    """Parse the command line and run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", action="store_true", help="digits instead of music")
    parser.add_argument("--minutes", type=float, default=3.0, help="length of the training")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="output folder")
    parser.add_argument("--config", default="default", help="preset or YAML file of the training")
    options = parser.parse_args()
    run, mark = options.out / "run", options.out / ".demo"
    if run.exists() and not mark.exists():
        sys.exit(f"{run} exists and was not made by the demo: choose another --out")
    if run.exists():
        shutil.rmtree(run)
    options.out.mkdir(parents=True, exist_ok=True)
    mark.touch()  # the next demo may replace this one
    if options.digits:
        digits(options.minutes, options.out, options.config)
    else:
        compose(options.out / "shipped")
        music(options.minutes, options.out, options.config)
        print(f"\nNext, compose in the browser: {Path(sys.executable).parent / 'bgmusic'} studio")


if __name__ == "__main__":
    main()
