"""Test the adversarial game: losses, penalties and gradients of one update, and which samples it uses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from toys import (
    BITS,
    RULES,
    WGAN_GP,
    CountingSource,
    ToyDiscriminator,
    fixed_batch,
    fixed_game,
    toy_game,
)

from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.neurons import dbn


class Recorder:
    """Record the gradients at each step of an optimizer, in place of the step."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.gradients: list[list[Tensor]] = []
        self._weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        optimizer.step = self._record  # type: ignore[method-assign,assignment]

    def _record(self) -> None:
        self.gradients.append([weight.grad.clone() for weight in self._weights])


@pytest.mark.parametrize("name", ["gan", "wgan", "wgan-gp", "hinge", "relativistic", "reused batch"])
def test_accumulated_gradients_equal_those_of_one_large_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each micro-batch draws points of its own: take the middle instead.
    monkeypatch.setattr("bgmusic.gan.penalties.interpolate", lambda real, fake, _: (real + fake) / 2)
    results = []
    for size in (8, 2):
        game = fixed_game(**RULES[name], accumulate=8 // size)
        recorders = Recorder(game.d_optimizer), Recorder(game.g_optimizer)
        game.advance()
        results.append([tensor for recorder in recorders for update in recorder.gradients for tensor in update])
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
    assert any(bool(tensor.abs().sum() > 0) for tensor in results[0])


def test_gradient_of_a_linear_discriminator_by_hand_with_a_lazy_penalty() -> None:
    """WGAN with R1 + R2 on ``D(x) = w x``: the loss gives mean(fake) - mean(real), the penalty 2 w."""
    linear = nn.Linear(BITS, 1, bias=False)
    rules = {"penalty": {"kind": "r1r2", "weight": 0.7, "every": 3}, "d_updates": 5}
    game = fixed_game(ToyDiscriminator(linear), objective="wgan", **rules)
    recorder = Recorder(game.d_optimizer)
    body = nn.Linear(4, BITS)
    body.load_state_dict(game.generator.body.state_dict())  # type: ignore[union-attr,operator]
    game.advance()
    real, noise = fixed_batch()
    assert len(recorder.gradients) == 5
    for update, (gradient,) in enumerate(recorder.gradients):
        with torch.no_grad():
            expected = dbn(body(noise)).mean(0) - real.mean(0)
        if update % 3 == 0:  # the penalty is due, with three times its weight
            expected = expected + 3 * 0.7 * 2 * linear.weight.detach()[0]
        torch.testing.assert_close(gradient[0], expected)


def test_wgan_gp_gradient_of_a_linear_discriminator_by_hand() -> None:
    linear = nn.Linear(BITS, 1, bias=False)
    game = fixed_game(ToyDiscriminator(linear), objective="wgan", penalty=WGAN_GP)
    recorders = Recorder(game.d_optimizer), Recorder(game.g_optimizer)
    game.advance()
    real, noise = fixed_batch()
    with torch.no_grad():
        weight = linear.weight[0]
        expected = dbn(game.generator.body(noise)).mean(0) - real.mean(0)  # type: ignore[operator]
        expected = expected + 10 * 2 * (weight.norm() - 1) * weight / weight.norm()
    torch.testing.assert_close(recorders[0].gradients[0][0][0], expected)


def test_generator_gradient_by_hand() -> None:
    """WGAN with ``D(x) = w x``: each logit's gradient is -w s (1 - s) / batch."""
    linear = nn.Linear(BITS, 1, bias=False)
    game = fixed_game(ToyDiscriminator(linear), objective="wgan")
    recorders = Recorder(game.d_optimizer), Recorder(game.g_optimizer)
    game.advance()
    _, noise = fixed_batch()
    with torch.no_grad():
        s = torch.sigmoid(game.generator.body(noise))  # type: ignore[operator]
        by_logits = -linear.weight * s * (1 - s) / len(noise)
    torch.testing.assert_close(recorders[1].gradients[0][0], by_logits.T @ noise)
    torch.testing.assert_close(recorders[1].gradients[0][1], by_logits.sum(0))


@pytest.mark.parametrize(("reuse", "batches", "passes"), [(True, 1, 1), (False, 5, 6)])
def test_a_reused_batch_is_drawn_once_and_generated_once(reuse: bool, batches: int, passes: int) -> None:
    game = toy_game(d_updates=5, reuse_batch=reuse)
    assert isinstance(game.source, CountingSource)
    game.advance()
    assert game.source.batches == batches
    assert game.generator.calls == passes
    assert game.d_updates_done == 5


@pytest.mark.parametrize(("norm", "sizes"), [(False, [16, 8]), (True, [8, 8, 8])])
def test_a_discriminator_with_batch_norm_sees_real_and_fake_samples_separately(norm: bool, sizes: list[int]) -> None:
    layers = [nn.Linear(BITS, 4), *([nn.BatchNorm1d(4)] if norm else []), nn.Linear(4, 1)]
    game = toy_game(discriminator=ToyDiscriminator(*layers), objective="gan")
    game.advance()
    assert game.discriminator.sizes == sizes


def test_clipping_limits_the_weights_of_the_discriminator() -> None:
    game = toy_game(**RULES["wgan"])
    before = [p.detach().clone() for p in game.generator.parameters()]
    game.advance()
    assert max(float(p.detach().abs().max()) for p in game.discriminator.parameters()) == pytest.approx(0.01)
    assert max(float(p.abs().max()) for p in before) > 0.01


@pytest.mark.parametrize("name", ["wgan-gp", "relativistic", "hinge"])
def test_bfloat16_stays_close_to_float32(name: str) -> None:
    games = [toy_game("real", **RULES[name], precision=precision) for precision in ("float32", "bfloat16")]
    gradients = []
    for game in games:
        recorders = Recorder(game.d_optimizer), Recorder(game.g_optimizer)
        game.advance()
        gradients.append([tensor for recorder in recorders for tensor in recorder.gradients[0]])
    for exact, rough in zip(*gradients, strict=True):
        assert rough.dtype == torch.float32
        assert (rough - exact).norm() <= 0.03 * exact.norm() + 1e-3
    assert not all(torch.equal(exact, rough) for exact, rough in zip(*gradients, strict=True))


def test_frozen_weights_do_not_change() -> None:
    game = toy_game()
    game.generator.body.bias.requires_grad_(False)  # type: ignore[union-attr,operator]
    frozen = Game(game.generator, game.discriminator, game.source, game.config)
    before = frozen.generator.body.bias.clone()  # type: ignore[union-attr,operator]
    frozen.advance()
    assert torch.equal(frozen.generator.body.bias, before)  # type: ignore[union-attr,arg-type]


@pytest.mark.parametrize("name", ["relativistic", "wgan-gp"])
def test_a_generator_learns_constant_bits(name: str) -> None:
    game = toy_game(**RULES[name] | {"g_optimizer": {"rate": 0.03}, "d_optimizer": {"rate": 0.03}}, steps=150)
    target = torch.tensor([1.0, 0, 1, 1, 0, 0])
    game.source.batch = lambda size, generator=None: target.expand(size, -1)  # type: ignore[method-assign]
    game.run()
    samples = game.sampler(torch.randn(100, 4, generator=torch.Generator().manual_seed(0)))
    assert (samples == target).float().mean() > 0.97


def test_batches_that_cannot_be_split_evenly_are_refused() -> None:
    for rules in ({"batch": 8, "accumulate": 3}, {"batch": 2, "accumulate": 4}):
        with pytest.raises(ValueError, match="split evenly"):
            GameConfig.model_validate(rules)


def test_rising_rates_count_the_updates_of_the_discriminator() -> None:
    game = toy_game(steps=2, d_updates=3, d_optimizer={"rate": 1.0, "rise": 5})
    rates = []
    step = game.d_optimizer.step
    game.d_optimizer.step = lambda: (rates.append(game.d_optimizer.param_groups[0]["lr"]), step())  # type: ignore[method-assign]
    game.run()
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
