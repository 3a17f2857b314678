"""Compare the likelihood of generated and held-out phrases under a reference model, in nats per note.

The reference is a peer that ``train.py`` trained on the training pieces. The least likely notes are listed.

python bench/peer/likelihood.py bach /tmp/peer samples/rolls.npz
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from pathlib import Path

import torch
from torch import Tensor
from train import Language, language_of, load, loss_of
from trunk import Peer

from bgmusic.music.composing.phrase_sources import held_out, training
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.phrases import Phrases


@torch.no_grad()
def nats(peer: Peer, language: Language, phrases: Phrases) -> tuple[Tensor, list[str]]:
    """Return the nats per note of each phrase, and the ten least likely notes in words."""
    items, mask = language.encode(phrases)
    parts = zip(items.split(16), mask.split(16), strict=True)
    found = torch.cat([loss_of(peer, language, *part) for part in parts])
    notes = language.notes(items) & mask[..., None]
    per_note = found.sum((1, 2)) / notes.sum((1, 2)).clamp(min=1)
    rare, words = (found * notes).flatten().topk(10), []
    for value, index in zip(rare.values.tolist(), rare.indices.tolist(), strict=True):
        phrase, rest = divmod(index, found[0].numel())
        step, field = divmod(rest, found.shape[2])
        words.append(f"{value:.1f} nats: phrase {phrase}, {language.name(items[phrase], step, field)}")
    return per_note, words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("peer", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.corpus)
    language = language_of(corpus)
    peer = load(options.peer, language)
    sides = {"held-out": held_out(corpus), "training": training(corpus).spread(500)}
    sides |= {str(path): read_phrases(path)[0].encoded(sides["held-out"].encoding) for path in options.files}
    print(f"{'nats per note':30} {'mean':>6} {'10%':>6} {'50%':>6} {'90%':>6}")
    rare = {}
    for name, phrases in sides.items():
        per_note, rare[name] = nats(peer, language, phrases)
        quantiles = per_note.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
        print(f"{name:30} {per_note.mean():6.2f} " + " ".join(f"{value:6.2f}" for value in quantiles), flush=True)
    for path in options.files:
        print(f"least likely notes of {path}:", *rare[str(path)], sep="\n  ")


if __name__ == "__main__":
    main()
