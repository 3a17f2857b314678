"""Judge damaged music: half of the training pieces with one change each. "unchanged" must be near 50%.

python bench/judge_controls.py bach
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
from pathlib import Path

import torch

from bgmusic.music.composing.phrase_sources import held_out, open_phrases, training
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging.judge import judge

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from damaged_phrases import CONTROLS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--number", type=int, default=500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.corpus)
    half = open_phrases(Path(options.corpus), corpus, options.number)
    real = [training(corpus, half=True), held_out(corpus)]
    for name, change in {"unchanged": lambda phrases: phrases, **CONTROLS}.items():
        begin = time.process_time()
        found = judge(change(half), real)
        spent = time.process_time() - begin
        interval = f"({found.low:.0%} to {found.high:.0%})"
        print(f"{name:44} {found.accuracy:.1%} {interval:16} AUC {found.auc:.3f} {spent:4.0f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
