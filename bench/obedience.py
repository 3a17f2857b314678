"""Measure how a composer obeys plans: those of held-out phrases, and the same phrases as real music's own obedience.

    python bench/obedience.py bach [--run bach] [--plans 200] [--out rolls.npz] [--judge]
    python bench/obedience.py bach --typed bench/plans/bach.txt [--loose]  # typed as options of `bgmusic compose`

Prints the share of silent bars that are silent, of repeated bars that are equal, of notes (by steps) outside the
chord of their beat, of chord changes at whose beat the lowest note is the plan's bass, and the mean difference of the
levels of activity. The real phrases are compared with their own plans. With --judge, the learned judge of
`bgmusic evaluate` compares them with training phrases and those of the split; no network judges a phrase that knows
another one of its piece, or of its typed plan. As many phrases that are composed without a plan are judged alike, as if
they were of the same pieces: only these real phrases count, so this accuracy differs from that of `bgmusic evaluate`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import shlex
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.composing.load import load_generator
from bgmusic.music.composing.phrase_sources import training
from bgmusic.music.composing.planned import Wishes, compose, wished_plan
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.judge import judge
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import Plans
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.music.rolls.phrases import stack_rolls
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.lookup import find_run


def obedience(channels: NDArray[np.bool_], plans: Plans, shape: RollShape) -> dict[str, float]:
    """Compare music ``(batch, channels, bars, steps, pitches)`` with plans: percent of what is obeyed, by name."""
    found, tracks = extract_channels(channels, shape), len(shape.track_set)
    # Bars are compared themselves: where the bar that returns equals an earlier one, too, its number would differ.
    here = np.broadcast_to(np.arange(shape.bars), plans.repeats.shape)
    planes = channels.reshape(len(channels), -1, tracks, shape.bars, shape.steps * shape.pitches).swapaxes(1, 2)
    bars = np.moveaxis(planes, 3, 2).reshape(len(channels), tracks, shape.bars, -1)
    source = np.take_along_axis(bars, np.minimum(plans.repeats, here)[..., None], 2)
    silent = ~plans.instruments & plans.instruments_known
    again = plans.form_known & (plans.repeats < np.arange(shape.bars))
    pitched = [number for number, drums in enumerate(shape.drums) if not drums]
    cells = channels[:, :tracks][:, pitched].any(1).reshape(len(channels), -1, shape.unit, shape.pitches)
    classes = (np.arange(shape.pitches) + shape.track_set.low) % 12
    chord = plans.harmony[..., :12]
    known = np.any(chord, axis=-1, keepdims=True)[..., None]
    outside = cells & ~chord[:, :, classes][:, :, None] & known
    first = cells[:, :, 0]
    lowest = classes[first.argmax(-1)]
    bass = plans.harmony[..., 12:]
    changes = np.ones(bass.shape[:2], bool)
    changes[:, 1:] = np.any(plans.harmony[:, 1:] != plans.harmony[:, :-1], axis=-1)
    counted = changes & bass.any(-1) & first.any(-1)
    levels = np.abs(found.activity.sum(-1) - plans.activity.sum(-1))[plans.activity_known]
    return {
        "silent bars silent, %": 100 * _mean(~found.instruments[silent]),
        "repeated bars equal, %": 100 * _mean(np.all(bars == source, axis=-1)[again]),
        "notes outside the chord, %": 100 * float(outside.sum() / max(1, (cells & known).sum())),
        "bass right at chord changes, %": 100 * _mean((lowest == bass.argmax(-1))[counted]),
        "levels of activity apart": float(levels.mean()) if levels.size else float("nan"),
    }


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else float("nan")


def typed_plans(path: Path, shape: RollShape, loose: bool = False) -> Plans:
    """Read plans of one phrase, each a line of options of `bgmusic compose`; what is not said stays open."""
    parser = argparse.ArgumentParser()
    for option in ("chords", "form", "instruments", "activity", "key"):
        parser.add_argument(f"--{option}")
    parser.add_argument("--bars", type=int)
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    wishes = [Wishes(**vars(parser.parse_args(shlex.split(line)))) for line in lines]
    wishes = [replace(wish, loose=loose and wish.chords is not None) for wish in wishes]
    return Plans.stack([wished_plan(PlanShape.of(shape), wish) for wish in wishes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--run", help="a run, or a shipped generator; by default the corpus's name")
    parser.add_argument("--plans", type=int, default=200)
    parser.add_argument("--typed", type=Path, help="plans typed by hand, instead of those of phrases")
    parser.add_argument("--loose", action="store_true", help="typed chords decide only where they begin")
    parser.add_argument("--repeat", type=int, default=1, help="compose each plan as many times")
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument("--obedience", type=float, help="weight of planned chords, in place of the run's own")
    parser.add_argument("--judge", action="store_true", help="also judge the composed phrases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the composed phrases as npz")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    _, shape, generator = load_generator(find_run(options.run or options.corpus))
    if options.obedience is not None and isinstance(generator, CausalComposer):
        generator.settings = generator.settings.model_copy(update={"obedience": options.obedience})
    split = corpus_phrases(corpus, corpus.indices(options.split)).encoded(shape.encoding)
    real = split.spread(options.plans)
    onsets = [] if real.onsets is None else [real.onsets]
    channels = np.concatenate([real.cells, *onsets], 1)
    plans = own = extract_channels(channels, shape)
    if options.typed:
        plans = typed_plans(options.typed, shape, options.loose)
    pieces = np.arange(len(plans)) if options.typed or real.pieces is None else real.pieces
    pieces, plans = np.tile(pieces, options.repeat), plans[np.tile(np.arange(len(plans)), options.repeat)]
    begin = time.process_time()
    made = compose(generator, shape, plans, options.seed)
    spent = (time.process_time() - begin) / len(made)
    print(f"{len(made)} plans, {spent:.2f} CPU-s each")
    for (name, value), other in zip(
        obedience(made, plans, shape).items(), obedience(channels, own, shape).values(), strict=True
    ):
        print(f"{name:32} composed {value:6.2f}  real {other:6.2f}")
    obeying = stack_rolls(to_rolls(made, shape), pieces.tolist())
    if options.judge:
        usual = training(corpus).encoded(shape.encoding)
        free = stack_rolls(to_rolls(phrases(generator, shape, len(made), options.seed), shape), pieces.tolist())
        for name, found in (("under plans", obeying), ("without a plan", free)):
            told = judge(found, [usual, split], options.seed, derived=options.typed is None)
            print(f"judge, {name}: {told.accuracy:.1%} ({told.low:.1%} to {told.high:.1%}), AUC {told.auc:.3f}")
    if options.out:
        write_phrases(obeying, options.out, seed=options.seed)


if __name__ == "__main__":
    main()
