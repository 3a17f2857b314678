"""Neurons against numpy: decisions, gradients, ties, special values, every shape and type."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bgmusic.neurons import (
    DBN,
    ESTIMATORS,
    NEURONS,
    SBN,
    RealValued,
    bernoulli_sample,
    dbn,
    hard_threshold,
    preactivate,
    sbn,
    uniform_draws,
)
from bgmusic.neurons.estimators import decide, substitute

TYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
SLOPES = [0.25, 1.0, 3.5]
TOLERANCES = {torch.float32: 1e-6, torch.float64: 1e-6, torch.bfloat16: 2e-2, torch.float16: 2e-3}


def numpy_sigmoid(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def numpy_gradient(estimator: str, logits: np.ndarray, slope: float, upstream: np.ndarray) -> np.ndarray:
    if estimator == "straight-through":
        return upstream
    s = numpy_sigmoid(slope * logits)
    return upstream * slope * s * (1 - s)


def some_logits(dtype: torch.dtype) -> Tensor:
    return (torch.randn(6, 50, generator=torch.Generator().manual_seed(1)) * 4).to(dtype)


def as_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


@pytest.mark.parametrize("estimator", ["straight-through", "sigmoid-adjusted"])
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("stochastic", [False, True], ids=["dbn", "sbn"])
def test_decision_and_gradient_equal_numpy(stochastic: bool, dtype: torch.dtype, slope: float, estimator: str) -> None:
    logits = some_logits(dtype).requires_grad_()
    upstream = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    if stochastic:
        output = sbn(logits, slope, estimator, torch.Generator().manual_seed(3))
        threshold = uniform_draws(logits.shape, torch.Generator().manual_seed(3)).double().numpy()
    else:
        output, threshold = dbn(logits, slope, estimator), np.full(logits.shape, 0.5)
    distance = numpy_sigmoid(slope * as_numpy(logits)) - threshold
    clear = np.abs(distance) > 1e-6  # more than the rounding of float32
    assert output.dtype == dtype
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(as_numpy(output)[clear], (distance > 0)[clear])
    output.backward(upstream)
    assert logits.grad is not None
    assert logits.grad.dtype == dtype
    expected = numpy_gradient(estimator, as_numpy(logits), slope, as_numpy(upstream))
    np.testing.assert_allclose(as_numpy(logits.grad), expected, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype] * slope)


@pytest.mark.parametrize("slope", SLOPES)
def test_real_valued_is_a_sigmoid_with_its_exact_gradient(slope: float) -> None:
    logits = some_logits(torch.float64).requires_grad_()
    output = RealValued(slope=slope)(logits)
    np.testing.assert_allclose(as_numpy(output), numpy_sigmoid(slope * as_numpy(logits)), rtol=1e-12)
    assert torch.autograd.gradcheck(RealValued(slope=slope), (logits[:2, :5].detach().requires_grad_(),))


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_deterministic_neuron_is_zero_at_a_tie(dtype: torch.dtype) -> None:
    assert dbn(torch.tensor([0.0, -0.0], dtype=dtype)).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_smallest_positive_logit_fires_although_its_sigmoid_rounds_to_one_half(dtype: torch.dtype) -> None:
    least = torch.nextafter(torch.tensor(0.0, dtype=dtype), torch.tensor(1.0, dtype=dtype))  # a denormal
    assert torch.sigmoid(least) == 0.5
    assert dbn(torch.stack([least, -least])).tolist() == [1, 0]
    assert dbn(torch.stack([least, -least]), slope=1e-30).tolist() == [1, 0]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("name", ["dbn", "sbn"])
def test_infinite_logits_are_certain_and_have_a_gradient_of_zero(name: str, dtype: torch.dtype) -> None:
    logits = torch.tensor([math.inf, -math.inf] * 500, dtype=dtype, requires_grad=True)
    output = NEURONS[name]()(logits)
    assert output.tolist() == [1, 0] * 500
    output.sum().backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [0, 0] * 500


@pytest.mark.parametrize("name", ["dbn", "sbn", "real"])
def test_a_nan_stays_a_nan(name: str) -> None:
    output = NEURONS[name]()(torch.tensor([math.nan, 50.0, -50.0]))
    assert output.isnan().tolist() == [True, False, False]


def test_probabilities_of_zero_and_one_are_certain_even_if_the_draw_is_zero() -> None:
    # Draws come from [0, 1): a draw of exactly 0 must not fire at probability 0, and none reaches 1.
    zero = torch.zeros(3)
    for estimator in (ESTIMATORS["straight-through"], ESTIMATORS["sigmoid-adjusted"]):
        assert estimator(torch.tensor([-200.0, -math.inf, 0.0]), zero, torch.tensor(1.0)).tolist() == [0, 0, 1]


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_stochastic_neuron_fires_with_the_sigmoids_probability(dtype: torch.dtype, slope: float) -> None:
    levels = torch.tensor([-6, -3, -1, -0.25, 0, 0.25, 1, 3, 6], dtype=dtype)
    draws = 40_000
    fired = sbn(levels.expand(draws, -1), slope, generator=torch.Generator().manual_seed(4)).double().mean(0).numpy()
    p = numpy_sigmoid(slope * as_numpy(levels))
    assert np.all(np.abs(fired - p) < 4.5 * np.sqrt(p * (1 - p) / draws))


def test_draws_are_independent_between_elements() -> None:
    bits = sbn(torch.zeros(20_000, 8), generator=torch.Generator().manual_seed(5)).numpy()
    off_diagonal = np.corrcoef(bits.T)[~np.eye(8, dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / math.sqrt(20_000)


@pytest.mark.parametrize("sample", [sbn, bernoulli_sample])
def test_a_seed_reproduces_draws(sample: Callable[..., Tensor]) -> None:
    numbers = torch.rand(1000, generator=torch.Generator().manual_seed(6))
    runs = [sample(numbers, generator=torch.Generator().manual_seed(seed)) for seed in (7, 7, 8)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_a_given_generator_leaves_the_global_one_unchanged() -> None:
    before = torch.get_rng_state()
    SBN()(torch.zeros(10), torch.Generator().manual_seed(0))
    bernoulli_sample(torch.zeros(10), torch.Generator().manual_seed(0))
    DBN()(torch.zeros(10))
    assert torch.equal(before, torch.get_rng_state())


def test_the_global_generator_is_the_default() -> None:
    outputs = []
    for _ in range(2):
        torch.manual_seed(9)
        outputs.append(SBN()(torch.zeros(1000)))
    assert torch.equal(*outputs)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_thresholds_replace_draws(estimator: str) -> None:
    # Thresholds from numpy; the generator does not advance.
    v = np.random.default_rng(0).random((50, 6))
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    given = torch.from_numpy(v).requires_grad_()
    generator = torch.Generator().manual_seed(2)
    before = generator.get_state(), torch.get_rng_state()
    bits = SBN(estimator)(logits, generator, thresholds=given)
    assert torch.equal(generator.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    np.testing.assert_array_equal(as_numpy(bits).round(), numpy_sigmoid(as_numpy(logits)) > v)
    bits.sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0
    assert given.grad is None


def test_neurons_that_share_a_threshold_decide_together_and_fire_as_often() -> None:
    # Systematic sampling: one number per row, shifted by the cumulative probabilities. The number of ones in a row is
    # one of the two integers around the sum of its probabilities, and each cell keeps its rate.
    logits = torch.tensor([-2.0, -1.0, 0.0, 0.5, -3.0])
    p = torch.sigmoid(logits)
    rows = 40_000
    shared = torch.rand(rows, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    below = torch.cat([torch.zeros(1), p.double().cumsum(0)[:-1]])
    v = (shared - below) % 1
    bits = SBN()(logits.expand(rows, -1), thresholds=v)
    assert set(bits.sum(1).tolist()) == {math.floor(p.sum()), math.ceil(p.sum())}
    assert (bits.mean(0) - p).abs().max() < 4.5 * 0.5 / rows**0.5
    together = SBN()(torch.zeros(rows, 3), thresholds=shared)
    assert torch.equal(together, together[:, :1].expand(-1, 3))


@pytest.mark.parametrize("thresholds", [torch.zeros(3), torch.zeros(2, 5, 4), torch.zeros(5, 4, dtype=torch.int64)])
def test_thresholds_of_other_shapes_or_types_are_refused(thresholds: Tensor) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        sbn(torch.zeros(5, 4), thresholds=thresholds)


def test_hard_threshold() -> None:
    for dtype in TYPES:
        result = hard_threshold(torch.tensor([0, 0.25, 0.5, 0.75, 1], dtype=dtype))
        assert result.dtype == dtype
        assert result.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_a_draw_of_zero_at_infinite_logits_gives_no_nan(estimator: str) -> None:
    """The logistic noise of a draw of 0 would be infinite."""
    logits = torch.tensor([-torch.inf, torch.inf], requires_grad=True)
    bits = sbn(logits, estimator=estimator, thresholds=torch.zeros(2))
    bits.sum().backward()
    assert bits.tolist() == [0, 1]
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_low_precision_does_not_bias_bernoulli_samples() -> None:
    p = torch.full((400_000,), 1 / 1000, dtype=torch.bfloat16)
    rate = bernoulli_sample(p, torch.Generator().manual_seed(0)).double().mean()
    expected = float(p[0])
    assert abs(rate - expected) < 4.5 * (expected / len(p)) ** 0.5


def test_bernoulli_samples_have_the_given_rate() -> None:
    p = torch.tensor([0, 0.1, 0.5, 0.9, 1])
    drawn = bernoulli_sample(p.expand(40_000, -1), torch.Generator().manual_seed(10))
    assert set(drawn.unique().tolist()) == {0, 1}
    rates = drawn.double().mean(0)
    assert rates[0] == 0
    assert rates[-1] == 1
    assert (rates - p).abs().max() < 4.5 * 0.5 / 200


@given(
    shape=st.lists(st.integers(0, 4), max_size=5),
    name=st.sampled_from(sorted(NEURONS)),
    estimator=st.sampled_from(["straight-through", "sigmoid-adjusted"]),
)
def test_any_shape_also_empty_and_scalar(shape: list[int], name: str, estimator: str) -> None:
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    output = NEURONS[name](estimator)(logits)
    assert output.shape == logits.shape
    (gradient,) = torch.autograd.grad(output.sum(), logits)
    assert gradient.shape == logits.shape
    if name != "real":
        assert set(output.flatten().tolist()) <= {0, 1}


@pytest.mark.parametrize("name", ["dbn", "sbn"])
@pytest.mark.parametrize("estimator", ["straight-through", "sigmoid-adjusted"])
def test_views_of_any_stride(name: str, estimator: str) -> None:
    whole = torch.randn(8, 6, 4, generator=torch.Generator().manual_seed(0))
    view = whole.permute(2, 0, 1)[:, ::2].detach().requires_grad_()
    output = NEURONS[name](estimator)(view, torch.Generator().manual_seed(0))
    again = NEURONS[name](estimator)(view.contiguous(), torch.Generator().manual_seed(0))
    assert torch.equal(output, again)
    (output * 2).sum().backward()
    assert view.grad is not None
    np.testing.assert_allclose(
        as_numpy(view.grad),
        numpy_gradient(estimator, as_numpy(view), 1.0, np.full(view.shape, 2.0)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_input_is_not_modified() -> None:
    logits = some_logits(torch.float32)
    before = logits.clone()
    for neuron in NEURONS.values():
        neuron()(logits)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("function", [dbn, sbn, preactivate, hard_threshold, bernoulli_sample])
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8])
def test_logits_that_are_not_floating_are_refused(function: Callable[..., Tensor], dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=f"floating-point numbers, not {dtype}"):
        function(torch.ones(3, dtype=dtype))


@pytest.mark.parametrize("function", [dbn, sbn, preactivate, hard_threshold, bernoulli_sample])
def test_what_is_no_tensor_is_refused(function: Callable[..., Tensor]) -> None:
    with pytest.raises(TypeError, match="must be a tensor, not list"):
        function([1.0, 2.0])


@pytest.mark.parametrize("name", ["slope", "temperature"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, torch.ones(1), torch.ones(3)], ids=str)
@pytest.mark.parametrize("function", [dbn, sbn])
def test_invalid_slopes_and_temperatures_are_refused(
    function: Callable[..., Tensor], value: float | Tensor, name: str
) -> None:
    with pytest.raises(ValueError, match=f"the {name} must be"):
        function(torch.ones(3), estimator="reinmax", **{name: value})


def test_an_estimator_refuses_thresholds_and_derivatives_of_another_shape() -> None:
    logits = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="threshold has shape"):
        decide(logits, torch.zeros(4, 2, 3), 1.0)
    with pytest.raises(ValueError, match="derivative has shape"):
        substitute(logits, torch.zeros(2, 3), torch.ones(1))
