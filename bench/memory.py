"""Measure the peak memory of a training and of its evaluation, each in a process of its own.

    python bench/memory.py [--config NAME] [--steps N]

Prints the peak resident memory (Linux: ``VmHWM``) of ``bgmusic train mnist`` with checkpoints and pictures, and of
``bgmusic evaluate`` of the resulting run.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

# Print the peak from within the command's process: RUSAGE_CHILDREN would mix the commands.
SCRIPT = """
import resource, sys
from bgmusic.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peak(*args: object) -> float:
    """Return the peak memory of a command in megabytes."""
    command = [sys.executable, "-c", SCRIPT, *map(str, args)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(ended.stderr.split("peak ")[-1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="default")
    parser.add_argument("--steps", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train = peak("train", "mnist", "--config", chosen.config, "--steps", chosen.steps, "--out", run)
        taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        print(f"train mnist --config {chosen.config} --steps {chosen.steps}: {train:.0f} MB, {taken:.0f} CPU-seconds")
        print(f"evaluate: {peak('evaluate', run):.0f} MB")


if __name__ == "__main__":
    main()
