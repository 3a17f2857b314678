"""Neurons as modules: saved, copied, under autocast, in hidden layers, with registered estimators."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn

from bgmusic.neurons import (
    DBN,
    ESTIMATORS,
    NEURONS,
    SBN,
    Annealing,
    BinaryNeuron,
    RealValued,
    Stairs,
    dbn,
    preactivate,
    register,
    sbn,
    set_slope,
)
from bgmusic.neurons.estimators import RELAXED, TEMPERED

BINARY = ["dbn", "sbn"]
BUILT_IN = ["straight-through", "sigmoid-adjusted"]


def a_model(name: str = "dbn", estimator: str = "sigmoid-adjusted") -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), NEURONS[name](estimator, slope=1.5), nn.Linear(7, 3))


@pytest.mark.parametrize("name", sorted(NEURONS))
def test_slope_is_saved_with_the_model(name: str) -> None:
    model = a_model(name)
    model[1].set_slope(2.75)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    restored = a_model(name)
    restored.load_state_dict(torch.load(buffer, weights_only=True))
    assert float(restored[1].slope) == 2.75
    assert not list(restored[1].parameters())


@pytest.mark.parametrize("name", sorted(NEURONS))
@pytest.mark.parametrize("how", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])  # noqa: S301
def test_copies_decide_alike_and_have_a_slope_of_their_own(name: str, how: object) -> None:
    model = a_model(name, "straight-through")
    twin = how(model)  # type: ignore[operator]
    x = torch.randn(9, 5)
    outputs = []
    for each in (model, twin):
        torch.manual_seed(1)
        outputs.append(each(x))
    assert torch.equal(*outputs)
    twin[1].set_slope(9.0)
    assert float(model[1].slope) == 1.5
    assert twin[1].estimator == "straight-through"


def test_set_slope_reaches_every_neuron_of_a_model() -> None:
    model = nn.Sequential(a_model("dbn"), nn.ModuleList([SBN(), RealValued()]), nn.ReLU())
    assert set_slope(model, 4.0) == 3
    assert [float(m.slope) for m in model.modules() if isinstance(m, BinaryNeuron)] == [4.0] * 3


@pytest.mark.parametrize("slope", [0.0, -1.0, float("nan"), float("inf"), 1e39, 1e-50])
def test_an_invalid_slope_is_refused_and_the_old_one_stays(slope: float) -> None:
    neuron = DBN(slope=2.0)
    with pytest.raises(ValueError, match="slope must be a positive"):
        neuron.set_slope(slope)
    assert float(neuron.slope) == 2.0
    with pytest.raises(ValueError, match="slope must be a positive"):
        SBN(slope=slope)


def test_a_tensor_slope_scales_probability_and_gradient() -> None:
    logits = torch.full((1000,), 0.5, requires_grad=True)
    steep = sbn(logits, torch.tensor(20.0), generator=torch.Generator().manual_seed(0))
    steep.sum().backward()
    s = torch.sigmoid(torch.tensor(10.0))
    assert steep.mean() > 0.99
    assert torch.allclose(logits.grad, 20 * s * (1 - s))
    assert torch.equal(preactivate(logits, torch.tensor(20.0)), torch.sigmoid(20 * logits))


@pytest.mark.parametrize("name", sorted(NEURONS))
def test_preactivated_outputs_are_the_probabilities(name: str) -> None:
    neuron, logits = NEURONS[name](slope=1.7), torch.randn(4, 6)
    assert torch.equal(neuron.preactivate(logits), torch.sigmoid(neuron.slope * logits))


def test_print_shows_estimator_and_slope() -> None:
    assert repr(SBN("straight-through", slope=1.1)) == "SBN(estimator='straight-through', slope=1.1)"


def test_the_base_class_cannot_be_called() -> None:
    with pytest.raises(TypeError, match="use DBN or SBN"):
        BinaryNeuron()(torch.zeros(1))


@pytest.mark.parametrize("make", [lambda: DBN("nope"), lambda: dbn(torch.zeros(1), estimator="nope")])
def test_an_unknown_estimator_is_refused_with_a_list_of_known_ones(make: object) -> None:
    with pytest.raises(ValueError, match=r"unknown estimator 'nope'; known: .*straight-through"):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("kind", [DBN, SBN])
@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_a_learned_slope_or_temperature_has_a_gradient_or_is_refused(
    kind: type[DBN] | type[SBN], estimator: str
) -> None:
    for what in ("slope", "temperature"):
        if what == "temperature" and estimator not in TEMPERED:
            continue
        neuron = kind(estimator)
        setattr(neuron, what, torch.nn.Parameter(torch.tensor(1.5)))
        if estimator in RELAXED:
            neuron(torch.ones(5)).sum().backward()
            assert getattr(neuron, what).grad != 0
        else:
            with pytest.raises(ValueError, match=f"{estimator} gives no gradient by its {what}"):
                neuron(torch.ones(5))
            with torch.no_grad():
                neuron(torch.ones(5))


def test_every_neuron_finds_a_registered_estimator() -> None:
    @register("test-doubled")
    def doubled(logits: Tensor, threshold: Tensor | None, slope: Tensor) -> Tensor:
        bits = ESTIMATORS["straight-through"](logits.detach(), threshold, slope)
        return bits + 2 * (logits - logits.detach())

    try:
        for neuron in (DBN("test-doubled"), SBN("test-doubled")):
            logits = torch.tensor([30.0, -30.0], requires_grad=True)
            output = neuron(logits)
            assert output.tolist() == [1, 0]
            output.sum().backward()
            assert logits.grad is not None
            assert logits.grad.tolist() == [2, 2]
        assert register("test-doubled", tempered=True)(doubled) is doubled  # as a notebook's cell that is run twice
        assert "test-doubled" in TEMPERED
        register("test-doubled")(doubled)
        assert "test-doubled" not in TEMPERED
        with pytest.raises(ValueError, match="exists already"):
            register("test-doubled")(lambda logits, threshold, slope: logits)
    finally:
        del ESTIMATORS["test-doubled"]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("estimator", BUILT_IN)
def test_layers_below_a_hidden_neuron_learn(name: str, estimator: str) -> None:
    """Learn a logical "and"; the first layer gets the estimator's gradient only."""
    torch.manual_seed(3)
    last = nn.Linear(8, 1).requires_grad_(False)
    model = nn.Sequential(nn.Linear(2, 8), NEURONS[name](estimator), last)
    x = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).repeat(16, 1)
    y = x[:, :1] * x[:, 1:]
    optimizer = torch.optim.Adam(model[0].parameters(), lr=0.05)
    for _ in range(300):
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = ((model(x) > 0) == (y > 0)).float().mean()
    assert right > 0.9


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_slopes_of_half_precision_models_keep_their_precision(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(5, 7), SBN("concrete", slope=1.1, temperature=0.3)).to(dtype)
    assert float(model[1].slope) == pytest.approx(1.1, rel=1e-6)
    assert float(model[1].temperature) == pytest.approx(0.3, rel=1e-6)
    annealing = Annealing(model, slope=Stairs(1.1))
    for _ in range(200):
        annealing.step()
    assert float(model[1].slope) == pytest.approx(1.1**200, rel=1e-5)
    assert model(torch.ones(2, 5, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("name", sorted(NEURONS))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_under_autocast_the_type_of_the_logits_is_kept(name: str, dtype: torch.dtype) -> None:
    model = a_model(name)
    x = torch.randn(64, 5)
    with torch.autocast("cpu", dtype):
        logits = model[0](x)
        bits = model[1](logits)
        loss = model[2](bits).float().sum()
    assert logits.dtype == bits.dtype == dtype
    loss.backward()
    assert model[0].weight.grad.dtype == torch.float32
    assert model[0].weight.grad.isfinite().all()
    if name == "dbn":
        assert torch.equal(bits.float(), (logits > 0).float())


@pytest.mark.parametrize("estimator", BUILT_IN)
def test_low_precision_does_not_bias_the_probability(estimator: str) -> None:
    # bfloat16 draws would have 256 levels: a probability of 1/1000 would come out as 0 or 1/256.
    logits = torch.full((400_000,), -6.9, dtype=torch.bfloat16)
    rate = SBN(estimator)(logits, torch.Generator().manual_seed(0)).double().mean()
    p = torch.sigmoid(logits[0].double())
    assert abs(rate - p) < 4.5 * (p * (1 - p) / len(logits)).sqrt()


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("estimator", BUILT_IN)
def test_create_graph_does_not_change_the_first_derivative(name: str, estimator: str) -> None:
    logits = torch.randn(4, 5, requires_grad=True)
    gradients = []
    for create_graph in (False, True):
        bits = NEURONS[name](estimator)(logits, torch.Generator().manual_seed(0))
        gradients.append(torch.autograd.grad((bits * 3).square().sum(), logits, create_graph=create_graph)[0])
    assert torch.equal(*gradients)


@pytest.mark.parametrize("name", BINARY)
def test_a_gradient_penalty_after_the_neuron_can_be_differentiated(name: str) -> None:
    """A gradient by the neuron's output may be differentiated again by the logits."""
    logits = torch.randn(4, 5, requires_grad=True)
    bits = NEURONS[name]("straight-through")(logits)
    (gradient,) = torch.autograd.grad((bits**3).sum(), bits, create_graph=True)  # 3 b^2
    gradient.sum().backward()  # 6 b, straight through to the logits
    assert torch.allclose(logits.grad, 6 * bits.detach())
