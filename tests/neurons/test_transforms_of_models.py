"""Layers, gates and score functions under torch.func transforms: the gradients of plain autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, stack_module_state, vmap

from bgmusic.neurons import (
    SBN,
    SCORE_FUNCTIONS,
    BinaryConv1d,
    BinaryConv2d,
    BinaryConv3d,
    BinaryDense,
    BinaryGate,
    BitsBottleneck,
    ScoreFunction,
)

ROWS, BITS = 4, 6

each_score = pytest.mark.parametrize("name", sorted(SCORE_FUNCTIONS))
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "dense": lambda: BinaryDense(BITS, 3),
    "conv1d": lambda: nn.Sequential(nn.Unflatten(1, (1, BITS)), BinaryConv1d(1, 2, 3)),
    "conv2d": lambda: nn.Sequential(nn.Unflatten(1, (1, 2, 3)), BinaryConv2d(1, 2, 2)),
    "conv3d": lambda: nn.Sequential(nn.Unflatten(1, (1, 1, 2, 3)), BinaryConv3d(1, 2, (1, 2, 2))),
    "bottleneck": lambda: BitsBottleneck(BITS, 3, SBN()),
    "gate": lambda: BinaryGate(nn.Linear(BITS, BITS), nn.Linear(BITS, 1), explore=0.5),
}


def numbers(seed: int) -> Tensor:
    return torch.rand(ROWS, BITS, generator=torch.Generator().manual_seed(seed)) - 0.5


def output_of(model: nn.Module, weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """Return the output, drawn anew from the same seed at every call."""
    extra = {} if isinstance(model, nn.Sequential | BinaryDense) else {"generator": torch.Generator().manual_seed(0)}
    y = functional_call(model, weights, (x,), extra)
    return y[0] if isinstance(y, tuple) else y


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_each_example(name: str) -> None:
    torch.manual_seed(0)
    model = LAYERS[name]()
    weights = {key: weight.detach() for key, weight in model.named_parameters()}

    def loss(weights: dict[str, Tensor], row: Tensor) -> Tensor:
        return output_of(model, weights, row.unsqueeze(0)).square().sum()

    x = numbers(0)
    found = vmap(grad(loss), (None, 0), randomness="same")(weights, x)
    total = grad(lambda weights: vmap(loss, (None, 0), randomness="same")(weights, x).sum())(weights)
    for i, row in enumerate(x):
        model.zero_grad()
        loss(dict(model.named_parameters()), row).backward()
        for key, weight in model.named_parameters():
            expected = torch.zeros_like(weight) if weight.grad is None else weight.grad
            torch.testing.assert_close(found[key][i], expected)
    for key, each in found.items():
        torch.testing.assert_close(total[key], each.sum(0))
    assert any(each.any() for each in found.values())
    leaf = x.clone().requires_grad_()
    y = output_of(model, weights, leaf)
    jacobian = jacrev(lambda x: output_of(model, weights, x))(x)
    for place in range(0, y.numel(), 5):
        (row_gradient,) = torch.autograd.grad(y.flatten()[place], leaf, retain_graph=True)
        torch.testing.assert_close(jacobian.flatten(0, -3)[place], row_gradient)


def test_an_ensemble_of_models() -> None:
    torch.manual_seed(0)
    models = [nn.Sequential(BinaryDense(BITS, 5), nn.Linear(5, 1)) for _ in range(3)]
    states = stack_module_state(models)  # type: ignore[arg-type]
    x = numbers(1)
    outputs = vmap(lambda state: functional_call(models[0], state, (x,)))(states)
    for model, output in zip(models, outputs, strict=True):
        torch.testing.assert_close(model(x), output)


def scored(score: ScoreFunction, x: Tensor) -> Tensor:
    losses: Tensor = score(
        lambda bits: (bits * torch.arange(1, BITS + 1)).sum(1) ** 2, x, torch.Generator().manual_seed(0)
    )
    return losses


@each_score
def test_score_functions(name: str) -> None:
    score, x = SCORE_FUNCTIONS[name]().eval(), numbers(0)
    logits = x.clone().requires_grad_()
    scored(score, logits).sum().backward()
    torch.testing.assert_close(grad(lambda x: scored(score, x).sum())(x), logits.grad)
    jacobian = jacrev(lambda x: scored(score, x))(x)
    torch.testing.assert_close(jacobian.sum(0), logits.grad)
    each = vmap(grad(lambda row: scored(score, row.unsqueeze(0)).sum()), randomness="same")(x)
    for i in range(ROWS):
        row = x[i : i + 1].clone().requires_grad_()
        scored(score, row).sum().backward()
        torch.testing.assert_close(each[i : i + 1], row.grad)
    called = grad(lambda x, state: functional_call(score, state, (lambda b: b.sum(1), x)).sum())
    assert called(x, dict(score.named_buffers())).shape == x.shape


def test_a_baseline_in_training_needs_its_buffers_as_arguments() -> None:
    score, x = SCORE_FUNCTIONS["reinforce-adjusted"](), numbers(0)
    with pytest.raises(RuntimeError, match="to keep it, or pass the buffers"):
        grad(lambda x: scored(score, x).sum())(x)
    logits = x.clone().requires_grad_()

    def loss(x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(0)
        losses = functional_call(score, state, (lambda bits: bits.sum(1) ** 2, x, generator))
        return losses.sum(), state

    state = {key: value.clone() for key, value in score.named_buffers()}
    gradient, new = grad(loss, has_aux=True)(x, state)
    score(lambda bits: bits.sum(1) ** 2, logits, torch.Generator().manual_seed(0)).sum().backward()
    torch.testing.assert_close(gradient, logits.grad)
    for key, value in score.named_buffers():
        torch.testing.assert_close(new[key], value)
