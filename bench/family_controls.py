"""Compare damaged phrases with held-out ones by families of statistics.

The phrases are those of half of the training pieces, with one change each.

Each change must be noticed by its own family. Printed are the mean distance of each family, in brackets times the
floor, and a star where the interval is above the floor's.

python bench/family_controls.py bach
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
from pathlib import Path

from bgmusic.music.composing import phrase_sources
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging.evaluation import family_distances

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from damaged_phrases import CONTROLS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--number", type=int, default=500)
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    half = phrase_sources.open_phrases(Path(options.corpus), corpus, options.number)
    held_out, training = phrase_sources.held_out(corpus), phrase_sources.training(corpus, half=True)
    for name, change in {"unchanged": lambda phrases: phrases, **CONTROLS}.items():
        damaged = change(half)
        begin = time.process_time()
        families = family_distances(damaged, held_out, training).families
        spent = time.process_time() - begin
        shown = [f"{one.name} {one.distance.mean:.3f} ({one.times:.1f}){'*' * one.differs}" for one in families]
        print(f"{name}: {', '.join(shown)}; {spent:.1f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
