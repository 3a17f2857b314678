"""The compiled kernel: its draws and decisions against numpy, where it steps aside, and life without it."""

import importlib.util
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx

from bgmusic.neurons import DBN, SBN, kernel, uniform_draws
from bgmusic.neurons.estimators import KEYED, find

ROOT = Path(__file__).parents[2]
COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="without a C compiler there is no kernel")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def decide_and_differentiate(logits: Tensor, thresholds: Tensor | int | None, slope: float) -> tuple[Tensor, Tensor]:
    return kernel.decide(logits, thresholds, slope), kernel.differentiate(logits, torch.ones_like(logits), slope)


def builder() -> ModuleType:
    found = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def xoshiro(key: int, count: int) -> NDArray[np.float64]:
    """The kernel's numbers, written again in numpy: 32 generators in turn, seeded by splitmix64."""
    words = []
    with np.errstate(over="ignore"):
        state = np.uint64(key)
        for _ in range(64):
            state += np.uint64(0x9E3779B97F4A7C15)
            z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            words.append(z ^ (z >> np.uint64(31)))
        s = np.array(words, np.uint64).view(np.uint32).reshape(32, 4).T.copy()

        def rotated(x: NDArray[np.uint32], by: int) -> NDArray[np.uint32]:
            return (x << np.uint32(by)) | (x >> np.uint32(32 - by))

        rows = []
        for _ in range(-(-count // 32)):
            rows.append(rotated(s[0] + s[3], 7) + s[0])
            t = s[1] << np.uint32(9)
            s[2] ^= s[0]
            s[3] ^= s[1]
            s[1] ^= s[2]
            s[0] ^= s[3]
            s[2] ^= t
            s[3] = rotated(s[3], 11)
    return (np.array(rows, np.uint32).ravel()[:count] >> np.uint32(8)) / 2.0**24


@needs_compiler
def test_it_is_here() -> None:
    """A compiler is here, so the kernel must be: otherwise all that follows would pass by torch's operations."""
    assert kernel.available()


@needs_compiler
@pytest.mark.parametrize("shape", [(), (1,), (31,), (32,), (33,), (5, 7, 11), (64, 784), (0,), (3, 0)])
def test_draws_are_xoshiros(shape: tuple[int, ...]) -> None:
    drawn = kernel.uniform(shape, seeded(5))
    assert (drawn.shape, drawn.dtype) == (shape, torch.float32)
    key = int(torch.empty((), dtype=torch.int64).random_(-(2**63), None, generator=seeded(5))) % 2**64
    np.testing.assert_array_equal(drawn.double().numpy().ravel(), xoshiro(key, math.prod(shape)))


def test_xoshiro_as_its_authors_have_it() -> None:
    """The reference itself, by the first outputs of xoshiro128++ from the state 1, 2, 3, 4 (Rust's rand_xoshiro)."""
    s = [1, 2, 3, 4]
    made = []
    for _ in range(4):
        total = (s[0] + s[3]) % 2**32
        made.append(((total << 7 | total >> 25) + s[0]) % 2**32)
        t = s[1] << 9 & 0xFFFFFFFF
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = (s[3] << 11 | s[3] >> 21) & 0xFFFFFFFF
    assert made == [641, 1573767, 3222811527, 3517856514]


@needs_compiler
@pytest.mark.parametrize("slope", [1.0, 1.1, 6.7, 0.01, 100.0])
def test_decisions_and_derivatives_are_numpys(slope: float) -> None:
    rng = np.random.default_rng(0)
    logits = np.concatenate([rng.normal(0, 3, 4000), rng.uniform(-90, 90, 4000), rng.normal(0, 1e-3, 999)])
    logits = logits.astype(np.float32)
    argument = np.float64(np.float32(slope)) * logits
    with np.errstate(under="ignore"):
        odds = np.exp(-np.abs(argument))
        p = np.where(argument >= 0, 1, odds) / (1 + odds)
        derivative = slope * odds / (1 + odds) ** 2
    # Thresholds a little below and above the probability: more than float32's rounding, and no more.
    for shift, decision in ((1 - 1e-5, 1), (1 + 1e-5, 0)):
        thresholds = (p * shift).astype(np.float32)
        far = (np.abs(argument) < 80) & (thresholds < 1)
        decided, steepness = decide_and_differentiate(torch.tensor(logits), torch.tensor(thresholds), slope)
        assert (decided.numpy()[far] == decision).all()
        np.testing.assert_allclose(steepness.numpy()[far], derivative[far], rtol=4e-5 if slope > 50 else 4e-6)
    signs, steepness = decide_and_differentiate(torch.tensor(logits), None, slope)
    assert torch.equal(signs, torch.tensor(logits > 0).float())
    np.testing.assert_allclose(steepness.numpy()[far], derivative[far], rtol=4e-5 if slope > 50 else 4e-6)
    gradients = torch.tensor(rng.normal(0, 3, len(logits)).astype(np.float32))
    assert torch.equal(kernel.differentiate(torch.tensor(logits), gradients, slope), gradients * steepness)


@needs_compiler
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 1023, 1024, 1025, 5000])
def test_draws_that_are_never_written_are_the_same(count: int) -> None:
    logits, key = torch.randn(count, generator=seeded(7)), kernel.draw_key(seeded(8))
    thresholds = kernel.draw(key, (count,))
    assert torch.equal(kernel.decide(logits, key, 1.5), kernel.decide(logits, thresholds, 1.5))


