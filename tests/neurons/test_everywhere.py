"""Every estimator and layer copied, pickled, saved, compiled, in other types and on each device."""

import copy
import importlib
import importlib.metadata
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import bgmusic
from bgmusic.neurons import (
    DBN,
    ESTIMATORS,
    SBN,
    SCORE_FUNCTIONS,
    BinaryConv1d,
    BinaryConv2d,
    BinaryConv3d,
    BinaryDense,
    BinaryGate,
    BitsBottleneck,
)
from bgmusic.neurons.estimators import RELAXED, find

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


class Scored(nn.Module):
    """A model with a score function: a dense layer gives the logits, and the loss has a weight."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.dense = nn.Linear(3, 3)
        self.out = nn.Linear(3, 1)
        self.score = SCORE_FUNCTIONS[name]()

    def forward(self, x: Tensor) -> Tensor:
        losses: Tensor = self.score(lambda bits: self.out(bits)[:, 0] ** 2, self.dense(x))
        return losses


class Shaped(nn.Module):
    """Reshape rows of three to the layer's input shape, and return its first output."""

    def __init__(self, layer: nn.Module, *shape: int) -> None:
        super().__init__()
        self.layer, self.shape = layer, shape

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x.reshape(len(x), *self.shape))
        return y[0] if isinstance(y, tuple) else y


MODELS: dict[str, Callable[[], nn.Module]] = {
    **{f"dbn {name}": lambda name=name: DBN(name, 1.3, 0.7) for name in ESTIMATORS},
    **{f"sbn {name}": lambda name=name: SBN(name, 1.3, 0.7) for name in ESTIMATORS},
    **{f"score {name}": lambda name=name: Scored(name) for name in SCORE_FUNCTIONS},
    "dense": lambda: BinaryDense(3, 4),
    "conv1d": lambda: Shaped(BinaryConv1d(1, 4, 2, SBN()), 1, 3),
    "conv2d": lambda: Shaped(BinaryConv2d(1, 4, (1, 2)), 1, 1, 3),
    "conv3d": lambda: Shaped(BinaryConv3d(1, 4, (1, 1, 2)), 1, 1, 1, 3),
    "gate": lambda: BinaryGate(nn.Linear(3, 3), nn.Linear(3, 1)),
    "bottleneck": lambda: Shaped(BitsBottleneck(3, 4), 3),
}
# With graph breaks: REBAR takes a gradient inside; the gate's shapes depend on its decisions.
BREAKING = {"score rebar", "gate"}


def rows(device: str = "cpu") -> Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(0)).to(device)


