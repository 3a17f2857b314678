"""Train a recurrent network with a binary hidden state on Bach's chorales, and compose with it.

A binary neuron computes each step's 256 bits from the last step's bits and notes; the next notes are predicted from the
bits alone. The script prints the loss, beside token frequencies and the same network with a real-valued state, and how
well one bit predicts whether the soprano moves. It writes a composed phrase.

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
    """Predict the next tokens from a binary hidden state.

    ``binary=False`` uses a real-valued state between 0 and 1 instead, for comparison.
    """

    def __init__(self, bits: int = 256, binary: bool = True) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(TOKENS, bits) for _ in range(VOICES))
        self.place = nn.Embedding(16, bits)  # in the bar
        self.recurrent = nn.Linear(bits, bits)
        self.neuron = DBN() if binary else nn.Sigmoid()
        self.next = nn.Linear(bits, VOICES * TOKENS)
        self.bits = bits

    def step(self, tokens: Tensor, place: int, state: Tensor) -> Tensor:
        """Return the state ``(batch, bits)`` after tokens ``(batch, 4)`` at step ``place`` of the bar, 0 to 15."""
        embeddings = torch.stack([embed(tokens[:, voice]) for voice, embed in enumerate(self.embeddings)]).sum(0)
        logits = embeddings + self.place.weight[place] + self.recurrent(2 * state - 1)
        new: Tensor = self.neuron(logits)
        return new

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``(batch, steps, 4, tokens)`` of the next tokens, and states ``(batch, steps, bits)``."""
        state = torch.zeros(len(tokens), self.bits)
        states = []
        for step in range(tokens.shape[1]):
            state = self.step(tokens[:, step], step % 16, state)
            states.append(state)
        hidden = torch.stack(states, 1)
        return self.next(2 * hidden - 1).unflatten(-1, (VOICES, TOKENS)), hidden

    @torch.no_grad()
    def compose(self, start: Tensor, generator: torch.Generator) -> Tensor:
        """Sample a phrase ``(64, 4)`` that begins with the tokens ``start``, ``(4,)``."""
        tokens, state = [start[None]], torch.zeros(1, self.bits)
        for step in range(STEPS - 1):
            state = self.step(tokens[-1], step % 16, state)
            logits = self.next(2 * state - 1).view(VOICES, TOKENS) / 0.8  # temperature
            tokens.append(torch.multinomial(logits.softmax(1), 1, generator=generator).T)
        return torch.cat(tokens)


def loss_of(model: Composer, tokens: Tensor) -> Tensor:
    """Return the cross-entropy in nats per token."""
    logits, _ = model(tokens[:, :-1])
    return F.cross_entropy(logits.flatten(0, 2), tokens[:, 1:].flatten())


def train(model: Composer, tokens: Tensor, steps: int, generator: torch.Generator) -> Composer:
    """Train by backpropagation through the binary state."""
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
def onset_accuracy(model: Composer, tokens: Tensor, test: Tensor) -> tuple[float, float]:
    """Return the accuracy on ``test`` of one bit as a predictor of soprano onsets, and of the majority class.

    The bit is selected on ``tokens``.
    """

    def agreement(phrases: Tensor) -> Tensor:
        _, states = model(phrases[:, :-1])
        begins = (phrases[:, 1:, 0] > 1).float().flatten()
        same = (states.flatten(0, 1) == begins[:, None]).float().mean(0)
        return torch.stack([same, 1 - same])  # the negated bit is a predictor, too

    begins = (test[:, 1:, 0] > 1).float().mean()
    return float(agreement(test).flatten()[agreement(tokens).argmax()]), float(torch.maximum(begins, 1 - begins))


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train both networks, print their losses, and write ``composed.mid``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300, help="training steps")
    parser.add_argument("--out", type=Path, default=Path("composed"), help="output folder")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokens, test = load("train"), load("test")
    generator = torch.Generator().manual_seed(0)
    model = train(Composer(), tokens, options.steps, generator)
    real = train(Composer(binary=False), tokens, options.steps, generator)
    result = {"frequencies": unigram(tokens, test)}
    with torch.no_grad():
        result |= {"binary": float(loss_of(model, test)), "real-valued": float(loss_of(real, test))}
    result["one bit"], result["guess"] = onset_accuracy(model, tokens[:500], test)
    options.out.mkdir(parents=True, exist_ok=True)
    save(options.out / "composed.mid", model.compose(test[0, 0], generator))
    print("nats per token on test phrases: " + ", ".join(f"{k} {result[k]:.3f}" for k in list(result)[:3]))
    print(f"accuracy of one bit for soprano onsets: {result['one bit']:.1%} (majority class: {result['guess']:.1%})")
    print(f"composed phrase: {options.out / 'composed.mid'}")
    return result


if __name__ == "__main__":
    main()
