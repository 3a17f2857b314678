"""Measure gradient estimators on small problems whose exact gradient is known by enumeration."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bgmusic.neurons.estimators import ESTIMATORS
from bgmusic.neurons.modules import SBN, BinaryNeuron
from bgmusic.neurons.score import SCORE_FUNCTIONS, AdjustedReinforce, Exact, Loss, ScoreFunction, expected_loss

BATCH = 4096  # samples per call of an estimator


@dataclass(frozen=True)
class Problem:
    """A problem: independent bits ``b ~ Bernoulli(sigmoid(logits))`` and a loss of them.

    Attributes:
        name: name for tables.
        logits: ``(n,)``.
        loss: function from bits ``(batch, n)``, or numbers between 0 and 1, to ``(batch,)``.

    """

    name: str
    logits: Tensor
    loss: Loss

    def exact_gradient(self) -> Tensor:
        """Return ``d E[loss(b)] / d logits`` by enumeration, ``(n,)`` float64."""
        logits = self.logits.double()[None].requires_grad_()
        (gradient,) = torch.autograd.grad(Exact()(self.loss, logits).sum(), logits)
        return gradient[0]


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _linear(bits: int) -> Problem:
    weight = _random(bits, seed=1)
    return Problem("linear", _random(bits, seed=0), lambda b: b @ weight.to(b.dtype))


def _toy(bits: int) -> Problem:
    # The standard toy problem: minimise E[(b - t)^2]. At t = 0.45 both values have nearly the same loss.
    return Problem("toy (b - 0.45)^2", _random(bits, seed=0), lambda b: ((b - 0.45) ** 2).sum(-1))


def _quadratic(bits: int) -> Problem:
    matrix, weight = _random(bits, bits, seed=2), _random(bits, seed=3)

    def loss(b: Tensor) -> Tensor:
        return torch.einsum("...i,ij,...j->...", b, matrix.to(b.dtype), b) + b @ weight.to(b.dtype) + 2

    return Problem("random quadratic", _random(bits, seed=0), loss)


def _cubic(bits: int) -> Problem:
    weight = _random(bits, seed=4)
    return Problem("cubic", _random(bits, seed=0), lambda b: (b + b**3) @ weight.to(b.dtype))


def _network(bits: int) -> Problem:
    into, out = 2 * _random(bits, 16, seed=5) / bits**0.5, _random(16, seed=6)

    def loss(b: Tensor) -> Tensor:
        return (torch.tanh((b - 0.5) @ into.to(b.dtype)) @ out.to(b.dtype)) ** 2

    return Problem("small network", _random(bits, seed=0), loss)


def problems(bits: int = 6) -> list[Problem]:
    """Return the problems: losses linear, quadratic (two) and cubic in the bits, and of a small network.

    Args:
        bits: number of bits in each problem; enumeration is limited to 16.

    """
    return [make(bits) for make in (_linear, _toy, _quadratic, _cubic, _network)]


def estimators(bits: int) -> dict[str, BinaryNeuron | ScoreFunction]:
    """Return every estimator except enumeration by name, as a stochastic neuron or a score function."""
    neurons: dict[str, BinaryNeuron | ScoreFunction] = {name: SBN(name) for name in ESTIMATORS}
    for name, kind in SCORE_FUNCTIONS.items():
        if kind is not Exact:
            neurons[name] = AdjustedReinforce((bits,)) if kind is AdjustedReinforce else kind()
    return neurons


@dataclass(frozen=True)
class Measurement:
    """Bias and variance of an estimator, from many samples of it. Lengths are relative to the exact gradient's.

    Attributes:
        bias: distance of the mean from the exact gradient.
        noise: standard error of that distance.
        deviation: square root of the total variance of one sample.
        cosine: mean cosine similarity of one sample to the exact gradient (0 for a sample of zero).
        worst: largest deviation of the mean from the exact gradient among the bits, in standard errors.

    """

    bias: float
    noise: float
    deviation: float
    cosine: float
    worst: float


def gradients(problem: Problem, estimator: BinaryNeuron | ScoreFunction, samples: int, seed: int = 0) -> Tensor:
    """Return independent estimates of the problem's gradient, ``(samples, n)``."""
    generator = torch.Generator().manual_seed(seed)
    estimates = []
    for start in range(0, samples, BATCH):
        rows = min(BATCH, samples - start)
        logits = problem.logits.expand(rows, -1).clone().requires_grad_()
        total = expected_loss(problem.loss, logits, estimator, generator).sum()
        estimates.append(torch.autograd.grad(total, logits)[0])
    return torch.cat(estimates)


def measure(problem: Problem, estimator: BinaryNeuron | ScoreFunction, samples: int, seed: int = 0) -> Measurement:
    """Measure bias, variance and cosine of an estimator on a problem.

    Args:
        problem: the problem.
        estimator: stochastic neuron or score function.
        samples: number of estimates, 2 or more.
        seed: seed of the draws.

    Raises:
        ValueError: fewer than 2 samples.

    """
    if samples < 2:
        raise ValueError(f"a variance needs 2 samples or more, not {samples}")
    exact = problem.exact_gradient()
    drawn = gradients(problem, estimator, samples, seed).double()
    mean, variance = drawn.mean(0), drawn.var(0)
    length = exact.norm()
    # At least float32's rounding error: an estimator without noise would have a standard error of zero.
    error = (variance / samples).sqrt().clamp(min=1e-6 * float(length))
    return Measurement(
        bias=float((mean - exact).norm() / length),
        noise=float(error.norm() / length),
        deviation=float(variance.sum().sqrt() / length),
        cosine=float(torch.nn.functional.cosine_similarity(drawn, exact[None], dim=1).mean()),
        worst=float(((mean - exact).abs() / error).max()),
    )


def cost(estimator: BinaryNeuron | ScoreFunction, rows: int = 64, width: int = 784, repeats: int = 30) -> float:
    """Return the CPU time of a forward and backward pass relative to a plain sigmoid's, on ``(rows, width)`` float32.

    The loss is a weighted sum of the bits, or of the sigmoid's output. Takes the minimum of interleaved timings in the
    calling thread.

    Args:
        estimator: neuron or score function.
        rows: batch size.
        width: bits per row.
        repeats: number of timings of each.

    """
    logits = torch.randn(rows, width, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight = torch.randn(width, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)

    def loss(bits: Tensor) -> Tensor:
        return bits @ weight

    def estimate() -> None:
        expected_loss(loss, logits, estimator, generator).sum().backward()

    def sigmoid() -> None:
        loss(torch.sigmoid(logits)).sum().backward()

    times = {estimate: float("inf"), sigmoid: float("inf")}
    for _ in range(repeats):
        times = {run: min(least, _cpu_seconds(run, logits)) for run, least in times.items()}
    return times[estimate] / times[sigmoid]


def _cpu_seconds(run: Callable[[], None], logits: Tensor) -> float:
    start = time.thread_time()
    for _ in range(10):
        logits.grad = None
        run()
    return time.thread_time() - start
