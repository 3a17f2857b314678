"""Neurons and a layer compiled by torch's default backend; other tests cover tracing only."""

import copy
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bgmusic.neurons import DBN, SBN, BinaryDense

ROWS = 20_000


class Both(nn.Module):
    """A binary layer and two neurons in one graph, because each graph takes seconds to compile."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = BinaryDense(7, 5)
        self.dbn = DBN("reinmax", slope=1.5)
        self.sbn = SBN(slope=1.3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.layer(x), self.dbn(x), self.sbn(x)


def run(model: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """Return the bits of all three, and the input gradient of linear losses weighted 1, 10 and 100."""
    x = x.clone().requires_grad_()
    torch.manual_seed(0)
    outputs: tuple[Tensor, ...] = model(x)
    sum(10.0**i * (y * torch.linspace(-1, 1, y.shape[1])).sum() for i, y in enumerate(outputs)).backward()  # type: ignore[union-attr]
    assert x.grad is not None
    return *(y.detach() for y in outputs), x.grad


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("c++") or shutil.which("g++")), reason="torch compiles with a C++ compiler")
# Warnings of torch's own: the tracer instantiates autograd functions; the backend imports deprecated modules.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit.*deprecated:DeprecationWarning")
def test_compiled_decisions_and_gradients_equal_eager_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config as inductor

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.manual_seed(1)
    model = Both()
    x = torch.linspace(-3, 3, 7).expand(ROWS, -1)
    expected = run(copy.deepcopy(model), x)
    torch.compiler.reset()
    with inductor.patch(compile_threads=1):  # leave no worker processes behind
        compiled = torch.compile(model, fullgraph=True)
        found = run(compiled, x)
        again = run(compiled, x)
    torch.compiler.reset()
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    # The sigmoid-adjusted gradient does not depend on the bits.
    torch.testing.assert_close(found[3], expected[3], rtol=1e-4, atol=1e-4)
    # Compiled code draws other numbers, so compare the rate of the bits. The seed reproduces them.
    p = torch.sigmoid(1.3 * x[0])
    assert set(found[2].unique().tolist()) == {0.0, 1.0}
    assert ((found[2].mean(0) - p).abs() < 4 * (p * (1 - p) / ROWS).sqrt()).all()
    assert torch.equal(again[2], found[2])