@needs_compiler
@pytest.mark.parametrize("estimator", sorted(KEYED))
@pytest.mark.parametrize("count", [300, 1 << 17])
def test_neurons_that_draw_while_they_decide_draw_the_same(
    monkeypatch: pytest.MonkeyPatch, estimator: str, count: int
) -> None:
    """Small ones, large ones and those without a gradient, against draws made before."""
    values, thresholds = torch.randn(count, generator=seeded(0)), uniform_draws((count,), seeded(1))
    logits = values.clone().requires_grad_()
    expected = SBN(estimator, 2.0)(values.requires_grad_(), thresholds=thresholds)
    decided = SBN(estimator, 2.0)(logits, seeded(1))
    assert torch.equal(decided, expected)
    for bits in (decided, expected):
        bits.square().sum().backward()
    assert values.grad is not None
    assert logits.grad is not None
    assert torch.equal(values.grad, logits.grad)
    with torch.no_grad():
        assert torch.equal(SBN(estimator, 2.0)(logits, seeded(1)), expected)
    key = kernel.draw_key(seeded(1))  # drawn before torch was given more threads
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert torch.equal(find(estimator)(values.detach(), key, torch.tensor(2.0)), expected)


@pytest.mark.parametrize("kind", [DBN, SBN])
@pytest.mark.parametrize("estimator", sorted(KEYED))
@pytest.mark.parametrize("count", [300, 1 << 17])
def test_no_size_has_a_second_derivative(kind: type[DBN] | type[SBN], estimator: str, count: int) -> None:
    logits = torch.randn(count).requires_grad_()
    for power in (1, 2):  # where the gradient by the bits is a constant, and where it depends on them
        (gradient,) = torch.autograd.grad((kind(estimator)(logits) ** power).sum(), logits, create_graph=True)
        with pytest.raises(RuntimeError, match="no second derivative"):
            gradient.sum().backward()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own, in make_dual
@pytest.mark.parametrize("kind", [DBN, SBN])
@pytest.mark.parametrize("estimator", sorted(KEYED))
def test_forward_mode_is_refused_and_not_wrong(kind: type[DBN] | type[SBN], estimator: str) -> None:
    for logits in (torch.randn(30), torch.randn(30).requires_grad_()):
        with forward_ad.dual_level(), pytest.raises((RuntimeError, NotImplementedError), match="jvp"):
            kind(estimator)(forward_ad.make_dual(logits, torch.ones(30)))


