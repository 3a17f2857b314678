"""Judge damaged music: half of the training pieces with one change each. "unchanged" must be near 50%.

python bench/judge_controls.py bach
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import torch
from damaged_halves import damaged_halves

from bgmusic.music.judging.judge import judge


def main() -> None:
    torch.set_num_threads(1)
    sides = damaged_halves(__doc__)
    for name, damaged in sides.damaged():
        begin = time.process_time()
        found = judge(damaged, [sides.other, sides.held_out])
        spent = time.process_time() - begin
        interval = f"({found.low:.0%} to {found.high:.0%})"
        print(f"{name:44} {found.accuracy:.1%} {interval:16} AUC {found.auc:.3f} {spent:4.0f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
