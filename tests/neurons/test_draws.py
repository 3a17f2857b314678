"""Uniform draws: their source, distribution and use of the generator."""

import math

import pytest
import torch

from bgmusic.neurons import SBN, uniform_draws

MANY = 1_000_000


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(), (0,), (33,), (5, 7, 11)])
def test_draws_are_those_of_torch_rand(shape: tuple[int, ...]) -> None:
    assert torch.equal(uniform_draws(shape, seeded(5)), torch.rand(shape, generator=seeded(5)))


def test_a_seed_gives_the_same_bits_on_every_machine() -> None:
    bits = SBN()(torch.linspace(-2, 2, 16), seeded(0))
    assert bits.tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1]


def test_they_are_on_the_cpu_by_default() -> None:
    with torch.device("meta"):
        assert torch.equal(uniform_draws((5,), seeded(0)), torch.rand(5, generator=seeded(0), device="cpu"))
    assert uniform_draws((5,), device="meta").is_meta


def test_they_are_uniform() -> None:
    drawn = uniform_draws((4 * MANY,), seeded(1)).double()
    assert float(drawn.min()) >= 0
    assert float(drawn.max()) < 1
    n = len(drawn)
    # Moments, and counts of 1,000 equal cells by chi-squared (mean 999, standard deviation 45).
    for power in range(1, 6):
        spread = math.sqrt(1 / (2 * power + 1) - 1 / (power + 1) ** 2)
        assert abs(float((drawn**power).mean()) - 1 / (power + 1)) < 4 * spread / math.sqrt(n)
    counts = torch.histc(drawn, 1000, 0, 1)
    chi = float(((counts - n / 1000) ** 2 / (n / 1000)).sum())
    assert abs(chi - 999) < 4 * math.sqrt(2 * 999)


@pytest.mark.parametrize("p", [1e-4, 1e-3, 0.01, 0.3, 0.5, 0.7, 0.99, 0.999, 1 - 1e-4])
def test_neurons_fire_with_their_probability(p: float) -> None:
    logits = torch.full((MANY,), math.log(p / (1 - p)))
    exact = float(torch.sigmoid(logits[0].double()))
    rates = torch.stack([SBN()(logits, seeded(seed)).double().mean() for seed in range(4)])
    assert abs(float(rates.mean()) - exact) < 4 * math.sqrt(exact * (1 - exact) / (4 * MANY))


@pytest.mark.parametrize("p", [2.0**-20, 2.0**-18, 1e-4])
def test_rare_decisions_have_the_mean_and_variance_of_independent_ones(p: float) -> None:
    n, calls = 200_000, 400
    generator = seeded(7)
    ones = torch.stack([(uniform_draws((n,), generator) < p).sum() for _ in range(calls)]).double()
    exact = math.ceil(p * 2**24) / 2**24  # as for torch.rand: draws are multiples of 2^-24
    variance = n * exact * (1 - exact)
    assert abs(float(ones.mean()) - n * exact) < 4 * math.sqrt(variance / calls)
    # Standard error of the sample variance, from the fourth moment of a Poisson distribution.
    spread = math.sqrt((2 + 1 / variance) / calls)
    assert abs(float(ones.var()) / variance - 1) < 4 * spread


def test_draws_are_independent_within_and_between_calls() -> None:
    generator = seeded(2)
    first, second = (uniform_draws((MANY,), generator).double() - 0.5 for _ in range(2))
    bound = 4 / 12 / math.sqrt(MANY)  # the product of two independent ones has a standard deviation of 1/12
    for lag in (1, 2, 3, 4, 5, 8, 16, 32, 64, 784, 1024):
        assert abs(float((first[lag:] * first[:-lag]).mean())) < bound
    assert abs(float((first * second).mean())) < bound
    # Four neighbours, by their joint distribution in 4^4 cells.
    cells = ((first.view(-1, 4) + 0.5) * 4).long() @ torch.tensor([64, 16, 4, 1])
    counts = torch.bincount(cells, minlength=256).double()
    expected = MANY / 4 / 256
    assert abs(float(((counts - expected) ** 2 / expected).sum()) - 255) < 4 * math.sqrt(2 * 255)


def test_the_generator_advances_and_its_state_reproduces_draws() -> None:
    generator = seeded(3)
    before = generator.get_state()
    first = uniform_draws((MANY,), generator)
    assert not torch.equal(before, generator.get_state())
    assert not torch.equal(first, uniform_draws((MANY,), generator))
    generator.set_state(before)
    assert torch.equal(first, uniform_draws((MANY,), generator))
    torch.manual_seed(4)
    ours = uniform_draws((MANY,))
    assert torch.equal(ours, uniform_draws((MANY,), seeded(4)))
    assert not torch.equal(ours, uniform_draws((MANY,)))


def test_a_neuron_uses_the_same_draws() -> None:
    logits = torch.randn(100, 200, generator=seeded(5))
    given = SBN()(logits, thresholds=uniform_draws(logits.shape, seeded(6)))
    assert torch.equal(given, SBN()(logits, seeded(6)))
