"""The interface of score functions: calls of the loss, results and errors."""

import copy

import pytest
import torch
from torch import Tensor, nn

from bgmusic.neurons import SBN, SCORE_FUNCTIONS, ScoreFunction, expected_loss, register_score, set_slope
from bgmusic.neurons.score import REBAR, RLOO, AdjustedReinforce, DisARM, Exact, Reinforce

NAMES = sorted(SCORE_FUNCTIONS)


def loss(bits: Tensor) -> Tensor:
    return (bits.flatten(1).sum(1) - 1.3) ** 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 2), (5,)])
def test_shapes_and_calls(name: str, shape: tuple[int, ...]) -> None:
    calls = []

    def counted(bits: Tensor) -> Tensor:
        assert bits.shape == shape
        calls.append(bits)
        return loss(bits.reshape(len(bits), -1))

    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    losses = SCORE_FUNCTIONS[name]()(counted, logits, torch.Generator().manual_seed(1))
    assert losses.shape == (5,)
    losses.sum().backward()
    assert logits.grad is not None
    assert logits.grad.shape == shape
    assert logits.grad.abs().sum() > 0
    bits = logits[0].numel()
    assert len(calls) == {"exact": 2**bits, "rebar": 3, "rloo": 2, "arm": 2, "disarm": 2}.get(name, 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_losses_own_parameters_get_their_ordinary_gradient(name: str) -> None:
    scale = torch.tensor(2.0, requires_grad=True)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    losses = SCORE_FUNCTIONS[name]()(lambda bits: scale * loss(bits), logits, generator)
    losses.sum().backward()
    # The loss is linear in the scale, so its derivative is the value over the scale.
    assert float(scale.grad) == pytest.approx(float(losses.detach().sum()) / 2, rel=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"rebar"}))
def test_the_loss_need_not_be_differentiable(name: str) -> None:
    logits = torch.zeros(4, 3, requires_grad=True)
    losses = SCORE_FUNCTIONS[name]()(
        lambda bits: (bits.detach().sum(1) > 1).float(), logits, torch.Generator().manual_seed(0)
    )
    losses.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_draws_come_from_the_generator_alone(name: str) -> None:
    logits = torch.randn(6, 3)
    before = torch.get_rng_state()
    results = [SCORE_FUNCTIONS[name]()(loss, logits, torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*results)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_without_a_batch_dimension_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="one loss for each row"):
        SCORE_FUNCTIONS[name]()(lambda bits: bits.sum(), torch.zeros(4, 3))


@pytest.mark.parametrize("name", NAMES)
def test_certain_bits_stay_finite(name: str) -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0]], requires_grad=True)
    losses = SCORE_FUNCTIONS[name]()(loss, logits, torch.Generator().manual_seed(0))
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"rebar"}))
def test_a_loss_may_be_an_integer(name: str) -> None:
    logits = torch.randn(20, 3).requires_grad_()
    gradients = []
    for kind in (torch.int64, torch.float32):
        losses = SCORE_FUNCTIONS[name]()(
            lambda b, kind=kind: b.to(kind).sum(1), logits, torch.Generator().manual_seed(0)
        )
        assert losses.dtype == torch.float32
        gradients += torch.autograd.grad(losses.sum(), logits)
    assert torch.equal(*gradients)
    assert gradients[0].abs().sum() > 0


def test_results_without_gradients() -> None:
    with torch.no_grad():
        for name in NAMES:
            assert not SCORE_FUNCTIONS[name]()(loss, torch.zeros(4, 3)).requires_grad


