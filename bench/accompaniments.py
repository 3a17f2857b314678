"""How near accompaniments of held-out tracks are to what the pieces have there: composers side by side.

    python bench/accompaniments.py RUN [RUN ...] --data bach [-n N] [--split validation] [--track NAME] [--drafts N]

Each track of N held-out phrases in turn is given, and the others composed to it by each run's generator (bach,
freedoom: those that come with bgmusic). The phrases so completed are compared with the held-out ones, as
`bgmusic evaluate` does: core distance, families of statistics, and the learned judge (against all real phrases; no
network judges a phrase that knows another one of its piece); at the end, all of a run together, and as many phrases of
which nothing was given, judged as if they were of the same pieces.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from pathlib import Path

import torch

from bgmusic.gan.draws import Draws
from bgmusic.music.composing.accompaniment import load_composer
from bgmusic.music.composing.generate import batch_of, phrases, to_rolls
from bgmusic.music.composing.phrase_sources import held_out, training
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.evaluation import family_distances
from bgmusic.music.judging.judge import judge
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.roll import Roll
from bgmusic.training.lookup import find_run


def completed(run: Path, given: Phrases, track: int, seed: int, drafts: int | None = None) -> Phrases:
    """Phrases with one track as given, and the others composed."""
    shape, composer = load_composer(run, drafts)
    given = given.encoded(shape.encoding)
    channels = torch.stack([torch.from_numpy(given.roll(i).channels()) for i in range(len(given))])
    tracks, found, size = len(shape.track_set), [], batch_of(composer, shape)
    for number, part in enumerate(channels.split(size)):
        free = torch.ones(len(part), tracks, shape.bars * shape.beats, dtype=torch.bool)
        free[:, track] = False
        alone = torch.zeros_like(part)
        alone[:, track::tracks] = part[:, track::tracks]
        noise = Draws(seed, number * size, len(part)).noise(composer.latent)
        with torch.no_grad():
            found.append(composer.accompany(alone.float(), free, noise).bool())
    made = torch.cat(found)
    same = made[:, track::tracks] == channels[:, track::tracks]
    same[:, 1:, 0, 0] = True  # a note that was held over the phrase's beginning starts there
    if not bool(same.all()):
        raise SystemExit(f"{run}: the given track was changed")
    rolls = [Roll.from_channels(p.numpy(), shape.track_set, shape.resolution, shape.encoding) for p in made]
    return stack_rolls(rolls, given.pieces)


def report(name: str, found: Phrases, data: Phrases, usual: Phrases, seconds: float) -> None:
    """Print how near completed phrases are to real ones."""
    apart = family_distances(found, data, usual)
    told = judge(found, [usual, data], 0, derived=True)
    print(f"{name}, {len(found)} phrases, {seconds / len(found):.2f} CPU-s each")
    print(f"  judge {told.accuracy:.1%} ({told.low:.1%} to {told.high:.1%}), AUC {told.auc:.3f}; "
          f"core distance {apart.core.mean:.3f} (floor {apart.core_floor.mean:.3f}); "
          f"families {apart.mean.mean:.3f} (floor {apart.floor.mean:.3f})")  # fmt: skip
    each = (f"{one.name} {one.distance.mean:.3f} ({one.floor.mean:.3f})" for one in apart.families)
    print(f"  {', '.join(each)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--data", default="bach")
    parser.add_argument("-n", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=["validation", "test"], help="by default both")
    parser.add_argument("--track", help="give this track only")
    parser.add_argument("--drafts", type=int, help="of a causal composer's phrase")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus(options.data)
    split = options.split
    data = held_out(corpus) if split is None else corpus_phrases(corpus, corpus.indices(split))
    usual = training(corpus)
    given = data.spread(options.n)
    for name in options.runs:
        rolls, pieces, spent = [], [], 0.0
        for number, track in enumerate(given.track_set.tracks):
            if options.track not in (None, track.name):
                continue
            before = time.process_time()
            found = completed(
                find_run(name), given[given.cells[:, number].any((1, 2, 3))], number, options.seed, options.drafts
            )
            seconds = time.process_time() - before
            report(f"{name}, {track.name} given", found, data, usual, seconds)
            rolls += [found.roll(place) for place in range(len(found))]
            pieces += found.pieces.tolist()
            spent += seconds
        if options.track is None:
            report(f"{name}, all", stack_rolls(rolls, pieces), data, usual, spent)
        before = time.process_time()
        shape, composer = load_composer(find_run(name), options.drafts)
        found = stack_rolls(to_rolls(phrases(composer, shape, len(rolls), options.seed), shape), pieces)
        report(f"{name}, nothing given", found, data, usual, time.process_time() - before)


if __name__ == "__main__":
    main()
