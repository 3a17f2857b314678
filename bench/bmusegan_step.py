"""Time and memory of an update of BinaryMuseGAN's networks at the original's size, on one thread.

    python bench/bmusegan_step.py [--stage 1|2] [--precision float32|bfloat16] [--batch N] [--rounds N]
        [--threads N]

8 tracks, 4 bars x 96 steps x 84 pitches, WGAN-GP. Stage 1: G and D, batch 32; stage 2: the refiner with G fixed, and
D, batch 16. A round is what the original does between two G updates: 5 D updates and 1 G update on one batch. CPU
seconds are compared with the original code's (TensorFlow 2.15, one core of an AVX-512 machine).
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from torch import Tensor

from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig, PenaltyConfig
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.networks.musegan.discriminator import Discriminator
from bgmusic.music.networks.musegan.generator import Generator
from bgmusic.music.networks.pianoroll_config import MuseGANConfig, PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.loop_config import OptimizerConfig
from bgmusic.training.memory import keep_freed_memory

# CPU seconds per D and per G (or refiner) update and per round, and GB, of the original.
ORIGINAL = {(1, 32): (7.3, 12.0, 48.7, 9.9), (1, 16): (4.0, 5.9, 26.1, 5.1), (2, 16): (10.1, 23.1, 73.4, 6.1)}


class Music:
    """Phrases of ``freedoom`` (5 tracks, 48 steps a bar), each step twice, three tracks of other phrases beside."""

    def __init__(self) -> None:
        self.phrases = open_corpus("freedoom").loader("train", encoding="pause")

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        phrases = self.phrases.batch(size, generator).repeat_interleave(2, 3)
        return torch.cat([phrases, phrases.roll(1, 0)[:, 1:4]], 1)


def make_training(stage: int, batch: int, precision: str) -> Game:
    shape = RollShape(track_set="lpd-8", resolution=24, bars=4, steps=96, encoding="pause")
    optimizer = OptimizerConfig(rate=0.002)
    training = GameConfig(
        batch=batch,
        penalty=PenaltyConfig(kind="wgan-gp"),
        d_updates=5,
        reuse_batch=True,
        precision=precision,
        g_optimizer=optimizer,
        d_optimizer=optimizer,
    )
    first, second = {"refiner": 0, "neuron": "real", "strategy": "end-to-end"}, {"refiner": 2, "neuron": "dbn"}
    chosen = first if stage == 1 else {**second, "strategy": "two-stage"}
    network = MuseGANConfig(refiner=chosen.pop("refiner"))
    config = PianorollConfig(network=network, training=training, **chosen)
    torch.manual_seed(0)
    return Game(Generator(config, shape), Discriminator(network, shape), Music(), training)


def measure(game: Game, rounds: int) -> tuple[float, float, float]:
    """CPU seconds of a D update, of a G update (with G's forward pass), and of a round; medians."""
    spans: dict[str, list[float]] = {"d": [], "round": []}
    update = game._update_discriminator

    def timed(*arguments: object) -> None:
        before = time.process_time()
        update(*arguments)
        spans["d"].append(time.process_time() - before)

    game._update_discriminator = timed  # type: ignore[method-assign]
    for number in range(rounds + 1):
        before = time.process_time()
        game.advance()
        spans["round"].append(time.process_time() - before)
        if not number:  # the first one warms up
            spans = {"d": [], "round": []}
    # The first D update of a round holds G's forward pass, which the G update uses too.
    later = [seconds for number, seconds in enumerate(spans["d"]) if number % 5]
    d, whole = sorted(later)[len(later) // 2], sorted(spans["round"])[rounds // 2]
    return d, whole - 5 * d, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as `bgmusic train pianoroll` does
    batch = options.batch or (32 if options.stage == 1 else 16)
    d, g, whole = measure(make_training(options.stage, batch, options.precision), options.rounds)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    of_threads = f"{options.threads} thread(s), {options.rounds} round(s)"
    print(f"stage {options.stage}, batch {batch}, {options.precision}, {of_threads}")
    print(f"{'':10}{'D update':>10}{'G update':>10}{'5 D + 1 G':>11}{'GB':>7}")
    print(f"{'bgmusic':10}{d:9.2f}s{g:9.2f}s{whole:10.2f}s{gigabytes:7.1f}")
    original = ORIGINAL.get((options.stage, batch))
    if original:
        print(f"{'original':10}{original[0]:9.2f}s{original[1]:9.2f}s{original[2]:10.2f}s{original[3]:7.1f}")
        print(f"{'ratio':10}{'':20}{original[2] / whole:10.2f}x{original[3] / gigabytes:6.1f}x")


if __name__ == "__main__":
    main()