def test_the_adjusted_baseline_is_the_minimum_variance_one() -> None:
    # c = E[(b - p)^2 f] / E[(b - p)^2] for each bit, reached after many batches of the same loss.
    logits = torch.tensor([[0.5, -1.0]])
    score = AdjustedReinforce((2,), decay=0.9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        score(lambda b: b[:, 0] + 2 * b[:, 1] + 1, logits.expand(2000, -1), generator)
    p = torch.sigmoid(logits[0])
    mean = float(p[0] + 2 * p[1] + 1)
    # Given b_i, the rest of the loss is independent of (b_i - p_i)^2, which weights the rarer value more.
    expected = torch.stack([mean + (1 - 2 * p[0]), mean + 2 * (1 - 2 * p[1])])
    torch.testing.assert_close(score.weighted / score.weight, expected, rtol=0.01, atol=0)
    frozen = copy.deepcopy(score).eval()
    frozen(loss, logits, generator)
    assert torch.equal(frozen.weight, score.weight)
    losses = torch.tensor([5.0, 7.0])
    torch.testing.assert_close(
        frozen.advantage(losses, torch.zeros(2, 2)), losses[:, None] - expected, rtol=0, atol=0.05
    )


def test_first_batch_of_the_adjusted_one_is_plain_reinforce() -> None:
    grads = []
    for score in (Reinforce(), AdjustedReinforce((3,))):
        logits = torch.ones(4, 3, requires_grad=True)
        score(loss, logits, torch.Generator().manual_seed(0)).sum().backward()
        grads.append(logits.grad)
    assert torch.equal(*grads)


def test_rebar_follows_its_formula() -> None:
    # With eta = 0 it is REINFORCE. The control variate changes single samples but not their mean.
    def level(bits: Tensor) -> Tensor:
        return bits.sum(1) + 3

    logits = torch.zeros(20_000, 2, requires_grad=True)
    means = []
    for eta, temperature in ((0.0, 0.5), (1.0, 0.5), (1.0, 1.3)):
        score = REBAR(eta, temperature=temperature)
        (grad,) = torch.autograd.grad(score(level, logits, torch.Generator().manual_seed(0)).sum(), logits)
        means.append((grad.mean(0), grad.std(0)))
    for mean, deviation in means[1:]:
        assert (deviation < 0.5 * means[0][1]).all()
        assert ((means[0][0] - mean).abs() < 4 * means[0][1] / 20_000**0.5).all()
    assert not torch.equal(means[1][0], means[2][0])


def test_misuse_is_refused() -> None:
    for samples in (1, 2.5):
        with pytest.raises(ValueError, match="2 or more"):
            RLOO(samples)
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        AdjustedReinforce(decay=1.0)
    with pytest.raises(ValueError, match="temperature"):
        REBAR(temperature=0)
    with pytest.raises(ValueError, match="16 bits"):
        Exact()(loss, torch.zeros(1, 17))
    with pytest.raises(ValueError, match="exists already"):
        register_score("disarm")(DisARM)
    with pytest.raises(TypeError, match="common base"):
        ScoreFunction()(loss, torch.zeros(1, 2))
    with pytest.raises(ValueError, match="differentiable"):
        REBAR()(lambda bits: (bits.sum(1) > 1).float(), torch.zeros(2, 3, requires_grad=True))
    with pytest.raises(TypeError, match="return a tensor"):
        DisARM()(lambda bits: 1.0, torch.zeros(2, 3))
    for estimator in ("disarm", DisARM, SBN):
        with pytest.raises(TypeError, match="one such as"):
            expected_loss(loss, torch.zeros(1, 2), estimator)


def test_neurons_and_score_functions_share_a_slope() -> None:
    model = nn.ModuleList([SBN(), RLOO(), nn.Linear(2, 2)])
    assert set_slope(model, 2.5) == 2
    assert float(model[1].slope) == 2.5
    with pytest.raises(ValueError, match="one loss for each row"):
        expected_loss(lambda bits: bits.sum(), torch.zeros(4, 3), SBN())


@pytest.mark.parametrize("name", NAMES)
def test_infinite_logits_stay_finite(name: str) -> None:
    logits = torch.tensor([[0.3, -torch.inf, 1.0], [0.3, torch.inf, 1.0]]).requires_grad_()
    losses = SCORE_FUNCTIONS[name]()(lambda bits: (bits @ torch.tensor([1.0, 2.0, 3.0])) ** 2, logits)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_baseline_in_another_type_and_after_infinite_losses(dtype: torch.dtype) -> None:
    score = AdjustedReinforce((3,)).to(dtype)
    logits = torch.zeros(4, 3, dtype=dtype, requires_grad=True)
    for worst in (1.0, torch.inf, torch.nan, 1.0):
        losses = score(lambda bits, worst=worst: bits.sum(1) * worst, logits)
        assert losses.dtype == dtype
        if worst == 1.0:
            (gradient,) = torch.autograd.grad(losses.sum(), logits)
            assert losses.isfinite().all()
            assert gradient.isfinite().all()
    assert score.weighted.isfinite().all()
    assert score.weighted.dtype == dtype
    assert (score.weighted > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_large_losses_of_half_precision_logits_keep_their_value(name: str) -> None:
    logits = torch.zeros(4, 3, dtype=torch.float16, requires_grad=True)
    losses = SCORE_FUNCTIONS[name]()(lambda bits: (bits.float().sum(1) + 1) * 300_000, logits)
    assert losses.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_inference_mode_and_empty_batches(name: str) -> None:
    with torch.inference_mode():
        assert SCORE_FUNCTIONS[name]()(lambda bits: bits.sum(1), torch.zeros(4, 3)).shape == (4,)
    assert SCORE_FUNCTIONS[name]()(lambda bits: bits.sum(1), torch.zeros(0, 3, requires_grad=True)).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("logits", [torch.ones(4, 3, dtype=torch.int64), torch.tensor(0.5)], ids=["integers", "0-d"])
def test_logits_of_the_wrong_type_or_shape_are_refused(name: str, logits: Tensor) -> None:
    for estimator in (SCORE_FUNCTIONS[name](), SBN()):
        with pytest.raises(ValueError, match="logits must"):
            expected_loss(loss, logits, estimator)


def test_a_baseline_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"baselines have shape \(2,\)"):
        AdjustedReinforce((2,))(loss, torch.zeros(4, 2, 2))
