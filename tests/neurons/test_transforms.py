"""Neurons under torch.func transforms, forward-mode differentiation, tracing and graph capture."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from bgmusic.neurons import DBN, ESTIMATORS, SBN, BinaryDense, BinaryNeuron
from bgmusic.neurons.estimators import RELAXED

Kind = type[DBN] | type[SBN]
SURROGATES = sorted(set(ESTIMATORS) - RELAXED)
ROWS, BITS = 4, 6

each_kind = pytest.mark.parametrize("kind", [DBN, SBN])
each_estimator = pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
each_surrogate = pytest.mark.parametrize("estimator", SURROGATES)
# torch's own, in make_dual
without_script_warning = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")


def numbers(seed: int) -> Tensor:
    return torch.rand(ROWS, BITS, generator=torch.Generator().manual_seed(seed))


def bits_of(neuron: BinaryNeuron) -> Callable[[Tensor, Tensor], Tensor]:
    """The neuron as a function of logits and thresholds, which a deterministic neuron ignores."""

    def bits(x: Tensor, v: Tensor) -> Tensor:
        output: Tensor = neuron(x) if isinstance(neuron, DBN) else neuron(x, thresholds=v)
        return output

    return bits


def loss_of(neuron: BinaryNeuron) -> Callable[[Tensor, Tensor], Tensor]:
    bits = bits_of(neuron)
    return lambda x, v: (bits(x, v) ** 2 * torch.arange(1, BITS + 1)).sum()


@each_kind
@each_estimator
def test_transforms_give_the_gradient_of_backward(kind: Kind, estimator: str) -> None:
    neuron = kind(estimator, 1.3)
    bits, loss = bits_of(neuron), loss_of(neuron)
    x, v = 6 * numbers(0) - 3, numbers(1)
    logits = x.clone().requires_grad_()
    loss(logits, v).backward()
    gradients = [
        grad(loss)(x, v),
        vmap(grad(loss))(x, v),
        grad(lambda x: vmap(loss)(x, v).sum())(x),
        torch.autograd.grad(vmap(loss)(leaf := x.clone().requires_grad_(), v).sum(), leaf)[0],
    ]
    for gradient in gradients:
        torch.testing.assert_close(gradient, logits.grad)
    jacobian = torch.autograd.functional.jacobian(lambda x: bits(x, v[0]), x[0])
    torch.testing.assert_close(jacrev(bits)(x[0], v[0]), jacobian)
    torch.testing.assert_close(vmap(jacrev(bits))(x, v)[0], jacobian)


@each_kind
@each_estimator
def test_vmap_decides_as_a_batch_does(kind: Kind, estimator: str) -> None:
    bits = bits_of(kind(estimator, 1.3))
    x, v = 6 * numbers(0) - 3, numbers(1)
    assert torch.equal(vmap(bits)(x, v), bits(x, v))
    assert torch.equal(vmap(bits, (None, 0))(x[0], v), bits(x[:1].expand(ROWS, -1), v))
    with torch.no_grad():
        assert torch.equal(vmap(bits)(x, v), bits(x, v))


@pytest.mark.parametrize("estimator", ["reinmax", "sigmoid-adjusted"])
def test_vmap_draws_for_each_example(estimator: str) -> None:
    drawn = vmap(SBN(estimator), randomness="different")(torch.zeros(3, 500))
    shared = vmap(lambda _: SBN(estimator)(torch.zeros(500)), randomness="different")(torch.zeros(3))
    for bits in (drawn, shared):
        assert len({tuple(row.tolist()) for row in bits}) == 3


@each_kind
@each_estimator
def test_an_ensemble_of_slopes(kind: Kind, estimator: str) -> None:
    neuron = kind(estimator)
    x, v, slopes = 6 * numbers(0) - 3, numbers(1), torch.tensor([0.5, 1.0, 2.0, 3.0])
    given = [{}] * ROWS if kind is DBN else [{"thresholds": row} for row in v]

    def loss(slope: Tensor, x: Tensor, v: Tensor) -> Tensor:
        bits: Tensor = functional_call(neuron, {"slope": slope}, (x,), {} if kind is DBN else {"thresholds": v})
        return (bits * torch.arange(1, BITS + 1)).sum()

    found = vmap(grad(loss, argnums=1))(slopes, x, v)
    for slope, row, extra, gradient in zip(slopes, x, given, found, strict=True):
        logits = row.clone().requires_grad_()
        (kind(estimator, float(slope))(logits, **extra) * torch.arange(1, BITS + 1)).sum().backward()
        torch.testing.assert_close(gradient, logits.grad)


@each_kind
@each_surrogate
def test_a_gradient_by_the_slope_is_refused_also_under_vmap(kind: Kind, estimator: str) -> None:
    neuron = kind(estimator)

    def total(slope: Tensor) -> Tensor:
        bits: Tensor = functional_call(neuron, {"slope": slope}, (torch.ones(BITS),))
        return bits.sum()

    with pytest.raises(ValueError, match="no gradient by its slope"):
        grad(total)(torch.tensor(1.5))
    with pytest.raises(RuntimeError, match="no gradient by its slope"):
        grad(lambda slopes: vmap(total, randomness="different")(slopes).sum())(torch.ones(ROWS))


def test_per_example_gradients_of_a_model() -> None:
    model = nn.Sequential(BinaryDense(BITS, 5), nn.Linear(5, 1))
    weights = dict(model.named_parameters())

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        output: Tensor = functional_call(model, weights, (x,))
        return output.square().sum()

    x = numbers(0) - 0.5
    each = vmap(grad(loss), (None, 0))({name: weight.detach() for name, weight in weights.items()}, x)
    for i, row in enumerate(x):
        model.zero_grad()
        model(row).square().sum().backward()
        for name, weight in weights.items():
            torch.testing.assert_close(each[name][i], weight.grad)


@each_kind
@each_surrogate
def test_second_derivatives_are_refused_under_transforms(kind: Kind, estimator: str) -> None:
    loss, v = loss_of(kind(estimator)), numbers(1)
    with pytest.raises(RuntimeError, match="no second derivative"):
        grad(lambda x: grad(loss)(x, v).sum())(numbers(0))


@without_script_warning
@each_kind
@each_surrogate
def test_forward_mode_is_refused(kind: Kind, estimator: str) -> None:
    """A plain decision would have a derivative of 0, without an error."""
    bits, x, v = bits_of(kind(estimator)), numbers(0), numbers(1)
    for logits in (x, x.clone().requires_grad_()):
        with forward_ad.dual_level(), pytest.raises(NotImplementedError, match="jvp"):
            bits(forward_ad.make_dual(logits, torch.ones_like(x)), v)
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled), pytest.raises(NotImplementedError, match="jvp"):
            jvp(lambda x: bits(x, v), (x,), (x,))
    with pytest.raises(NotImplementedError, match="jvp"):
        hessian(loss_of(kind(estimator)))(x, v)


@each_surrogate
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_a_batch_of_directions(estimator: str, dtype: torch.dtype) -> None:
    x, neuron = torch.randn(5, dtype=dtype), DBN(estimator, 1.5)
    batched = torch.autograd.functional.jacobian(neuron, x, vectorize=True)
    torch.testing.assert_close(batched, torch.autograd.functional.jacobian(neuron, x))


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")  # still used to export networks
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@each_estimator
def test_a_trace_decides_anew_and_has_the_gradient(estimator: str) -> None:
    layer = nn.Sequential(nn.Linear(BITS, BITS), DBN(estimator))
    traced = torch.jit.trace(layer, (numbers(0),), check_trace=False)  # torch compares with a trace without gradients
    assert "Python" not in str(traced.inlined_graph)  # nothing that a saved trace could not hold
    x = numbers(2) - 0.5
    expected = layer(x)
    assert torch.equal(traced(x), expected)
    gradients = [torch.autograd.grad(y.square().sum(), layer[0].weight)[0] for y in (expected, traced(x))]
    torch.testing.assert_close(*gradients)
    sampling = torch.jit.trace(SBN(estimator).eval(), (torch.full((5,), 200.0),), check_trace=False)
    assert torch.equal(sampling(torch.full((5,), -200.0)), torch.zeros(5))


@each_estimator
def test_make_fx_captures_the_decision(estimator: str) -> None:
    x, neuron = numbers(0) - 0.5, DBN(estimator, 2.0)
    assert torch.equal(make_fx(neuron)(numbers(1))(x), neuron(x))


@each_estimator
def test_fake_tensors_keep_their_shape(estimator: str) -> None:
    with FakeTensorMode():
        model = nn.Sequential(nn.Linear(6, 2), DBN(estimator), nn.Linear(2, 2), SBN(estimator))
        assert model(torch.randn(4, 6)).shape == (4, 2)


def test_draws_are_on_the_logits_device_whatever_the_default_device() -> None:
    logits, neurons = torch.zeros(50), (SBN("reinmax"), SBN())
    expected = [neuron(logits, torch.Generator().manual_seed(0)) for neuron in neurons]
    with torch.device("meta"):
        found = [neuron(logits, torch.Generator().manual_seed(0)) for neuron in neurons]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
