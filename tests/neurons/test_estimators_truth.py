"""Estimators against exact gradients, enumerated in numpy, and against the biases of their formulas."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from bgmusic.neurons import ESTIMATORS, SBN, SCORE_FUNCTIONS, expected_loss
from bgmusic.neurons.estimators import TEMPERED, find
from bgmusic.neurons.score import RLOO, AdjustedReinforce, DisARM, Exact, Reinforce
from bgmusic.neurons.truth import Problem, estimators, gradients, measure, problems

BITS = 4
PROBLEMS = {problem.name: problem for problem in problems(BITS)}
UNBIASED = sorted(name for name in SCORE_FUNCTIONS if name != "exact")
# Their derivative depends on the draw through the decision alone, so that their mean is a sum over decisions.
DECIDED = sorted(set(ESTIMATORS) - {"concrete", "concrete-straight-through"})


def numpy_gradient(problem: Problem, slope: float = 1.0) -> np.ndarray:
    """Return ``dE/dx_i = slope p_i (1 - p_i) (E[f | b_i = 1] - E[f | b_i = 0])``, by enumeration in float64."""
    p = 1 / (1 + np.exp(-slope * problem.logits.double().numpy()))
    patterns = np.array(list(itertools.product([0.0, 1.0], repeat=len(p))))
    losses = problem.loss(torch.from_numpy(patterns)).numpy()
    gradient = np.empty(len(p))
    for i in range(len(p)):
        others = [j for j in range(len(p)) if j != i]
        weight = np.where(patterns[:, others] == 1, p[others], 1 - p[others]).prod(1)
        gradient[i] = slope * p[i] * (1 - p[i]) * (weight * losses * (2 * patterns[:, i] - 1)).sum()
    return gradient


def mean_over_decisions(name: str, problem: Problem, slope: float = 1.0, temperature: float = 1.0) -> np.ndarray:
    """Return the estimator's expected gradient by enumeration; draws on either side of p force each decision."""
    logits = problem.logits.double()
    p = torch.sigmoid(slope * logits)
    total = torch.zeros_like(p)
    for pattern in itertools.product([0.0, 1.0], repeat=len(p)):
        wanted = torch.tensor(pattern, dtype=torch.float64)
        draw = torch.where(wanted > 0, p / 2, (1 + p) / 2).float()
        x = logits.clone().requires_grad_()
        extra = [temperature] if name in TEMPERED else []
        bits = find(name)(x, draw, torch.tensor(slope), *extra)
        assert torch.equal(bits, wanted)
        problem.loss(bits[None]).sum().backward()
        assert x.grad is not None
        total += torch.where(wanted > 0, p, 1 - p).prod() * x.grad
    return total.numpy()


def per_bit(function: Callable[[torch.Tensor], torch.Tensor]) -> Problem:
    """Return a problem whose loss is a weighted sum of the same function of every bit."""
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    logits = torch.tensor([-1.3, 0.0, 0.9, 2.0])
    return Problem("per bit", logits, lambda b: (function(b) * weight.to(b.dtype)).sum(-1))


