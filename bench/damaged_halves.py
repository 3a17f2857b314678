"""Damaged phrases of half of the training pieces, for family_controls.py and judge_controls.py."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bgmusic.music.composing.phrase_sources import held_out, open_phrases, training
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.rolls.phrases import Phrases

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from damaged_phrases import CONTROLS


@dataclass(frozen=True)
class DamagedHalves:
    """The phrases of half of the training pieces, those of the other half, and the held-out ones."""

    half: Phrases
    other: Phrases
    held_out: Phrases

    def damaged(self) -> Iterator[tuple[str, Phrases]]:
        """Yield the name of each change and the changed half, the unchanged one first."""
        yield "unchanged", self.half
        for name, change in CONTROLS.items():
            yield name, change(self.half)


def damaged_halves(description: str | None) -> DamagedHalves:
    """Parse the command line of a benchmark, CORPUS [--number N], and read the phrases."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--number", type=int, default=500, help="number of phrases that are damaged")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    half = open_phrases(Path(options.corpus), corpus, options.number)
    return DamagedHalves(half, training(corpus, half=True), held_out(corpus))
