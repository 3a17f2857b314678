"""The game's rules: what an update computes, from which samples, and what stays out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toys import BITS, CountingSource, ToyDiscriminator, ToyGenerator, toy_game, weights_of

from bgmusic.gan.game import Game, _Round
from bgmusic.gan.game_config import GameConfig
from bgmusic.neurons import dbn
from bgmusic.training.loop import Callback
from bgmusic.training.protocols import Diverged

R1R2 = {"kind": "r1r2", "weight": 1.0}
WGAN_GP = {"kind": "wgan-gp", "weight": 10.0}
RULES: dict[str, dict[str, Any]] = {
    "gan": {"objective": "gan"},
    "wgan": {"objective": "wgan", "clip": 0.01, "g_optimizer": {"kind": "rmsprop"}, "d_optimizer": {"kind": "rmsprop"}},
    "wgan-gp": {"objective": "wgan", "penalty": WGAN_GP},
    "hinge": {"objective": "hinge", "penalty": R1R2},
    "relativistic": {"objective": "relativistic", "penalty": R1R2},
    "reused batch": {"objective": "wgan", "penalty": WGAN_GP, "d_updates": 3, "reuse_batch": True},
    "lazy, averaged, warmed up, annealed": {
        "objective": "relativistic",
        "penalty": {"kind": "r1r2", "weight": 4.0, "final_weight": 0.1, "every": 3},
        "average": {"horizon": 10, "ramp": 0.5},
        "warmup": {"updates": 4, "first": 2, "every": 5},
        "slope": {"growth": 1.1, "every": 2},
        "g_optimizer": {"rate": 0.01, "betas": [0.0, 0.99], "schedule": "cosine"},
        "accumulate": 2,
    },
}


class Recorder:
    """Keeps the gradients that an optimiser's step would use, and takes no step."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.gradients: list[list[Tensor]] = []
        self._weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        optimizer.step = self._record  # type: ignore[method-assign,assignment]

    def _record(self) -> None:
        self.gradients.append([weight.grad.clone() for weight in self._weights])


def deal(size: int) -> list[tuple[Tensor, Tensor]]:
    """The same real samples and noise, in parts of a size."""
    generator = torch.Generator().manual_seed(5)
    real = CountingSource().batch(8, generator)
    return list(zip(real.split(size), torch.randn(8, 4, generator=generator).split(size), strict=True))


