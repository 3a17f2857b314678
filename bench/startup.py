"""How long ``bgmusic --help`` takes, beside an empty Python and one that imports torch.

    python bench/startup.py [ROUNDS]

Prints the median and best wall time of each, and the commands' ratio to the empty Python.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "bgmusic --help": ["-m", "bgmusic.cli.main", "--help"],
    "bgmusic train mnist --help": ["-m", "bgmusic.cli.main", "train", "mnist", "--help"],
    "python -c 'import torch'": ["-c", "import torch"],
}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):  # in turns, so that a busy moment meets them all
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.perf_counter() - start)
    print(f"{platform.machine()}, Python {platform.python_version()}, {rounds} rounds")
    empty = statistics.median(times["python -c pass"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:28} median {median:.3f} s  best {min(taken):.3f} s  {median / empty:5.1f} times an empty Python")


if __name__ == "__main__":
    main()
