"""A composer that remembers in bits: a recurrent network with a binary hidden state learns Bach's chorales.

Each step's 256 bits are computed from the last bits and the notes just heard, by a binary neuron; the next notes are
read from the bits alone. Shown at the end: what it learned, against token frequencies and against the same network with
a real-valued state; how well one bit tells when the soprano moves; and a phrase of its own.

    python examples/recurrent_composer.py [--steps 300] [--out composed]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from chorales import STEPS, TOKENS, VOICES, load, save, unigram
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.neurons import DBN


class Composer(nn.Module):
    """Reads tokens ``(batch, steps, 4)``; gives the next ones' log-odds ``(batch, steps, 4, tokens)`` and its states.

    ``binary=False`` keeps a real-valued state between 0 and 1 instead, for comparison.
    """

    def __init__(self, bits: int = 256, binary: bool = True) -> None:
        super().__init__()
        self.heard = nn.ModuleList(nn.Embedding(TOKENS, bits) for _ in range(VOICES))
        self.place = nn.Embedding(16, bits)  # in the bar
        self.remembered = nn.Linear(bits, bits)
        self.neuron = DBN() if binary else nn.Sigmoid()
        self.next = nn.Linear(bits, VOICES * TOKENS)
        self.bits = bits

    def step(self, tokens: Tensor, place: int, state: Tensor) -> Tensor:
        """The state ``(batch, bits)`` after hearing tokens ``(batch, 4)`` at a place in the bar, 0 to 15."""
        heard = torch.stack([embed(tokens[:, voice]) for voice, embed in enumerate(self.heard)]).sum(0)
        logits = heard + self.place.weight[place] + self.remembered(2 * state - 1)
        new: Tensor = self.neuron(logits)
        return new

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds of each next step, and the states ``(batch, steps, bits)``."""
        state = torch.zeros(len(tokens), self.bits)
        states = []
        for step in range(tokens.shape[1]):
            state = self.step(tokens[:, step], step % 16, state)
            states.append(state)
        remembered = torch.stack(states, 1)
        return self.next(2 * remembered - 1).unflatten(-1, (VOICES, TOKENS)), remembered

    @torch.no_grad()
    def compose(self, start: Tensor, generator: torch.Generator) -> Tensor:
        """A phrase ``(64, 4)`` that goes on from a first step ``(4,)``."""
        tokens, state = [start[None]], torch.zeros(1, self.bits)
        for step in range(STEPS - 1):
            state = self.step(tokens[-1], step % 16, state)
            odds = self.next(2 * state - 1).view(VOICES, TOKENS) / 0.8  # a little surer than it is
            tokens.append(torch.multinomial(odds.softmax(1), 1, generator=generator).T)
        return torch.cat(tokens)


def loss_of(model: Composer, tokens: Tensor) -> Tensor:
    """Nats a token."""
    odds, _ = model(tokens[:, :-1])
    return F.cross_entropy(odds.flatten(0, 2), tokens[:, 1:].flatten())


def train(model: Composer, tokens: Tensor, steps: int, generator: torch.Generator) -> Composer:
    """Train by backpropagation through the bits."""
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(tokens), (32,), generator=generator)
        optimizer.zero_grad()
        loss_of(model, tokens[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model


@torch.no_grad()
def beat_bits(model: Composer, tokens: Tensor, test: Tensor) -> tuple[float, float]:
    """How well a bit, chosen on ``tokens``, tells on ``test`` whether the soprano begins a note next; and a guess."""

    def agreement(phrases: Tensor) -> Tensor:
        _, states = model(phrases[:, :-1])
        begins = (phrases[:, 1:, 0] > 1).float().flatten()
        same = (states.flatten(0, 1) == begins[:, None]).float().mean(0)
        return torch.stack([same, 1 - same])  # a bit may be on where no note begins

    begins = (test[:, 1:, 0] > 1).float().mean()
    return float(agreement(test).flatten()[agreement(tokens).argmax()]), float(torch.maximum(begins, 1 - begins))


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train both, print what they learned, write ``composed.mid``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300, help="training steps")
    parser.add_argument("--out", type=Path, default=Path("composed"), help="folder of what is composed")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokens, test = load("train"), load("test")
    generator = torch.Generator().manual_seed(0)
    model = train(Composer(), tokens, options.steps, generator)
    real = train(Composer(binary=False), tokens, options.steps, generator)
    found = {"frequencies": unigram(tokens, test)}
    with torch.no_grad():
        found |= {"binary": float(loss_of(model, test)), "real-valued": float(loss_of(real, test))}
    found["one bit"], found["guess"] = beat_bits(model, tokens[:500], test)
    options.out.mkdir(parents=True, exist_ok=True)
    save(options.out / "composed.mid", model.compose(test[0, 0], generator))
    print("nats a token on test phrases: " + ", ".join(f"{k} {found[k]:.3f}" for k in list(found)[:3]))
    print(
        f"one bit tells whether the soprano moves next: {found['one bit']:.1%} (always guessing: {found['guess']:.1%})"
    )
    print(f"a phrase of its own: {options.out / 'composed.mid'}")
    return found


if __name__ == "__main__":
    main()