@needs_compiler
def test_ends_of_float32() -> None:
    logits = torch.tensor([-math.inf, -1e38, -104.0, -0.0, 0.0, 1e-45, 1e38, math.inf, math.nan])
    lowest, highest = torch.zeros(9), torch.full((9,), 1 - 2.0**-24)
    for slope in (1.0, 3.0):
        never = decide_and_differentiate(logits, lowest, slope)
        always = kernel.decide(logits, highest, slope)
        signs = kernel.decide(logits, None, slope)
        assert never[0][:8].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
        assert always[:8].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
        assert signs[:8].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
        assert never[1][:8].tolist() == [0, 0, 0, slope / 4, slope / 4, slope / 4, 0, 0]
        assert all(x[8].isnan() for x in (never[0], never[1], always, signs))


@needs_compiler
@pytest.mark.parametrize("estimator", ["sigmoid-adjusted", "straight-through"])
@pytest.mark.parametrize("kind", [DBN, SBN])
@pytest.mark.parametrize("slope", [1.0, 2.5])
def test_with_and_without_it_a_neuron_is_the_same(
    monkeypatch: pytest.MonkeyPatch, kind: type[DBN] | type[SBN], estimator: str, slope: float
) -> None:
    # Seeded: a threshold within rounding of its probability may fall either way.
    values, gradient = torch.randn(2, 3000, generator=seeded(2)).unbind()
    thresholds = torch.rand(3000, generator=seeded(3))
    given = {"thresholds": thresholds} if kind is SBN else {}
    found = []
    for library in (kernel._LIBRARY, None):
        monkeypatch.setattr(kernel, "_LIBRARY", library)
        logits = values.clone().requires_grad_()
        decided = kind(estimator, slope)(logits, **given)
        decided.backward(gradient)
        assert logits.grad is not None
        found.append((decided.detach(), logits.grad))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)  # torch's 1 - p loses digits near 1


@needs_compiler
def test_a_gradient_can_be_taken_twice_from_one_forward_pass() -> None:
    logits = torch.randn(100).requires_grad_()
    decided = SBN()(logits).sum()
    (first,) = torch.autograd.grad(decided, logits, retain_graph=True)
    (second,) = torch.autograd.grad(decided, logits)
    assert torch.equal(first, second)


