"""A transformer that skips its own blocks: Bach's chorales harmonised, with gates that say which phrases need work.

From a soprano it tells the alto, tenor and bass at every step. Each block sits behind a BinaryGate: for each phrase one
bit says whether the block runs. A price on open gates teaches them to close where it costs little. Shown at the
end: what it learned, the share of open gates, and the time they save, against the same network with all gates open.

    python examples/gated_transformer.py [--steps 150] [--price 0.3]
"""

from __future__ import annotations

import argparse
import time

import torch
from chorales import STEPS, TOKENS, load, unigram
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.neurons import BinaryGate


class Score(nn.Module):
    """One logit for each phrase: the mean over its steps, and a dense layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, 1)
        nn.init.constant_(self.dense.bias, 1.0)  # gates begin open, three times in four

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, steps, width) -> (batch, 1)``."""
        logits: Tensor = self.dense(x.mean(1))
        return logits


class Block(nn.Module):
    """What a transformer block adds to its input: attention and a dense pair, ``(batch, steps, width)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """The change alone: the gate adds it."""
        changed: Tensor = self.layer(x)
        return changed - x


class Harmoniser(nn.Module):
    """From sopranos ``(batch, 64)`` to the other voices' log-odds ``(batch, 64, 3, tokens)``."""

    def __init__(self, blocks: int = 4, width: int = 96) -> None:
        super().__init__()
        self.note = nn.Embedding(TOKENS, width)
        self.place = nn.Parameter(0.1 * torch.randn(STEPS, width))
        self.gates = nn.ModuleList(BinaryGate(Block(width), Score(width)) for _ in range(blocks))
        self.out = nn.Linear(width, 3 * TOKENS)

    def forward(self, soprano: Tensor, every: bool = False) -> tuple[Tensor, Tensor]:
        """Log-odds, and each gate's bit ``(batch, blocks)``; ``every`` opens all gates whatever they say."""
        x = self.note(soprano) + self.place
        decided = []
        for gate in self.gates:
            bits = torch.ones(len(x)) if every else gate.decide(x)
            x = gate.route(x, bits)
            decided.append(bits)
        return self.out(x).unflatten(-1, (3, TOKENS)), torch.stack(decided, 1)


def loss_of(model: Harmoniser, tokens: Tensor, every: bool) -> tuple[Tensor, Tensor]:
    """Nats a token of the three lower voices, and the share of open gates."""
    odds, bits = model(tokens[:, :, 0], every)
    return F.cross_entropy(odds.flatten(0, 2), tokens[:, :, 1:].flatten()), bits.mean()


def train(model: Harmoniser, tokens: Tensor, steps: int, price: float | None) -> Harmoniser:
    """Train with a price on open gates; None opens all of them."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(tokens), (32,), generator=generator)
        loss, opened = loss_of(model, tokens[rows], every=price is None)
        optimizer.zero_grad()
        (loss + (price or 0) * opened).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def judge(model: Harmoniser, test: Tensor, every: bool) -> tuple[float, float, float]:
    """Nats a token, share of open gates, and CPU seconds (the least of three), over the test phrases."""
    best = float("inf")
    for _ in range(3):
        torch.manual_seed(0)
        start = time.thread_time()
        loss, opened = loss_of(model, test, every)
        best = min(best, time.thread_time() - start)
    return float(loss), float(opened), best


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train with gates and without, and print what they learned and cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150, help="training steps")
    parser.add_argument("--price", type=float, default=0.3, help="nats a token that an open network costs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    tokens, test = load("train"), load("test")
    found = {"frequencies": unigram(tokens[:, :, 1:], test[:, :, 1:])}
    for name, price in (("gated", options.price), ("open", None)):
        torch.manual_seed(0)
        model = train(Harmoniser(), tokens, options.steps, price)
        found[name], found[f"{name} share"], found[f"{name} seconds"] = judge(model, test, price is None)
    saved = 1 - found["gated seconds"] / found["open seconds"]
    print(
        f"nats a token on test phrases: frequencies {found['frequencies']:.3f}, all blocks {found['open']:.3f}, ",
        end="",
    )
    print(f"gated {found['gated']:.3f} with {found['gated share']:.0%} of its gates open")
    print(f"the gates save {saved:.0%} of the time")
    return found


if __name__ == "__main__":
    main()
