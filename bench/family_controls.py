"""Compare damaged phrases with held-out ones by families of statistics.

The phrases are those of half of the training pieces, with one change each.

Each change must be noticed by its own family. Printed are the mean distance of each family, in brackets times the
floor, and a star where the interval is above the floor's.

python bench/family_controls.py bach
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

from damaged_halves import damaged_halves

from bgmusic.music.judging.evaluation import family_distances


def main() -> None:
    sides = damaged_halves(__doc__)
    for name, damaged in sides.damaged():
        begin = time.process_time()
        families = family_distances(damaged, sides.held_out, sides.other).families
        spent = time.process_time() - begin
        shown = [f"{one.name} {one.distance.mean:.3f} ({one.times:.1f}){'*' * one.differs}" for one in families]
        print(f"{name}: {', '.join(shown)}; {spent:.1f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