@pytest.mark.parametrize("name", ["gan", "wgan", "wgan-gp", "hinge", "relativistic", "reused batch"])
def test_accumulated_gradients_equal_those_of_one_large_batch(name: str) -> None:
    results = []
    for size in (8, 2):
        game = toy_game(**RULES[name], accumulate=8 // size)
        recorders = Recorder(game.d_optimizer), Recorder(game.g_optimizer)
        game._deal = lambda size=size: [_Round(*pair) for pair in deal(size)]  # type: ignore[method-assign,misc]
        noises = iter([noise for _, noise in deal(size)])
        game._noise = lambda _, noises=noises: next(noises)  # type: ignore[method-assign,misc]
        game.advance()
        results.append([tensor for recorder in recorders for update in recorder.gradients for tensor in update])
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
    assert any(bool(tensor.abs().sum() > 0) for tensor in results[0])


def test_a_linear_discriminators_gradient_by_hand_and_the_lazy_penalty() -> None:
    """WGAN with R1 + R2 on ``D(x) = w x``: the loss gives mean(fake) - mean(real), the penalty 2 w."""
    linear = nn.Linear(BITS, 1, bias=False)
    rules = {"penalty": {"kind": "r1r2", "weight": 0.7, "every": 3}, "d_updates": 5}
    game = toy_game(discriminator=ToyDiscriminator(linear), objective="wgan", **rules)
    recorder = Recorder(game.d_optimizer)
    pairs = [(real, noise) for real, noise in [deal(8)[0]] for _ in range(5)]
    dealt = iter(pairs)
    game._deal = lambda: [_Round(*next(dealt))]  # type: ignore[method-assign]
    game.advance()
    generator = game.generator
    assert isinstance(generator, ToyGenerator)
    for update, ((gradient,), (real, noise)) in enumerate(zip(recorder.gradients, pairs, strict=True)):
        with torch.no_grad():
            expected = dbn(generator.body(noise)).mean(0) - real.mean(0)
        if update % 3 == 0:  # due, and three times as heavy
            expected = expected + 3 * 0.7 * 2 * linear.weight.detach()[0]
        torch.testing.assert_close(gradient[0], expected)


def test_a_linear_discriminators_wgan_gp_by_hand() -> None:
    linear = nn.Linear(BITS, 1, bias=False)
    game = toy_game(discriminator=ToyDiscriminator(linear), objective="wgan", penalty=WGAN_GP)
    recorder = Recorder(game.d_optimizer)
    (real, noise) = deal(8)[0]
    game._deal = lambda: [_Round(real, noise)]  # type: ignore[method-assign]
    game.advance()
    with torch.no_grad():
        weight = linear.weight[0]
        expected = dbn(game.generator.body(noise)).mean(0) - real.mean(0)  # type: ignore[operator]
        expected = expected + 10 * 2 * (weight.norm() - 1) * weight / weight.norm()
    torch.testing.assert_close(recorder.gradients[0][0][0], expected)


def test_generators_gradient_by_hand() -> None:
    """WGAN with ``D(x) = w x``: each logit's gradient is -w s (1 - s) / batch."""
    linear = nn.Linear(BITS, 1, bias=False)
    game = toy_game(discriminator=ToyDiscriminator(linear), objective="wgan", d_optimizer={"rate": 1e-12})
    recorder = Recorder(game.g_optimizer)
    (real, noise) = deal(8)[0]
    game._deal = lambda: [_Round(real, noise)]  # type: ignore[method-assign]
    game._noise = lambda _: noise  # type: ignore[method-assign]
    body = game.generator.body
    game.advance()
    with torch.no_grad():
        s = torch.sigmoid(body(noise))  # type: ignore[operator]
        by_logits = -linear.weight * s * (1 - s) / len(noise)
    torch.testing.assert_close(recorder.gradients[0][0], by_logits.T @ noise)
    torch.testing.assert_close(recorder.gradients[0][1], by_logits.sum(0))


@pytest.mark.parametrize(("reuse", "batches", "passes"), [(True, 1, 1), (False, 5, 6)])
def test_a_reused_batch_is_drawn_once_and_generated_once(reuse: bool, batches: int, passes: int) -> None:
    game = toy_game(d_updates=5, reuse_batch=reuse)
    assert isinstance(game.source, CountingSource)
    game.advance()
    assert game.source.batches == batches
    assert game.generator.calls == passes
    assert game.d_updates_done == 5


@pytest.mark.parametrize(("norm", "sizes"), [(False, [16, 8]), (True, [8, 8, 8])])
def test_batch_norm_in_the_discriminator_sees_data_and_samples_apart(norm: bool, sizes: list[int]) -> None:
    layers = [nn.Linear(BITS, 4), *([nn.BatchNorm1d(4)] if norm else []), nn.Linear(4, 1)]
    game = toy_game(discriminator=ToyDiscriminator(*layers), objective="gan")
    game.advance()
    assert game.discriminator.sizes == sizes


def test_clipping_keeps_the_discriminator_in_its_box() -> None:
    game = toy_game(**RULES["wgan"])
    before = [p.detach().clone() for p in game.generator.parameters()]
    game.advance()
    assert max(float(p.detach().abs().max()) for p in game.discriminator.parameters()) == pytest.approx(0.01)
    assert max(float(p.abs().max()) for p in before) > 0.01


def test_average_follows_the_recurrence() -> None:
    game = toy_game(average={"horizon": 5, "ramp": 1.0}, g_optimizer={"rate": 0.05})
    expected = [p.detach().clone() for p in game.generator.parameters()]
    for step in range(1, 12):
        game.advance()
        share = 1 / max(1, min(5, step))
        expected = [e + share * (p.detach() - e) for e, p in zip(expected, game.generator.parameters(), strict=True)]
    assert game.average is not None
    assert game.sampler is game.average
    for ours, theirs in zip(game.average.parameters(), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert not ours.requires_grad
    assert toy_game().sampler is not None
    assert toy_game().average is None


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    game = toy_game(average={"horizon": 4})
    for network in (game.generator, game.average):
        network.norm = nn.BatchNorm1d(3)  # type: ignore[union-attr]
    game.generator.norm.running_mean.fill_(8.0)  # type: ignore[union-attr,operator]
    game.generator.norm.num_batches_tracked.fill_(7)  # type: ignore[union-attr,operator]
    game.steps_done = 100
    game._follow_average()
    assert game.average.norm.running_mean.tolist() == [2.0] * 3  # type: ignore[union-attr]
    assert int(game.average.norm.num_batches_tracked) == 7  # type: ignore[union-attr,arg-type]


def test_slope_reaches_generator_and_average() -> None:
    game = toy_game(slope={"growth": 2.0, "every": 2, "limit": 3.0}, average={})
    slopes = []
    for _ in range(5):
        assert game.average is not None
        slopes.append((float(game.generator.neuron.slope), float(game.average.neuron.slope)))  # type: ignore[union-attr,arg-type]
        game.advance()
    assert slopes == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]


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


def test_weights_that_ask_for_no_gradient_stay() -> None:
    game = toy_game()
    game.generator.body.bias.requires_grad_(False)  # type: ignore[union-attr,operator]
    frozen = Game(game.generator, game.discriminator, game.source, game.config)
    before = frozen.generator.body.bias.clone()  # type: ignore[union-attr,operator]
    frozen.advance()
    assert torch.equal(frozen.generator.body.bias, before)  # type: ignore[union-attr,arg-type]


class Diary(Callback):
    def __init__(self) -> None:
        self.events: list[Any] = []

    def start(self, game: Game) -> None:
        self.events.append(("start", game.steps_done))

    def step(self, game: Game) -> None:
        self.events.append(("step", game.steps_done))

    def metrics(self, game: Game, values: dict[str, float]) -> None:
        self.events.append(("metrics", game.steps_done))
        assert set(values) <= set(Game.METRICS)

    def end(self, game: Game, interrupted: bool) -> None:
        self.events.append(("end", interrupted))


def test_callbacks_hear_everything_in_order_and_the_end_is_logged() -> None:
    diary = Diary()
    toy_game(steps=3, log_every=2).run([diary])
    steps: list[Any] = [("step", 1), ("metrics", 2), ("step", 2), ("metrics", 3), ("step", 3)]
    assert diary.events == [("start", 0), *steps, ("end", False)]


def test_metrics_are_means_since_the_last_time() -> None:
    rows: dict[int, list[dict[str, float]]] = {}
    for every in (1, 4):
        heard: list[dict[str, float]] = []
        callback = Callback()
        callback.metrics = lambda game, values, heard=heard: heard.append(values)  # type: ignore[method-assign,misc]
        toy_game(steps=8, log_every=every, **RULES["relativistic"]).run([callback])
        rows[every] = heard
    for number, row in enumerate(rows[4]):
        single = rows[1][4 * number : 4 * number + 4]
        assert set(row) == set(Game.METRICS) - {"imitation"}
        for name, value in row.items():
            assert value == pytest.approx(sum(each[name] for each in single) / 4)


def test_stop_ends_after_the_current_update() -> None:
    game, diary = toy_game(steps=100), Diary()
    game.run([diary], stop=lambda: game.steps_done >= 4)
    assert game.steps_done == 4
    assert diary.events[-1] == ("end", True)
    assert game.progress == pytest.approx(0.04)


def test_a_budget_of_seconds_replaces_steps() -> None:
    game = toy_game(steps=10**9)
    game = Game(game.generator, game.discriminator, game.source, game.config, seconds=1e-9)
    game.run()
    assert game.steps_done == 1
    assert game.progress == 1


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_a_restored_game_goes_on_exactly(name: str, neuron: str, tmp_path: Any) -> None:
    def play(game: Game, until: int) -> list[dict[str, float]]:
        heard: list[dict[str, float]] = []
        callback = Callback()
        callback.metrics = lambda game, values: heard.append(values)  # type: ignore[method-assign]
        game.run([callback], stop=lambda: game.steps_done >= until)
        return heard

    whole = toy_game(neuron, **RULES[name])
    heard = play(whole, 12)
    first = toy_game(neuron, **RULES[name])
    heard_again = play(first, 7)
    torch.save(first.state_dict(), tmp_path / "state")
    second = toy_game(neuron, seed=99, **RULES[name])  # its own draws are forgotten
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    heard_again += play(second, 12)
    assert heard_again == heard
    assert all(torch.equal(a, b) for a, b in zip(weights_of(whole), weights_of(second), strict=True))


def test_a_game_goes_on_on_a_device_that_it_did_not_begin_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherDraws(torch.Generator):
        """What a GPU's generator is to a state saved on a CPU: its own state has another size."""

        def get_state(self) -> Tensor:
            return torch.zeros(16, dtype=torch.uint8)

        def set_state(self, state: Tensor) -> OtherDraws:
            if len(state) != 16:
                raise RuntimeError("RNG state is wrong size")
            return self

    begun = toy_game("sbn")
    begun.advance()
    moved = toy_game("sbn", seed=99)
    monkeypatch.setattr(moved, "_draws", OtherDraws())
    moved.load_state_dict(begun.state_dict())
    moved.advance()
    assert moved.steps_done == 2


def test_the_same_seed_plays_the_same_game_and_another_does_not() -> None:
    games = [toy_game("sbn", seed=seed) for seed in (0, 0, 1)]
    for game in games:
        game.run()
    same, again, other = (torch.cat([w.flatten().float() for w in weights_of(game)]) for game in games)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def spread_thin(moments: dict[str, Tensor]) -> None:
    """Moments of the right shape with the memory of one number, which an optimiser's kernel would run beyond."""
    moments.update(exp_avg=torch.zeros(1).expand(moments["exp_avg"].shape))


SPOILED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no weights": lambda state: state.pop("generator"),
    "weights of another shape": lambda state: state["generator"].update({"body.bias": torch.zeros(7)}),
    "no moments": lambda state: state["d_optimizer"]["state"].pop(0),
    "moments of another shape": lambda state: state["g_optimizer"]["state"][0].update(exp_avg=torch.zeros(1)),
    "moments that are none": lambda state: state["g_optimizer"]["state"][0].update(exp_avg="many"),
    "unknown moments": lambda state: state["g_optimizer"]["state"][0].update(more=torch.zeros(1)),
    "moments without memory": lambda state: spread_thin(state["g_optimizer"]["state"][0]),
    "moments of an impossible step": lambda state: state["g_optimizer"]["state"][0].update(step=torch.tensor(-1.0)),
    "moments of no step": lambda state: state["g_optimizer"]["state"][0].update(step=torch.tensor(float("nan"))),
    "whole moments": lambda state: state["g_optimizer"]["state"][0].update(step=torch.tensor(1)),
    "sparse moments": lambda state: state["d_optimizer"]["state"][0].update(
        exp_avg=state["d_optimizer"]["state"][0]["exp_avg"].to_sparse()
    ),
    "moments of too many": lambda state: state["g_optimizer"]["state"].update({9: {}}),
    "no generator state": lambda state: state.update(rng=torch.zeros(3, dtype=torch.uint8)),
    "endless steps": lambda state: state.update(steps_done=float("inf")),
    "no steps": lambda state: state.update(steps_done=None),
    "steps below zero": lambda state: state.update(steps_done=-5),
    "sums of another shape": lambda state: state.update(sums=torch.zeros(2)),
    "a list": lambda state: state.update(discriminator=[1, 2]),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_a_state_that_does_not_fit_is_refused(spoil: Callable[[dict[str, Any]], Any]) -> None:
    game = toy_game()
    game.advance()
    state = game.state_dict()
    spoil(state)
    with pytest.raises((ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)):
        toy_game().load_state_dict(state)


def test_settings_of_an_optimiser_are_the_configs_not_the_files() -> None:
    game = toy_game()
    game.advance()
    state = game.state_dict()
    state["g_optimizer"]["param_groups"][0]["weight_decay"] = 1e9
    restored = toy_game()
    restored.load_state_dict(state)
    assert restored.g_optimizer.param_groups[0]["weight_decay"] == 0


@pytest.mark.parametrize("log_every", [1, 1000])
def test_divergence_is_said_and_never_becomes_a_checkpoint(log_every: int) -> None:
    rules: dict[str, Any] = {"steps": 50, "log_every": log_every, "objective": "wgan", "penalty": R1R2}
    game = toy_game(**rules, d_optimizer={"rate": 1e30}, g_optimizer={"rate": 1e30})
    game.check()
    with pytest.raises(Diverged, match="training diverged before step"):
        game.run()
    with pytest.raises(Diverged, match="not finite"):
        game.check()


@pytest.mark.parametrize("name", ["relativistic", "wgan-gp"])
def test_it_learns_which_bits_are_always_set(name: str) -> None:
    game = toy_game(**RULES[name] | {"g_optimizer": {"rate": 0.03}, "d_optimizer": {"rate": 0.03}}, steps=150)
    target = torch.tensor([1.0, 0, 1, 1, 0, 0])
    game.source.batch = lambda size, generator=None: target.expand(size, -1)  # type: ignore[method-assign]
    game.run()
    samples = game.sampler(torch.randn(100, 4, generator=torch.Generator().manual_seed(0)))
    assert (samples == target).float().mean() > 0.97


def test_a_config_that_can_not_be_played_is_refused() -> None:
    for rules in ({"batch": 8, "accumulate": 3}, {"batch": 2, "accumulate": 4}):
        with pytest.raises(ValueError, match="can't be split evenly"):
            GameConfig.model_validate(rules)


def test_a_budget_of_time_ends_with_the_final_slope() -> None:
    game = toy_game(slope={"final": 8})
    game.budget_seconds = 1e-9
    game.run()
    assert float(game.generator.neuron.slope) == pytest.approx(8)


def test_each_update_of_d_has_its_own_rate_while_rates_rise() -> None:
    game = toy_game(steps=2, d_updates=3, d_optimizer={"rate": 1.0, "rise": 5})
    rates = []
    step = game.d_optimizer.step
    game.d_optimizer.step = lambda: (rates.append(game.d_optimizer.param_groups[0]["lr"]), step())  # type: ignore[method-assign]
    game.run()
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
