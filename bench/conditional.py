"""Close the feed-forward part of a composer's layers by binary gates, and measure what closed gates save.

    python bench/conditional.py train bach gates.pt --price 0.02  # --price 0: no gates, the control
    python bench/conditional.py time bach gates.pt
    python bench/conditional.py silent bach

`train` goes on training a shipped composer, without its critic. Each layer of its trunk gets a BinaryGate: one
deterministic binary neuron for each step decides whether the feed-forward part is computed. The loss is that of
imitation plus the price times the share of open gates. It prints the nats of validation phrases of which nothing is
given.

`time` prints the CPU-seconds of drafts in a batch of 64, with all gates open, with the trained gates and with all
closed, relative to the same network without gates. Rows with closed gates are left out of the products.

`silent` prints the CPU-seconds of a phrase under plans that silence more and more tracks in all bars, with the critic,
in a batch of 16.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from bgmusic.music.composing.load import load_generator
from bgmusic.music.composing.planned import Wishes, compose, wished_plan
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.networks.causal import stepping
from bgmusic.music.networks.causal.attention import Layer, rotate
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.plans.shape import PlanShape
from bgmusic.neurons import DBN, BinaryGate
from bgmusic.training.lookup import find_run


class FeedForward(nn.Module):
    """The feed-forward part of a layer, which keeps its weights: ``(rows, width)`` to the same shape."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self._layer = [layer]  # in a list, so that its weights are not registered twice

    def forward(self, x: Tensor) -> Tensor:
        layer = self._layer[0]
        change: Tensor = layer.dropout(layer.down(nn.functional.gelu(layer.up(layer.between(x)))))
        return change


class GatedLayer(Layer):
    """A layer with a gate; made of a :class:`Layer` by :func:`add_gates`."""

    gate: BinaryGate
    opened: Tensor

    def forward(self, x: Tensor, rotations: Tensor) -> Tensor:
        query, key, value = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key = rotate(query, rotations), rotate(key, rotations)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        rows = (x + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))).flatten(0, 1)
        bits = self.gate.decide(self.between(rows))
        self.opened = bits.mean()
        return self.gate.route(rows, bits).view(x.shape)


def add_gates(network: CausalComposer) -> None:
    """Give each layer of the trunk a gate that is open for most steps."""
    for layer in cast("list[GatedLayer]", network.trunk.layers):
        scorer = nn.Linear(layer.out.in_features, 1)
        nn.init.normal_(scorer.weight, std=0.05)
        nn.init.constant_(scorer.bias, 1.0)
        layer.gate = BinaryGate(FeedForward(layer), scorer, neuron=DBN())
        layer.__class__ = GatedLayer


def first_stage(name: str) -> CausalComposer:
    """Load a composer without its critic."""
    network = load_generator(find_run(name))[2]
    if not isinstance(network, CausalComposer):
        raise SystemExit(f"{name} is no causal composer")
    network.critic = None
    return network.requires_grad_(True)


def validation_nats(network: CausalComposer, corpus_name: str) -> tuple[float, float]:
    """Return the nats of a validation phrase of which nothing is given, and the share of open gates."""
    corpus = open_corpus(corpus_name)
    found = corpus_phrases(corpus, corpus.indices("validation")).encoded(network.shape.encoding)
    planes = [found.cells, *([] if found.onsets is None else [found.onsets])]
    real = torch.from_numpy(np.concatenate(planes, 1)).float()
    total, opened, parts = 0.0, [], real.split(32)
    free = torch.ones(1, len(network.shape.track_set), network.shape.bars * network.shape.beats, dtype=torch.bool)
    with torch.no_grad():
        for part in parts:
            total += float(network.nats(to_draft(part, network.shape), free.expand(len(part), -1, -1)).sum())
            gates = [layer.opened for layer in network.trunk.layers if isinstance(layer, GatedLayer)]
            opened.append(float(torch.stack(gates).mean()) if gates else 1.0)
    return total / len(real), sum(opened) / len(opened)