def test_it_steps_aside_where_it_can_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(4, 6)
    assert kernel.decides(x, None) == kernel.available()
    assert kernel.decides(torch.nn.Parameter(x), x) == kernel.available()
    assert not kernel.decides(x.double(), None)
    assert not kernel.decides(x.bfloat16(), None)
    assert not kernel.decides(x.t(), None)
    negated = torch._neg_view(x)
    assert not kernel.decides(negated, None)
    assert torch.equal(DBN()(negated), (x < 0).float())
    assert not kernel.decides(x, x.double())
    assert not kernel.decides(x, x[:1].expand(4, 6))
    assert not kernel.decides(x.to("meta"), None)
    assert not kernel.draws(torch.device("meta"))
    with FakeTensorMode():
        assert not kernel.decides(torch.randn(4, 6), None)
        assert nn.Sequential(nn.Linear(6, 2), DBN(), nn.Linear(2, 2), SBN())(torch.randn(4, 6)).shape == (4, 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert not kernel.decides(x, None)


def test_a_graph_of_operations_holds_the_decision() -> None:
    x = torch.randn(30)
    for neuron in (DBN(slope=2.0), DBN("straight-through")):
        captured = make_fx(neuron)(torch.randn(30))
        assert torch.equal(captured(x), neuron(x))


def test_numbers_lie_on_the_cpu_whatever_the_default_device() -> None:
    logits, neurons = torch.zeros(50), (SBN("reinmax"), SBN())
    expected = [neuron(logits, seeded(0)) for neuron in neurons] + [uniform_draws((5,), seeded(0), "cpu")]
    with torch.device("meta"):
        found = [neuron(logits, seeded(0)) for neuron in neurons] + [uniform_draws((5,), seeded(0))]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch's own, of an in-place operation under vmap
def test_under_vmap_each_draws_for_itself() -> None:
    """A key of the kernel's would be drawn once for all, or not at all."""
    logits = torch.zeros(3, 500)
    bits = torch.func.vmap(SBN("reinmax"), randomness="different")(logits)
    assert len({tuple(row.tolist()) for row in bits}) == 3
    thresholds = torch.rand(3, 500)
    given = torch.func.vmap(lambda v: SBN()(logits[0], thresholds=v))(thresholds)
    assert torch.equal(given, (thresholds < 0.5).float())
    several = torch.func.vmap(lambda _: SBN()(logits[0]), randomness="different")(torch.zeros(3))
    assert len({tuple(row.tolist()) for row in several}) == 3
    with pytest.raises(RuntimeError, match="functorch transforms"):
        torch.func.vmap(DBN())(logits.requires_grad_())


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")  # still used to export networks
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_keeps_deciding() -> None:
    """A trace records torch's operations; what the kernel does, it would keep as a constant."""
    traced = torch.jit.trace(DBN(), (torch.ones(5),))
    assert torch.equal(traced(-torch.ones(5)), torch.zeros(5))
    traced = torch.jit.trace(SBN(), (torch.full((5,), 200.0),), check_trace=False)
    assert torch.equal(traced(torch.full((5,), -200.0)), torch.zeros(5))


def test_without_it_draws_are_torchs(without_kernel: Callable[[], AbstractContextManager[None]]) -> None:
    with without_kernel():
        assert not kernel.available()
        assert torch.equal(uniform_draws((7, 5), seeded(1)), torch.rand((7, 5), generator=seeded(1)))
        rate = SBN()(torch.full((400_000,), math.log(0.3 / 0.7)), seeded(0)).mean()
    assert abs(float(rate) - 0.3) < 4 * math.sqrt(0.21 / 400_000)


def test_a_library_that_is_none_or_of_another_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("no library")
    assert kernel._load(tmp_path / "text.so") is None
    assert kernel._load(tmp_path / "missing.so") is None
    if COMPILER is None:
        return
    for name, code in (
        ("older", "int bgmusic_version(void) { return 0; }"),
        ("other", "int other(void) { return 0; }"),
    ):
        (tmp_path / f"{name}.c").write_text(code)
        library = tmp_path / f"{name}.so"
        subprocess.run([COMPILER, "-shared", "-fPIC", str(tmp_path / f"{name}.c"), "-o", str(library)], check=True)
        assert kernel._load(library) is None


@needs_compiler
def test_both_ways_of_compiling_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build = builder()
    monkeypatch.setattr(build, "ATTEMPTS", build.ATTEMPTS[1:])
    target = tmp_path / "one_version.so"
    assert build.compile_kernels(ROOT, target)
    assert sorted(tmp_path.iterdir()) == [target]
    logits = torch.randn(10_000, generator=seeded(0)) * 5
    found = []
    for library in (kernel._LIBRARY, kernel._load(target)):
        assert library is not None
        monkeypatch.setattr(kernel, "_LIBRARY", library)
        thresholds = kernel.uniform(logits.shape, seeded(1))
        found.append((thresholds, *decide_and_differentiate(logits, thresholds, 1.5)))
    (draws, decisions, derivative), others = found
    assert torch.equal(draws, others[0])
    assert torch.equal(decisions, others[1])
    # One of the two may fuse multiplication and addition, which rounds once instead of twice.
    torch.testing.assert_close(derivative, others[2], rtol=1e-6, atol=0)


def test_an_installation_without_a_compiler_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for compiler in (str(tmp_path / "no such compiler"), sys.executable):
        monkeypatch.setenv("CC", f"'{compiler}'")
        assert not builder().compile_kernels(ROOT, tmp_path / "kernel.so")
        assert "refining.c']; neurons and BinaryMuseGAN are slower" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("estimator", sorted(KEYED))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_a_batch_of_directions(estimator: str, dtype: torch.dtype) -> None:
    x = torch.randn(5, dtype=dtype)
    batched = torch.autograd.functional.jacobian(DBN(estimator, 1.5), x, vectorize=True)
    torch.testing.assert_close(batched, torch.autograd.functional.jacobian(DBN(estimator, 1.5), x))
