"""Test imitation: the generator learns from the data directly, alone first, then together with the game."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from toys import CountingSource, FixedSource, MetricsRecorder, ToyDiscriminator, ToyGenerator, toy_game, weights_of

from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.loop_config import OptimizerConfig
from bgmusic.training.schedules import learning_rate


class Imitator(ToyGenerator):
    """A generator whose bias imitates the mean of the data."""

    def imitation(self, real: Tensor, generator: torch.Generator | None = None) -> Tensor:
        hidden = torch.rand(real.shape, generator=generator) < 0.5
        return (
            F.binary_cross_entropy_with_logits(self.body.bias.expand_as(real), real, reduction="none") * hidden
        ).mean()


def game_of(**rules: Any) -> Game:
    torch.manual_seed(1)
    settings = {"steps": 10, "batch": 8, "log_every": 5, "imitation": {"alone": 0.4}, **rules}
    return Game(Imitator("sbn"), ToyDiscriminator(), CountingSource(), GameConfig.model_validate(settings), 0)


def test_imitation_alone_trains_no_discriminator() -> None:
    game = game_of(g_optimizer={"rate": 0.1}, log_every=1)
    recorder = MetricsRecorder()
    d_before = [weight.clone() for weight in game.discriminator.parameters()]
    weight, bias = game.generator.body.weight.clone(), game.generator.body.bias.clone()
    game.run([recorder], stop=lambda: game.steps_done >= 4)
    assert game.d_updates_done == 0
    assert all(torch.equal(*pair) for pair in zip(d_before, game.discriminator.parameters(), strict=True))
    assert torch.equal(weight, game.generator.body.weight)  # the imitation loss does not use the noise
    assert not torch.equal(bias, game.generator.body.bias)
    game.run([recorder], stop=lambda: game.steps_done >= 5)  # after 40% of the steps the game starts
    assert game.d_updates_done == 1
    assert not torch.equal(weight, game.generator.body.weight)
    assert [set(row) for row in recorder.rows[:4]] == [{"imitation"}] * 4
    assert set(recorder.rows[4]) == {"imitation", "d_loss", "g_loss", "real_score", "fake_score"}


def test_the_loss_is_multiplied_by_its_weight() -> None:
    game = game_of(imitation={"alone": 0.0, "weight": 2.0})
    real = game.source.batch(8, torch.Generator().manual_seed(9))
    game.source = FixedSource(real)
    game.rng.manual_seed(5)
    game.imitate(2.0)
    loss = game.generator.imitation(real, torch.Generator().manual_seed(5))
    (alone,) = torch.autograd.grad(loss, game.generator.body.bias)
    torch.testing.assert_close(game.generator.body.bias.grad, 2 * alone)


def test_micro_batches_draw_from_the_source_once_each() -> None:
    game = game_of(accumulate=4)
    game.advance()
    assert game.source.batches == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("cut", [2, 4, 7])
def test_a_restored_training_continues_exactly(cut: int) -> None:
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


def test_a_network_without_an_imitation_loss_is_refused() -> None:
    with pytest.raises(TypeError, match="no imitation loss"):
        toy_game(imitation={"alone": 0.5}).advance()


def test_the_learning_rate_rises_before_it_falls() -> None:
    config = OptimizerConfig(rate=0.4, rise=4, schedule="linear")
    rates = [learning_rate(config, 0.0, updates) for updates in range(6)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert learning_rate(config, 0.5, 0) == pytest.approx(0.05)
    assert learning_rate(config, 0.5, 10) == pytest.approx(0.2)


def test_gradients_are_clipped_to_their_longest_norm() -> None:
    plain, cut = toy_game(), toy_game(g_optimizer={"longest": 1e-3}, d_optimizer={"longest": 1e-3})
    norms = []
    for game in (plain, cut):
        game.g_optimizer.step = lambda game=game: norms.append(  # type: ignore[method-assign,misc]
            torch.cat([weight.grad.flatten() for weight in game.generator.parameters()]).norm()
        )
        game.advance()
    assert norms[0] > 2e-3
    assert float(norms[1]) == pytest.approx(1e-3, rel=1e-3)
