"""Train BinaryGAN's generator, written in ten lines, on digits.

A binary neuron is a layer like any other: the discriminator sees binary values, and its gradient reaches the
generator through them. ``bgmusic train mnist`` is the full version.

    python examples/binarygan_generator.py [--steps 600]
"""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.nn import functional as F

from bgmusic.digits.data import load_digits
from bgmusic.neurons import DBN

generator = nn.Sequential(
    nn.Linear(128, 1024),
    nn.BatchNorm1d(1024),
    nn.ReLU(),
    nn.Linear(1024, 784),
    nn.BatchNorm1d(784),
    DBN("sigmoid-adjusted"),
    nn.Unflatten(1, (28, 28)),
)

discriminator = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, and print pixel frequencies and one generated digit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600, help="updates of the generator")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = torch.from_numpy(load_digits("train").images())
    mean = digits.float().mean(0)
    with torch.no_grad():
        before = float((generator(torch.randn(256, 128)).mean(0) - mean).abs().mean())
    g_optimizer = torch.optim.Adam(generator.parameters(), 3e-3, betas=(0.5, 0.9))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), 1e-3, betas=(0.5, 0.9))
    for _ in range(options.steps):
        real = digits[torch.randint(len(digits), (64,))].float()
        fake = generator(torch.randn(64, 128))
        d_loss = F.relu(1 - discriminator(real)).mean() + F.relu(1 + discriminator(fake.detach())).mean()
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        (-discriminator(fake).mean()).backward()
        g_optimizer.step()
    with torch.no_grad():
        fakes = generator(torch.randn(256, 128))
    after = float((fakes.mean(0) - mean).abs().mean())
    print("\n".join("".join("# "[int(pixel < 0.5)] for pixel in row) for row in fakes[0].tolist()))
    print(f"pixel values: {sorted(fakes.unique().tolist())}")
    print(f"mean distance of pixel frequencies from the data's: {before:.3f} before, {after:.3f} after")
    return {"before": before, "after": after, "on_rate": float(fakes.mean()), "data": float(mean.mean())}


if __name__ == "__main__":
    main()