def run(model: Callable[[Tensor], Tensor], device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Return the output, and the input gradient of a loss with a different derivative for each output."""
    x = rows(device).requires_grad_()
    torch.manual_seed(1)
    y = model(x)
    (y.float() ** 2 * torch.arange(1, y.numel() + 1, device=device).view(y.shape)).sum().backward()
    assert x.grad is not None
    return y.detach(), x.grad


def build(name: str, device: str = "cpu") -> nn.Module:
    torch.manual_seed(2)
    return MODELS[name]().to(device)


def same(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> None:
    for left, right in zip(a, b, strict=True):
        torch.testing.assert_close(left.cpu(), right.cpu(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MODELS)
def test_copies_give_the_same_results(name: str, device: str) -> None:
    model = build(name, device)
    loaded = MODELS[name]().to(device)
    loaded.load_state_dict(model.state_dict())
    copies = [copy.deepcopy(model), loaded]
    if not name.startswith("score"):
        copies.append(pickle.loads(pickle.dumps(model)))  # noqa: S301 (our own)
    expected = run(model, device)
    assert expected[1].abs().sum() > 0
    for other in copies:
        same(run(other, device), expected)


@pytest.mark.parametrize("name", sorted(SCORE_FUNCTIONS))
def test_score_functions_pickle(name: str) -> None:
    score = pickle.loads(pickle.dumps(SCORE_FUNCTIONS[name](slope=1.5)))  # noqa: S301 (our own)
    assert float(score.slope) == 1.5


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MODELS)
# torch's tracer reads the gradients of the inputs of a graph's second part.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_compiled_models_give_the_same_results(name: str, device: str) -> None:
    model = build(name, device)
    expected = run(copy.deepcopy(model), device)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=name not in BREAKING)
    same(run(compiled, device), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU; on a CPU, compiling all takes minutes")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores")  # its advice on speed
def test_compiled_for_cuda(name: str) -> None:
    """Compiled code draws other bits, so only deterministic neurons are compared; the rest must be finite."""
    model = build(name, "cuda")
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=name not in BREAKING)
    y, gradient = run(compiled, "cuda")
    assert torch.isfinite(y).all()
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0
    if name.startswith("dbn"):
        same((y, gradient), run(model, "cuda"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dbn sigmoid-adjusted", "sbn sigmoid-adjusted", "sbn reinmax", "score disarm"])
def test_compiled_models_accept_batches_of_any_size(name: str) -> None:
    model = build(name)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    for count in (8, 5, 11):
        x = torch.randn(count, 3, generator=torch.Generator().manual_seed(count))
        torch.manual_seed(1)
        expected = model(x)
        torch.manual_seed(1)
        torch.testing.assert_close(compiled(x), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_autocast(name: str, device: str) -> None:
    model = build(name, device)
    with torch.autocast(device, torch.bfloat16):
        y, gradient = run(model, device)
    assert torch.isfinite(y).all()
    assert torch.isfinite(gradient).all()
    assert gradient.dtype == torch.float32
    if name.startswith(("dbn", "sbn")):
        same((y, gradient), run(build(name, device), device))  # autocast rounds nothing in a neuron


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_other_types_give_the_same_decisions(name: str, dtype: torch.dtype, device: str) -> None:
    x = rows(device).to(dtype)
    for kind in (DBN, SBN):
        logits = x.clone().requires_grad_()
        torch.manual_seed(1)
        bits = kind(name)(logits)
        bits.sum().backward()
        assert bits.dtype == dtype
        assert logits.grad is not None
        assert logits.grad.dtype == dtype
        torch.manual_seed(1)
        wide = x.float().requires_grad_()
        expected = kind(name)(wide)
        expected.sum().backward()
        torch.testing.assert_close(bits.float(), expected, rtol=1e-2, atol=1e-2)
        torch.testing.assert_close(logits.grad.float(), wide.grad, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MODELS)
def test_devices(name: str, device: str) -> None:
    y, gradient = run(build(name, device), device)
    assert y.device.type == device
    if name.startswith("dbn") or name in ("dense", "conv2d", "conv3d"):
        same((y, gradient), run(build(name)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("kind", [DBN, SBN])
@pytest.mark.parametrize("estimator", sorted(set(ESTIMATORS) - {"concrete"}))
def test_a_second_derivative_is_refused(estimator: str, kind: type[DBN] | type[SBN], power: int, device: str) -> None:
    """Also if the gradient by the bits is a constant, as in a path-length penalty."""
    x, weight = rows(device), torch.ones((), requires_grad=True, device=device)
    (gradient,) = torch.autograd.grad((kind(estimator)(x * weight) ** power).sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(gradient + weight, weight)


@pytest.mark.parametrize("name", sorted(set(SCORE_FUNCTIONS) - {"exact"}))
def test_a_score_functions_second_derivative_is_refused(name: str) -> None:
    weight = torch.ones((), requires_grad=True)
    losses = SCORE_FUNCTIONS[name]()(lambda bits: bits.sum(1), torch.zeros(4, 3) + weight)
    (gradient,) = torch.autograd.grad(losses.sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        (gradient + weight).backward()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("estimator", sorted(set(ESTIMATORS) - {"concrete"}))
def test_saturated_half_precision_logits_keep_their_gradient(estimator: str, dtype: torch.dtype, device: str) -> None:
    """In bfloat16 the probability of a logit of 6 is 1, and 1 - p is 0."""
    values = torch.tensor([-8.0, -7, -6, -5, 5, 6, 7, 8], device=device)
    gradients = []
    for kind in (dtype, torch.float32):
        logits = values.to(kind).requires_grad_()
        SBN(estimator)(logits, thresholds=torch.full((8,), 0.5, device=device)).sum().backward()
        assert logits.grad is not None
        gradients.append(logits.grad.float())
    torch.testing.assert_close(*gradients, rtol=0.01, atol=0)


@pytest.mark.parametrize("estimator", sorted(set(ESTIMATORS) - RELAXED))
def test_no_derivative_is_computed_without_gradients(estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Tensor) -> Tensor:
        pytest.fail("a derivative was computed")

    monkeypatch.setattr(importlib.import_module(find(estimator).__module__), "substitute", fail)
    for kind in (DBN, SBN):
        with torch.no_grad():
            kind(estimator)(rows().requires_grad_())
        with torch.inference_mode():
            kind(estimator)(rows())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", [DBN, SBN])
@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_saved_tensors_may_be_recomputed_or_copied(kind: type[DBN] | type[SBN], estimator: str, device: str) -> None:
    """Activation checkpointing and saved-tensor hooks do not change the gradient."""
    torch.manual_seed(0)
    x, gradient = torch.randn(2, 20, 8).to(device).unbind()
    layer = nn.Sequential(nn.Linear(8, 8), kind(estimator)).to(device)

    def gradient_of(run: Callable[[Tensor], Tensor]) -> Tensor:
        torch.manual_seed(1)
        (result,) = torch.autograd.grad(run(x), layer[0].weight, gradient)
        return result

    def with_copied_tensors(x: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(torch.clone, lambda saved: saved):
            y: Tensor = layer(x)
        return y

    plain = gradient_of(layer)
    assert torch.equal(gradient_of(with_copied_tensors), plain)
    assert torch.equal(gradient_of(lambda x: checkpoint(layer, x, use_reentrant=False)), plain)


@pytest.mark.parametrize("estimator", sorted(set(ESTIMATORS) - RELAXED))
def test_decisions_may_be_changed_in_place(estimator: str) -> None:
    x = rows().requires_grad_()
    y = DBN(estimator)(x)
    expected = y.detach() * 2 + 1
    y *= 2
    y += 1
    assert torch.equal(y.detach(), expected)
    torch.manual_seed(0)
    (changed,) = torch.autograd.grad(y.sum(), x)
    torch.manual_seed(0)
    (plain,) = torch.autograd.grad(DBN(estimator)(x).sum(), x)
    assert torch.equal(changed, 2 * plain)


def _top_levels(distribution: str, seen: set[str]) -> set[str]:
    """Return the top-level modules of a distribution and its requirements."""
    if distribution in seen:
        return set()
    seen.add(distribution)
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return set()  # a requirement of other platforms
    modules = {file.parts[0] for file in found.files or [] if not file.parts[0].endswith((".dist-info", "..", "bin"))}
    for requirement in found.requires or []:
        if "extra ==" not in requirement:
            modules |= _top_levels(re.split(r"[^\w.-]", requirement)[0].lower(), seen)
    return modules


def test_importing_needs_torch_alone(tmp_path: Path) -> None:
    # An environment of symbolic links to torch, its requirements and bgmusic. -S leaves out everything else.
    seen: set[str] = set()
    modules = _top_levels("torch", seen)
    assert "torch" in modules
    assert not seen & {"numpy", "pydantic", "typer", "rich", "pyyaml", "safetensors"}
    sources = [Path(folder) for folder in sys.path if folder and Path(folder).is_dir()]
    for module in modules - {"__pycache__"}:
        source = next((folder / module for folder in sources if (folder / module).exists()), None)
        if source:
            (tmp_path / module).symlink_to(source)
    (tmp_path / "bgmusic").symlink_to(Path(bgmusic.__file__).parent)
    program = (
        "import bgmusic.neurons as n, torch, sys\n"
        "x = torch.zeros(2, 3, requires_grad=True)\n"
        "n.SBN()(x).sum().backward()\n"
        "print(sorted(set(sys.modules) & {'numpy', 'pydantic', 'typer', 'rich', 'yaml', 'safetensors'}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-S", "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
