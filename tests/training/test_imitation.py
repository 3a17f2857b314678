"""A generator that learns from the data directly: alone first, then beside the game."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from toys import CountingSource, ToyDiscriminator, ToyGenerator, toy_game, weights_of

from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.loop_config import OptimizerConfig
from bgmusic.training.schedules import learning_rate


class Imitator(ToyGenerator):
    """Its offset shall be the data's."""

    def imitation(self, real: Tensor, generator: torch.Generator | None = None) -> Tensor:
        hidden = torch.rand(real.shape, generator=generator) < 0.5
        return (
            F.binary_cross_entropy_with_logits(self.body.bias.expand_as(real), real, reduction="none") * hidden
        ).mean()


def game_of(**rules: Any) -> Game:
    torch.manual_seed(1)
    settings = {"steps": 10, "batch": 8, "log_every": 5, "imitation": {"alone": 0.4}, **rules}
    return Game(Imitator("sbn"), ToyDiscriminator(), CountingSource(), GameConfig.model_validate(settings), 0)


def test_alone_it_learns_without_a_discriminator() -> None:
    game = game_of(g_optimizer={"rate": 0.1})
    d_before = [weight.clone() for weight in game.discriminator.parameters()]
    weight, bias = game.generator.body.weight.clone(), game.generator.body.bias.clone()
    for _ in range(4):
        game.advance()
    assert game.d_updates_done == 0
    assert all(torch.equal(*pair) for pair in zip(d_before, game.discriminator.parameters(), strict=True))
    assert torch.equal(weight, game.generator.body.weight)  # noise has no part in it
    assert not torch.equal(bias, game.generator.body.bias)
    assert set(game._means()) == {"imitation"}
    game.advance()  # 40% are over: now it plays
    assert game.d_updates_done == 1
    assert not torch.equal(weight, game.generator.body.weight)
    assert set(game._means()) == {"imitation", "d_loss", "g_loss", "real_score", "fake_score"}


def test_its_loss_has_its_weight() -> None:
    game = game_of(imitation={"alone": 0.0, "weight": 2.0})
    real = game.source.batch(8, torch.Generator().manual_seed(9))
    game.source = _Same(real)  # type: ignore[assignment]
    game.rng.manual_seed(5)
    game.imitate(2.0)
    loss = game.generator.imitation(real, torch.Generator().manual_seed(5))
    (alone,) = torch.autograd.grad(loss, game.generator.body.bias)
    torch.testing.assert_close(game.generator.body.bias.grad, 2 * alone)


class _Same:
    """A source that deals the same samples, and draws nothing."""

    def __init__(self, real: Tensor) -> None:
        self.real = real

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        return self.real


def test_micro_batches_give_the_same_number_of_samples() -> None:
    game = game_of(accumulate=4)
    game.advance()
    assert game.source.batches == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("cut", [2, 4, 7])
def test_it_goes_on_as_if_never_interrupted(cut: int) -> None:
    whole, part, later = (
        game_of(average={"horizon": 5}),
        game_of(average={"horizon": 5}),
        game_of(average={"horizon": 5}),
    )
    whole.run()
    for _ in range(cut):
        part.advance()
    later.load_state_dict(part.state_dict())
    later.run()
    assert all(torch.equal(*pair) for pair in zip(weights_of(whole), weights_of(later), strict=True))


def test_others_have_nothing_to_imitate_with() -> None:
    with pytest.raises(TypeError, match="no imitation loss"):
        toy_game(imitation={"alone": 0.5}).advance()


def test_a_rate_rises_before_it_falls() -> None:
    config = OptimizerConfig(rate=0.4, rise=4, schedule="linear")
    rates = [learning_rate(config, 0.0, updates) for updates in range(6)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert learning_rate(config, 0.5, 0) == pytest.approx(0.05)
    assert learning_rate(config, 0.5, 10) == pytest.approx(0.2)


def test_long_gradients_are_cut() -> None:
    plain, cut = toy_game(), toy_game(g_optimizer={"longest": 1e-3}, d_optimizer={"longest": 1e-3})
    norms = []
    for game in (plain, cut):
        game.g_optimizer.step = lambda game=game: norms.append(  # type: ignore[method-assign,misc]
            torch.cat([weight.grad.flatten() for weight in game.generator.parameters()]).norm()
        )
        game.advance()
    assert norms[0] > 2e-3
    assert float(norms[1]) == pytest.approx(1e-3, rel=1e-3)
