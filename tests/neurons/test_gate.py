"""Binary gates: rows that run, outputs, and gradients against the dense computation."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bgmusic.neurons import DBN, SBN, BinaryGate


class Counting(nn.Module):
    """Apply the inner module and record the number of rows of each call."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.rows: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.rows.append(len(x))
        result: Tensor = self.inner(x)
        return result


def build(out: int = 6, **options: Any) -> BinaryGate:
    torch.manual_seed(0)
    branch = Counting(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, out)))
    return BinaryGate(branch, nn.Linear(6, 1), **options)


def rows(count: int = 40) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(1))


def results(gate: BinaryGate, x: Tensor, routed: bool, seed: int = 2) -> list[Tensor]:
    """Return the output, and a loss's gradients by x and each parameter; without routing, compute densely."""
    gate.zero_grad()
    x = x.clone().requires_grad_()
    generator = torch.Generator().manual_seed(seed)
    bits = gate.decide(x, generator)
    y = gate.route(x, bits, generator) if routed else gate.shortcut(x) + bits[:, None] * gate.branch(x)
    y.square().sum().backward()
    assert x.grad is not None
    return [y.detach(), x.grad, *(torch.zeros_like(p) if p.grad is None else p.grad for p in gate.parameters())]


@pytest.mark.parametrize("bias", [0.0, 100.0, -100.0], ids=["some open", "all open", "all closed"])
@pytest.mark.parametrize("widening", [False, True])
@pytest.mark.parametrize(
    ("neuron", "explore"), [(SBN("one-sided"), 0), (DBN("one-sided"), 0), (SBN("reinmax"), 1), (DBN(), 1)], ids=str
)
def test_output_and_gradients_are_those_of_the_dense_computation(
    neuron: nn.Module, explore: float, widening: bool, bias: float
) -> None:
    shortcut = nn.Linear(6, 9) if widening else None
    gate = build(9 if widening else 6, shortcut=shortcut, neuron=neuron, explore=explore)
    with torch.no_grad():
        gate.scorer.bias.fill_(bias)
    ours = results(gate, rows(), routed=True)
    dense = results(gate, rows(), routed=False)
    for a, b in zip(ours, dense, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    scorer = [name for name, _ in gate.named_parameters()].index("scorer.weight") + 2
    assert (ours[scorer].abs().sum() > 0) == (bias == 0)


@pytest.mark.slow
def test_exploring_some_closed_rows_gives_the_dense_gradient_in_expectation() -> None:
    gate = build(explore=0.2)
    x = rows(20)
    scorer = [name for name, _ in gate.named_parameters()].index("scorer.weight") + 2
    pairs = [[results(gate, x, routed, seed)[scorer] for routed in (True, False)] for seed in range(700)]
    difference = torch.stack([ours - dense for ours, dense in pairs])
    error = difference.std(0) / len(pairs) ** 0.5
    assert ((difference.mean(0)).abs() < 4 * error).all()
    dense_mean = torch.stack([dense for _, dense in pairs]).mean(0)
    assert (error < 0.3 * dense_mean.abs().max()).all()


def test_the_branch_runs_for_open_rows_only() -> None:
    gate = build(neuron=DBN(), explore=0).train()
    x = rows()
    opened = int((gate.scorer(x) > 0).sum())
    assert 0 < opened < len(x)
    gate(x)
    assert gate.branch.rows == [opened]
    closed = gate.route(x, torch.zeros(len(x)))
    assert torch.equal(closed, x)
    assert closed is not x  # so that a later in-place operation does not change the input
    assert gate.branch.rows == [opened]
    gate.route(x, torch.ones(len(x)))
    assert gate.branch.rows == [opened, len(x)]


def test_gates_that_are_all_closed_have_gradients_of_zero() -> None:
    gate = build(explore=0.0)
    x = torch.randn(6, 6)
    with torch.no_grad():
        gate.scorer.bias.fill_(-100)
    gate(x).sum().backward()
    gradients = [weight.grad for weight in gate.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)
    assert gate.branch.rows == []
    gate.zero_grad()
    gate.route(x, torch.zeros(6)).sum().backward()
    assert all(weight.grad is not None for weight in gate.branch.parameters())


def test_closed_rows_run_in_training_only() -> None:
    gate = build(neuron=DBN(), explore=0.5)
    x = rows()
    opened = int((gate.scorer(x) > 0).sum())
    y = gate(x, torch.Generator().manual_seed(0))
    (ran,) = gate.branch.rows
    assert opened < ran < len(x)
    torch.testing.assert_close(gate.eval()(x), y)
    assert gate.branch.rows == [ran, opened]
    with torch.no_grad():
        gate.train()(x)
    assert gate.branch.rows[-1] == opened


@pytest.mark.slow
def test_a_penalty_closes_gates_that_do_not_help() -> None:
    # Half of the rows need the branch: the branch learns its task, and the gate which rows need it.
    gate = build(explore=0.25)
    x = rows(256)
    useful = x[:, 0] > 0
    target = torch.where(useful[:, None], x + 1, x)
    optimizer = torch.optim.Adam(gate.parameters(), 0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        bits = gate.decide(x, generator)
        loss = (gate.route(x, bits, generator) - target).square().mean() + 0.2 * bits.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    p = torch.sigmoid(gate.scorer(x)).detach()[:, 0]
    assert float(((p > 0.5) == useful).float().mean()) > 0.8
    assert float(p[useful].mean()) > 0.8
    assert float(p[~useful].mean()) < 0.3


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="one logit for each of 40 rows"):
        BinaryGate(nn.Linear(6, 6), nn.Linear(6, 2))(rows())
    with pytest.raises(ValueError, match="explore"):
        build(explore=1.5)
    gate, x = build(), rows()
    for bits in (torch.ones(39), torch.ones(40, 1), torch.ones(())):
        with pytest.raises(ValueError, match="each of 40 rows"):
            gate.route(x, bits)
    with pytest.raises(ValueError, match="bits must be floating"):
        gate.route(x, torch.ones(40, dtype=torch.bool))


@pytest.mark.parametrize("opened", [20, 40])
def test_a_branch_whose_shape_would_broadcast_is_refused(opened: int) -> None:
    gate = BinaryGate(nn.Linear(6, 1), nn.Linear(6, 1))
    bits = (torch.arange(40) < opened).float()
    with pytest.raises(ValueError, match=r"\(1,\) per row, the shortcut \(6,\)"):
        gate.route(rows(), bits)
