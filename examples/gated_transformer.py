"""Train a transformer that skips blocks per phrase, to harmonise the sopranos of Bach's chorales.

The network predicts alto, tenor and bass at every step from the soprano. Each block is behind a ``BinaryGate``: one bit
per phrase decides whether the block runs. A penalty on open gates closes those that contribute little. The script
prints the loss, the share of open gates, and the time saved, beside the same network with all gates open.

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
    """Compute one logit per phrase: the mean over its steps, and a dense layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, 1)
        nn.init.constant_(self.dense.bias, 1.0)  # gates start open with probability 0.73

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, steps, width)`` to ``(batch, 1)``."""
        logits: Tensor = self.dense(x.mean(1))
        return logits


class Block(nn.Module):
    """A transformer block without its residual connection, ``(batch, steps, width)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the change of ``x``, which the gate adds."""
        changed: Tensor = self.layer(x)
        return changed - x


class Harmoniser(nn.Module):
    """Predict the three lower voices from the soprano, through gated blocks."""

    def __init__(self, blocks: int = 4, width: int = 96) -> None:
        super().__init__()
        self.note = nn.Embedding(TOKENS, width)
        self.place = nn.Parameter(0.1 * torch.randn(STEPS, width))
        self.gates = nn.ModuleList(BinaryGate(Block(width), Score(width)) for _ in range(blocks))
        self.out = nn.Linear(width, 3 * TOKENS)

    def forward(self, soprano: Tensor, every: bool = False) -> tuple[Tensor, Tensor]:
        """Map sopranos ``(batch, 64)`` to logits ``(batch, 64, 3, tokens)`` and gate bits ``(batch, blocks)``.

        ``every`` opens all gates.
        """
        x = self.note(soprano) + self.place
        decided = []
        for gate in self.gates:
            bits = torch.ones(len(x)) if every else gate.decide(x)
            x = gate.route(x, bits)
            decided.append(bits)
        return self.out(x).unflatten(-1, (3, TOKENS)), torch.stack(decided, 1)


def loss_of(model: Harmoniser, tokens: Tensor, every: bool) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy (nats per token) of the three lower voices, and the share of open gates."""
    logits, bits = model(tokens[:, :, 0], every)
    return F.cross_entropy(logits.flatten(0, 2), tokens[:, :, 1:].flatten()), bits.mean()


def train(model: Harmoniser, tokens: Tensor, steps: int, price: float | None) -> Harmoniser:
    """Train with a penalty ``price`` on open gates; None opens all of them."""
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
    """Return nats per token, share of open gates, and CPU seconds (minimum of three) on the test phrases."""
    best = float("inf")
    for _ in range(3):
        torch.manual_seed(0)
        start = time.thread_time()
        loss, opened = loss_of(model, test, every)
        best = min(best, time.thread_time() - start)
    return float(loss), float(opened), best


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train with and without gates, and print losses and times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150, help="training steps")
    parser.add_argument("--price", type=float, default=0.3, help="penalty of open gates, in nats per token")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    tokens, test = load("train"), load("test")
    result = {"frequencies": unigram(tokens[:, :, 1:], test[:, :, 1:])}
    for name, price in (("gated", options.price), ("open", None)):
        torch.manual_seed(0)
        model = train(Harmoniser(), tokens, options.steps, price)
        result[name], result[f"{name} share"], result[f"{name} seconds"] = judge(model, test, price is None)
    saved = 1 - result["gated seconds"] / result["open seconds"]
    print(
        f"nats per token on test phrases: frequencies {result['frequencies']:.3f}, all blocks {result['open']:.3f}, ",
        end="",
    )
    print(f"gated {result['gated']:.3f} with {result['gated share']:.0%} of its gates open")
    print(f"the gates save {saved:.0%} of the time")
    return result


if __name__ == "__main__":
    main()
