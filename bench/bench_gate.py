"""Measure the CPU time that closed gates save: a BinaryGate, forward and backward, relative to all gates open.

OMP_NUM_THREADS=1 python bench/bench_gate.py
"""

import time

import torch
from torch import Tensor, nn

from bgmusic.neurons import SBN, BinaryGate


class Score(nn.Module):
    """Score a row by a dense layer on the mean of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dense = nn.Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.dense(x.flatten(2).mean(2))
        return logits


def conv(channels: int = 32) -> tuple[nn.Module, nn.Module, Tensor]:
    branch = nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
    )
    return branch, Score(channels), torch.randn(64, channels, 16, 16, requires_grad=True)


def transformer(width: int = 128) -> tuple[nn.Module, nn.Module, Tensor]:
    branch = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
    return branch, nn.Sequential(nn.Flatten(), nn.Linear(64 * width, 1)), torch.randn(32, 64, width, requires_grad=True)


def seconds(gate: BinaryGate, x: Tensor, open_rows: int) -> float:
    bits = torch.zeros(len(x))
    bits[torch.randperm(len(x))[:open_rows]] = 1.0
    start = time.thread_time()
    x.grad = None
    gate.zero_grad()
    decided = gate.decide(x)
    gate.route(x, bits + 0 * decided).sum().backward()  # fixed bits, with the gradient through the scorer
    return time.thread_time() - start


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for name, (branch, scorer, x) in {
        "conv 32x16x16, 64 rows": conv(),
        "transformer 128, 32 rows": transformer(),
    }.items():
        for explore in (0.0, 0.1):
            gate = BinaryGate(branch, scorer, neuron=SBN("reinmax"), explore=explore)
            shares = {1.0: float("inf"), 0.5: float("inf"), 0.25: float("inf"), 0.0: float("inf")}
            for _ in range(12):
                shares = {share: min(best, seconds(gate, x, int(share * len(x)))) for share, best in shares.items()}
            text = ", ".join(f"{share:.0%} open {best / shares[1.0]:.2f}" for share, best in shares.items())
            print(f"{name}, explore {explore}: {text}")


if __name__ == "__main__":
    main()
