"""How near accompaniments of held-out tracks are to what the pieces have there: composers side by side.

    python bench/accompaniments.py RUN [RUN ...] --data bach [-n N] [--seed SEED]

Each track of N held-out phrases in turn is given, and the others composed to it by each run's generator (bach,
freedoom: those that come with bgmusic). The phrases so completed are compared with the held-out ones, as
`bgmusic evaluate` does: mean distance, with its interval, and how many of them a small network tells apart.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from bgmusic.gan.draws import Draws
from bgmusic.music.composing.accompaniment import load_composer
from bgmusic.music.composing.generate import batch_of
from bgmusic.music.composing.phrase_sources import held_out, training
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging.evaluation import nearness
from bgmusic.music.judging.two_sample import two_sample
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.roll import Roll
from bgmusic.training.lookup import find_run


def completed(run: Path, given: Phrases, track: int, seed: int) -> Phrases:
    """Phrases with one track as given, and the others composed."""
    shape, composer = load_composer(run)
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
    phrases = torch.cat(found)
    same = phrases[:, track::tracks] == channels[:, track::tracks]
    same[:, 1:, 0, 0] = True  # a note that was held over the phrase's beginning starts there
    if not bool(same.all()):
        raise SystemExit(f"{run}: the given track was changed")
    rolls = [Roll.from_channels(p.numpy(), shape.track_set, shape.resolution, shape.encoding) for p in phrases]
    return stack_rolls(rolls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--data", default="bach")
    parser.add_argument("-n", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    data = held_out(corpus)
    usual = training(corpus)
    given = data.spread(options.n)
    for number, track in enumerate(given.track_set.tracks):
        sounding = given.cells[:, number].any((1, 2, 3))
        chosen = given[sounding]
        for name in options.runs:
            run = find_run(name)
            before = time.process_time()
            found = completed(run, chosen, number, options.seed)
            seconds = time.process_time() - before
            distance, floor = nearness(found, data, usual)
            apart = two_sample(found.spread(400), data.spread(400), 0)
            print(
                f"{track.name:10} given, {len(chosen)} phrases, {name}: distance {distance.mean:.3f} "
                f"({distance.low:.3f} to {distance.high:.3f}), floor {floor.mean:.3f}, "
                f"told apart {apart.accuracy:.0%}, {seconds / len(chosen):.2f} CPU-s a phrase",
                flush=True,
            )


if __name__ == "__main__":
    main()
