"""Train a causal transformer on a corpus for given CPU-seconds on one core, and write phrases that it samples.

The model that a competent user would take instead of a composer: for tracks of one voice it reads steps, for other
music notes. Transposition augmentation, dropout, the weights of the lowest validation loss, and top-p by the distance
to the validation phrases.

python bench/peer/train.py bach --cpu-seconds 619 --out /tmp/peer
bgmusic evaluate /tmp/peer/rolls.npz --against bach
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from events import Events
from torch import Tensor
from trunk import Peer, surprisal
from voices import Voices

from bgmusic.music.composing.phrase_sources import training
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.evaluation import nearness
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.music.rolls.phrases import Phrases

TOP_P = (0.9, 0.95, 0.97, 0.99)
CHECKS = 12  # validations
VALIDATION = 64  # phrases
SHIFT = 6  # semitones

Language = Voices | Events


def language_of(corpus: Corpus) -> Language:
    """Return the items for a corpus: steps if its pitched tracks have one voice, else notes."""
    phrases = corpus_phrases(corpus, corpus.indices("train")[:200])
    one_voice = not phrases.drums.any() and (phrases.cells.sum(-1) > 1).mean() < 0.01
    return Voices(phrases) if one_voice else Events(phrases)


def loss_of(peer: Peer, language: Language, items: Tensor, mask: Tensor, contexts: Tensor | None = None) -> Tensor:
    """Return the nats of each phrase's items: float ``(n, length, fields)``, 0 where the mask is false."""
    if contexts is None:
        contexts = language.context(items)[:, : items.shape[1]]
    found = surprisal(peer, items, contexts) * mask[..., None]
    if isinstance(language, Events):
        found = found * torch.where(items[..., :1] == language.end, torch.tensor([1.0, 0, 0, 0]), 1.0)
    return found


def validate(peer: Peer, language: Language, items: Tensor, mask: Tensor) -> float:
    """Return the nats per item."""
    peer.eval()
    with torch.no_grad():
        total = sum(
            float(loss_of(peer, language, *part).sum()) for part in zip(items.split(16), mask.split(16), strict=True)
        )
    peer.train()
    return total / float(mask.sum())