def train(options: argparse.Namespace) -> None:
    """Train with or without gates, and score the result."""
    torch.manual_seed(options.seed)
    network = first_stage(options.name).train()
    gates: list[nn.Parameter] = []
    if options.price:
        add_gates(network)
        gates = [weight for name, weight in network.named_parameters() if ".gate." in name]
    others = [weight for name, weight in network.named_parameters() if ".gate." not in name]
    optimizer = torch.optim.AdamW(
        [{"params": others, "lr": options.rate}, {"params": gates, "lr": 10 * options.rate, "weight_decay": 0.0}],
        betas=(0.9, 0.98), weight_decay=0.05,
    )  # fmt: skip
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / options.steps)
    loader = open_corpus(options.name).loader("train", encoding=network.shape.encoding)
    random = torch.Generator().manual_seed(options.seed)
    begin = time.process_time()
    for step in range(options.steps):
        with torch.autocast("cpu", torch.bfloat16):
            loss = network.imitation(loader.batch(16, random), random)
            if options.price:
                share = torch.stack([layer.opened for layer in cast("list[GatedLayer]", network.trunk.layers)])
                loss = loss + options.price * share.mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 0 or step + 1 == options.steps:
            shown = [round(value, 2) for value in share.tolist()] if options.price else ""
            print(
                f"step {step + 1} loss {loss.item():.4f} open {shown} {time.process_time() - begin:.0f} s", flush=True
            )
    network.eval()
    nats, opened = validation_nats(network, options.name)
    seconds = time.process_time() - begin
    print(f"price {options.price}: validation {nats:.2f} nats, {opened:.1%} of gates open, {seconds:.0f} CPU-s")
    torch.save(network.state_dict(), options.out)


class GatedSteps(stepping._LayerSteps):
    """The layer of a composition, of which the feed-forward part is computed for rows with open gates."""

    closed = 0.0  # added to the logits of gates

    def __init__(self, layer: Layer, batch: int, steps: int) -> None:
        super().__init__(layer, batch, steps)
        self._gate = cast("nn.Linear", layer.gate.scorer) if isinstance(layer, GatedLayer) else None

    def _feed_forward(self, x: Tensor) -> Tensor:
        if self._gate is None:
            return super()._feed_forward(x)
        normal = torch.layer_norm(x, *self._between)
        logits = torch.mv(normal, self._gate.weight[0]) + (self._gate.bias + self.closed)
        rows = (logits > 0).nonzero()[:, 0]
        if not rows.shape[0]:
            return x
        inner = stepping.affine(self._up_bias, normal.index_select(0, rows), self._up)
        return x.index_add_(0, rows, stepping.affine(self._down_bias, torch.ops.aten.gelu_(inner), self._down))


def seconds(network: CausalComposer, noise: Tensor) -> float:
    """Return the CPU-seconds of a batch of drafts."""
    begin = time.process_time()
    network.draft(noise)
    return time.process_time() - begin


def compare(options: argparse.Namespace) -> None:
    """Print the time of drafts with gates relative to that without."""
    plain, gated = first_stage(options.name).eval(), first_stage(options.name).eval()
    add_gates(gated)
    gated.load_state_dict(torch.load(options.out))
    stepping._LayerSteps = GatedSteps  # type: ignore[misc]
    noise = torch.randn(64, plain.first_draft.size, generator=torch.Generator().manual_seed(0))
    kinds = {"all open": 1e3, "as trained": 0.0, "all closed": -1e3}
    ratios: dict[str, list[float]] = {kind: [] for kind in kinds}
    base = []
    for _ in range(options.repeats):
        base.append(seconds(plain, noise))
        for kind, closed in kinds.items():
            GatedSteps.closed = closed
            ratios[kind].append(seconds(gated, noise) / base[-1])
    print(f"without gates: {np.median(base) / len(noise) * 1e3:.1f} CPU-ms a draft")
    for kind, values in ratios.items():
        print(f"{kind}: {np.median(values):.2f} of that ({min(values):.2f} to {max(values):.2f})")


def silent(options: argparse.Namespace) -> None:
    """Print the time of phrases under plans with silent tracks relative to that of plans with none."""
    _, shape, network = load_generator(find_run(options.name))
    names = [track.name for track in shape.track_set.tracks]
    plans = []
    for number in range(len(names)):
        played = [f"{name}:{('-' if place < number else 'x') * shape.bars}" for place, name in enumerate(names)]
        plans.append(wished_plan(PlanShape.of(shape), Wishes(instruments=", ".join(played))).repeated(16))
    spent = np.zeros((options.repeats, len(plans)))
    for repeat, number in np.ndindex(*spent.shape):
        begin = time.process_time()
        compose(network, shape, plans[number], repeat)
        spent[repeat, number] = time.process_time() - begin
    print(f"no silent track: {np.median(spent[:, 0]) / 16:.3f} CPU-s a phrase")
    for number in range(1, len(plans)):
        print(f"{number} of {len(names)} silent: {np.median(spent[:, number] / spent[:, 0]):.2f} of that")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "time", "silent"])
    parser.add_argument("name", help="a shipped causal composer, which has the name of its corpus")
    parser.add_argument("out", type=Path, nargs="?", help="weights to write, or to read")
    parser.add_argument("--price", type=float, default=0.02, help="nats per step of a track")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    {"train": train, "time": compare, "silent": silent}[options.what](options)


if __name__ == "__main__":
    main()