@pytest.mark.parametrize("name", PROBLEMS)
def test_enumeration_gives_numpys_gradient(name: str) -> None:
    problem = PROBLEMS[name]
    np.testing.assert_allclose(problem.exact_gradient().numpy(), numpy_gradient(problem), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", UNBIASED)
def test_score_functions_are_unbiased(name: str, problem: str) -> None:
    found = measure(PROBLEMS[problem], estimators(BITS)[name], samples=40_000, seed=1)
    assert found.worst < 4
    # Enough draws to detect a gradient of the wrong size or sign.
    assert found.noise < 0.5 or problem.startswith("toy")


@pytest.mark.parametrize("slope", [0.5, 2.0])
@pytest.mark.parametrize("name", UNBIASED)
def test_score_functions_are_unbiased_at_other_slopes(name: str, slope: float) -> None:
    problem = PROBLEMS["random quadratic"]
    score = estimators(BITS)[name]
    score.set_slope(slope)
    drawn = gradients(problem, score, 40_000, seed=2).double().numpy()
    error = drawn.std(0) / len(drawn) ** 0.5
    assert (np.abs(drawn.mean(0) - numpy_gradient(problem, slope)) < 4 * error + 1e-6).all()


@pytest.mark.parametrize("slope", [1.0, 1.7])
def test_sigmoid_adjusted_is_exact_for_linear_losses_and_for_no_others(slope: float) -> None:
    linear = PROBLEMS["linear"]
    truth = numpy_gradient(linear, slope)
    np.testing.assert_allclose(mean_over_decisions("sigmoid-adjusted", linear, slope), truth, rtol=1e-6)
    for name in ("random quadratic", "cubic", "small network"):
        problem = PROBLEMS[name]
        truth = numpy_gradient(problem, slope)
        distance = np.linalg.norm(mean_over_decisions("sigmoid-adjusted", problem, slope) - truth)
        assert distance > 0.05 * np.linalg.norm(truth)


def test_sigmoid_adjusted_is_exact_where_bits_multiply() -> None:
    # The loss is linear in each bit, although different bits are multiplied.
    problem = Problem("product", torch.tensor([-0.5, 0.3, 1.0, -1.0]), lambda b: b[:, 0] * b[:, 1] - b[:, 2] * b[:, 3])
    np.testing.assert_allclose(mean_over_decisions("sigmoid-adjusted", problem), numpy_gradient(problem), rtol=1e-6)


@pytest.mark.parametrize("slope", [1.0, 1.7])
def test_reinmax_is_exact_for_quadratic_losses_and_not_for_cubic_ones(slope: float) -> None:
    for name in ("linear", "toy (b - 0.45)^2", "random quadratic"):
        problem = PROBLEMS[name]
        np.testing.assert_allclose(
            mean_over_decisions("reinmax", problem, slope), numpy_gradient(problem, slope), rtol=1e-5, atol=1e-7
        )
    for name in ("cubic", "small network"):
        problem = PROBLEMS[name]
        truth = numpy_gradient(problem, slope)
        distance = np.linalg.norm(mean_over_decisions("reinmax", problem, slope) - truth)
        assert distance > 0.05 * np.linalg.norm(truth)


def test_reinmax_of_a_cubic_is_off_by_a_twelfth_of_the_third_derivative() -> None:
    problem = per_bit(lambda b: b**3)
    p = torch.sigmoid(problem.logits.double()).numpy()
    weight = np.array([1.0, -2.0, 0.5, 3.0])
    off = mean_over_decisions("reinmax", problem) - numpy_gradient(problem)
    np.testing.assert_allclose(off, p * (1 - p) * weight * 6 / 12, rtol=1e-5)


@pytest.mark.parametrize("name", DECIDED)
def test_means_are_those_of_the_docstrings(name: str) -> None:
    # f = exp(b): f'(0) = 1, f'(1) = e, so every rule gives a different number.
    problem = per_bit(torch.exp)
    slope = 1.3
    x = problem.logits.double().numpy()
    p = 1 / (1 + np.exp(-slope * x))
    weight = np.array([1.0, -2.0, 0.5, 3.0])
    silent, fires = weight, weight * np.e
    expected = {
        "straight-through": p * fires + (1 - p) * silent,
        "clipped-straight-through": (np.abs(slope * x) <= 1) * (p * fires + (1 - p) * silent),
        "sigmoid-adjusted": slope * p * (1 - p) * (p * fires + (1 - p) * silent),
        "reinmax": slope * p * (1 - p) * (fires + silent) / 2,
        "one-sided": slope * p * (1 - p) * fires,
    }
    np.testing.assert_allclose(mean_over_decisions(name, problem, slope), expected[name], rtol=1e-5)


def test_reinmax_is_the_papers_algorithm_with_two_classes() -> None:
    # Algorithm 2 of arXiv 2304.08612, on one-hot vectors of two states with logits (x, 0).
    x = torch.randn(50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    draw = torch.rand(50, generator=torch.Generator().manual_seed(1))
    tau = 1.4
    theta = torch.stack([x, torch.zeros_like(x)], 1)
    pi0 = theta.softmax(1)
    d = torch.nn.functional.one_hot((pi0[:, 0] <= draw).long(), 2).float()
    pi1 = (d + (theta / tau).softmax(1)) / 2
    pi1 = ((pi1.log() - theta).detach() + theta).softmax(1)
    pi2 = 2 * pi1 - pi0 / 2
    ours_x = x.detach().clone().requires_grad_()
    ours = find("reinmax")(ours_x, draw, torch.tensor(1.0), tau)
    theirs = (pi2 - pi2.detach() + d)[:, 0]
    assert torch.equal(ours, d[:, 0])
    upstream = torch.randn(50, generator=torch.Generator().manual_seed(2))
    theirs.backward(upstream)
    ours.backward(upstream)
    torch.testing.assert_close(ours_x.grad, x.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_concrete_is_the_gradient_of_the_relaxed_loss(temperature: float) -> None:
    # d/dx of E[f(c)] with c = sigmoid((x + L) / t), L logistic: integrated over the noise by quadrature.
    x, slope = 0.7, 1.3
    v = (np.arange(200_000) + 0.5) / 200_000
    c = 1 / (1 + np.exp(-(slope * x - np.log(v / (1 - v))) / temperature))
    truth = (3 * c**2 * c * (1 - c) * slope / temperature).mean()
    neuron = SBN("concrete", slope, temperature)
    logits = torch.full((400_000,), x, requires_grad=True)
    (neuron(logits, torch.Generator().manual_seed(3)) ** 3).sum().backward()
    assert logits.grad is not None
    drawn = logits.grad.double().numpy()
    assert abs(drawn.mean() - truth) < 4 * drawn.std() / len(drawn) ** 0.5


def test_concrete_rounds_to_the_same_decisions_and_decides_in_evaluation() -> None:
    logits = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    decided = SBN()(logits, torch.Generator().manual_seed(1))
    neuron = SBN("concrete", temperature=0.5)
    relaxed = neuron(logits, torch.Generator().manual_seed(1))
    assert ((relaxed > 0) & (relaxed < 1)).float().mean() > 0.9
    assert torch.equal(relaxed.round(), decided)
    assert torch.equal(neuron.eval()(logits, torch.Generator().manual_seed(1)), decided)


def test_straight_through_concrete_is_exact_for_linear_losses_at_low_temperature_only() -> None:
    # Its mean derivative at x = 0 is 1/6 at temperature 1, and tends to p (1 - p) = 1/4.
    means = []
    for temperature in (1.0, 0.05):
        logits = torch.zeros(400_000, requires_grad=True)
        SBN("concrete-straight-through", 1.0, temperature)(logits, torch.Generator().manual_seed(0)).sum().backward()
        assert logits.grad is not None
        means.append(float(logits.grad.mean()))
    assert means == pytest.approx([1 / 6, 1 / 4], rel=0.02)


def total_variance(score: torch.nn.Module, problem: Problem) -> float:
    return float(gradients(problem, score, 40_000, seed=5)[4096:].var(0).sum())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["random quadratic", "small network", "toy (b - 0.45)^2"])
def test_baselines_and_antithetic_draws_lower_the_variance(name: str) -> None:
    problem = PROBLEMS[name]
    reinforce = total_variance(Reinforce(), problem)
    assert total_variance(RLOO(), problem) < reinforce
    assert total_variance(DisARM(), problem) < reinforce
    assert total_variance(AdjustedReinforce((BITS,)), problem) < reinforce
    assert total_variance(DisARM(), problem) < total_variance(estimators(BITS)["arm"], problem)  # type: ignore[arg-type]
    assert total_variance(RLOO(8), problem) < total_variance(RLOO(2), problem) / 3


def test_a_constant_loss_has_variance_under_reinforce_only() -> None:
    problem = Problem("constant", torch.zeros(BITS), lambda b: 5 + 0 * b.sum(-1))
    for name, score in estimators(BITS).items():
        if name in ("rloo", "arm", "disarm", "rebar"):
            assert total_variance(score, problem) == pytest.approx(0, abs=1e-9)
    assert total_variance(Reinforce(), problem) > 10


def test_expected_loss_has_the_losses_value() -> None:
    problem = PROBLEMS["random quadratic"]
    logits = problem.logits.expand(20_000, -1)
    truth = float(Exact()(problem.loss, problem.logits[None])[0])
    for name, estimator in estimators(BITS).items():
        if name == "concrete":
            continue  # evaluates the loss at relaxed bits
        losses = expected_loss(problem.loss, logits, estimator, torch.Generator().manual_seed(0))
        error = float(losses.std()) / len(losses) ** 0.5
        assert abs(float(losses.mean()) - truth) < 4 * error


def test_measuring_needs_two_samples() -> None:
    with pytest.raises(ValueError, match="2 samples"):
        measure(PROBLEMS["linear"], Reinforce(), samples=1)