def crop(
    language: Language, items: Tensor, mask: Tensor, size: int, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a random window of ``size`` items from each sequence; returns items, contexts and the mask."""
    contexts = language.context(items)[:, : items.shape[1]]
    length = int(mask.sum(1).max())
    if length <= size:
        return items[:, :length], contexts[:, :length], mask[:, :length]
    start = (torch.rand(len(items), generator=rng) * (mask.sum(1) - size // 2).clamp(min=1)).long()
    start = start.clamp(max=length - size) * (torch.rand(len(items), generator=rng) < 0.5)
    at = start[:, None] + torch.arange(size)
    rows = torch.arange(len(items))[:, None]
    return items[rows, at], contexts[rows, at], mask[rows, at]


def fit(
    peer: Peer,
    language: Language,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    options: argparse.Namespace,
) -> None:
    """Train for given seconds of CPU time; keeps the weights of the lowest validation loss."""
    seconds, rng = options.cpu_seconds, torch.Generator().manual_seed(options.seed)
    print(f"{sum(p.numel() for p in peer.parameters()):,} weights, {len(train[0])} phrases", flush=True)
    optimizer = torch.optim.AdamW(peer.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05)
    batch = 32 if isinstance(language, Voices) else 12
    begin, step, checked, best, kept = time.process_time(), 0, 0, float("inf"), copy.deepcopy(peer.state_dict())
    order = torch.empty(0, dtype=torch.int64)
    while (part := (time.process_time() - begin) / seconds) < 1:
        if part * CHECKS >= checked + 1:
            checked = int(part * CHECKS)
            loss = validate(peer, language, *valid)
            print(f"{part:.0%} step {step} validation {loss:.4f} nats per item", flush=True)
            if loss < best:
                best, kept = loss, copy.deepcopy(peer.state_dict())
                torch.save(kept, options.out / "peer.pt")
        if len(order) < batch:
            order = torch.cat([order, torch.randperm(len(train[0]), generator=rng)])
        rows, order = order[:batch], order[batch:]
        items, mask = train[0][rows], train[1][rows]
        shifts = torch.randint(-SHIFT, SHIFT + 1, (4,), generator=rng).tolist()
        items = torch.cat(
            [language.transpose(some, shift) for some, shift in zip(items.chunk(4), shifts, strict=False)]
        )
        items, contexts, mask = crop(language, items, mask, options.window, rng)
        found = loss_of(peer, language, items, mask, contexts)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 50, max(0.02, 1.2 * (1 - part)))
        optimizer.zero_grad()
        (found.sum() / mask.sum()).backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        optimizer.step()
        step += 1
    loss = validate(peer, language, *valid)
    print(f"end: step {step} validation {loss:.4f} nats per item", flush=True)
    if loss > best:
        peer.load_state_dict(kept)
    torch.save(peer.state_dict(), options.out / "peer.pt")
    peer.eval()


@torch.no_grad()
def sample(peer: Peer, language: Language, number: int, top_p: float, seed: int, batch: int = 100) -> Phrases:
    """Sample phrases from the nucleus of probability ``top_p``."""
    rng = torch.Generator().manual_seed(seed)
    parts = [_sample(peer, language, min(batch, number - start), top_p, rng) for start in range(0, number, batch)]
    cells = np.concatenate([part.cells for part in parts])
    onsets = np.concatenate([part.onsets for part in parts]) if parts[0].onsets is not None else None
    return Phrases(parts[0].track_set, parts[0].resolution, cells, onsets)


def _sample(peer: Peer, language: Language, number: int, top_p: float, rng: torch.Generator) -> Phrases:
    caches: list[list[Tensor]] = [[] for _ in peer.layers]
    items = torch.zeros(number, 0, len(language.fields), dtype=torch.int64)
    while not bool(language.ended(items).all()):
        context = language.context(items)[:, -1]
        last = items[:, -1] if items.shape[1] else None
        items = torch.cat([items, peer.sample_item(last, context, caches, top_p, rng)[:, None]], dim=1)
    return language.decode(items)


def choose_top_p(peer: Peer, language: Language, corpus: Corpus, seed: int) -> float:
    """Return the ``top_p`` whose phrases are nearest to the validation phrases."""
    valid = corpus_phrases(corpus, corpus.indices("validation"))
    scores = {}
    for top_p in TOP_P:
        far, floor = nearness(sample(peer, language, 100, top_p, seed), valid, training(corpus))
        scores[top_p] = far.mean
        print(f"top-p {top_p}: distance to validation {far.mean:.3f}, floor {floor.mean:.3f}", flush=True)
    return min(scores, key=scores.__getitem__)


def load(path: Path, language: Language) -> Peer:
    """Load the weights that this command wrote."""
    peer = Peer(language.fields, language.contexts)
    peer.load_state_dict(torch.load(path / "peer.pt", weights_only=True))
    return peer.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--cpu-seconds", type=float, default=619)
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", type=int, default=256, help="items that are seen, and of a training sequence")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.corpus)
    language = language_of(corpus)
    train = language.encode(training(corpus))
    valid = language.encode(corpus_phrases(corpus, corpus.indices("validation")).spread(VALIDATION))
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    peer = Peer(language.fields, language.contexts, options.window)
    fit(peer, language, train, valid, options)
    top_p = choose_top_p(peer, language, corpus, options.seed + 1)
    begin = time.process_time()
    phrases = sample(peer, language, options.number, top_p, options.seed + 2)
    spent = (time.process_time() - begin) / options.number
    print(f"top-p {top_p}, {spent:.3f} CPU-s a phrase", flush=True)
    write_phrases(phrases, options.out / "rolls.npz", seed=options.seed, top_p=top_p)
    summary = {"corpus": options.corpus, "cpu_seconds": options.cpu_seconds, "top_p": top_p, "seconds_a_phrase": spent}
    (options.out / "peer.json").write_text(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
