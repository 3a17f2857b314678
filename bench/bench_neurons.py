"""Measure the CPU time of binary neurons, forward and backward, relative to a plain nn.Sigmoid.

OMP_NUM_THREADS=1 python bench/bench_neurons.py

Prints the minimum of 15 interleaved rounds in one thread. "SBN thresholds given" is a stochastic neuron without its
draws; "uniform_draws" is the draws alone.
"""

import subprocess
import sys
import time

import torch
from torch import Tensor, nn

from bgmusic.neurons import DBN, SBN, BinaryNeuron, uniform_draws

SIZES = [(64, 84), (64, 784), (64, 4 * 48 * 84), (16, 8 * 96 * 84)]


class Given(nn.Module):
    """A stochastic neuron with fixed thresholds."""

    def __init__(self, neuron: SBN, thresholds: Tensor) -> None:
        super().__init__()
        self.neuron, self.thresholds = neuron, thresholds

    def forward(self, logits: Tensor) -> Tensor:
        bits: Tensor = self.neuron(logits, thresholds=self.thresholds)
        return bits


def seconds(module: nn.Module, logits: Tensor, gradient: Tensor, repeats: int) -> float:
    start = time.thread_time()
    for _ in range(repeats):
        logits.grad = None
        module(logits).backward(gradient)
    return (time.thread_time() - start) / repeats


def ratios(shape: tuple[int, int], slope: float, rounds: int = 15) -> dict[str, float]:
    neurons: dict[str, BinaryNeuron] = {
        f"{kind.__name__} {estimator}": kind(estimator, slope)
        for kind in (DBN, SBN)
        for estimator in ("straight-through", "sigmoid-adjusted")
    }
    logits = torch.randn(shape).requires_grad_()
    gradient = torch.randn(shape)
    repeats = max(2, 10_000_000 // logits.numel() // 4)
    repeats = min(repeats, 100)
    given = Given(SBN("sigmoid-adjusted", slope), torch.rand(shape))
    modules: dict[str, nn.Module] = {"sigmoid": nn.Sigmoid(), **neurons, "SBN thresholds given": given}
    best = dict.fromkeys([*modules, "uniform_draws"], float("inf"))
    for _ in range(rounds):
        for name, module in modules.items():
            best[name] = min(best[name], seconds(module, logits, gradient, repeats))
        start = time.thread_time()
        for _ in range(repeats):
            uniform_draws(shape)
        best["uniform_draws"] = min(best["uniform_draws"], (time.thread_time() - start) / repeats)
    print(f"{shape} slope {slope}: sigmoid {best['sigmoid'] * 1e6:.0f} us")
    return {name: value / best["sigmoid"] for name, value in best.items()}


def import_milliseconds() -> float:
    program = "import time, torch; a = time.process_time(); import bgmusic.neurons; print(time.process_time() - a)"
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, check=True) for _ in range(5)]
    return 1000 * min(float(run.stdout) for run in runs)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for shape in SIZES:
        for slope in (1.0, 1.1):
            for name, ratio in ratios(shape, slope).items():
                print(f"    {name:24s} {ratio:.2f}")
    print(f"import: {import_milliseconds():.0f} ms of CPU beyond torch")
