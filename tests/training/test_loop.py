"""Test the training loop: callbacks, metrics, budgets, averaging, the slope, and exact resumption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toys import R1R2, RULES, CountingSource, MetricsRecorder, ToyDiscriminator, ToyGenerator, toy_game, weights_of

from bgmusic.gan.game import Game
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.loop import Callback, Training
from bgmusic.training.protocols import Diverged

# ---- callbacks, metrics and budgets


class EventRecorder(Callback):
    """Record the events of a training."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def start(self, training: Training) -> None:
        self.events.append(("start", training.steps_done))

    def step(self, training: Training) -> None:
        self.events.append(("step", training.steps_done))

    def metrics(self, training: Training, values: dict[str, float]) -> None:
        self.events.append(("metrics", training.steps_done))
        assert set(values) <= set(training.METRICS)

    def end(self, training: Training, interrupted: bool) -> None:
        self.events.append(("end", interrupted))


def test_callbacks_receive_all_events_in_order_and_the_last_step_is_logged() -> None:
    recorder = EventRecorder()
    toy_game(steps=3, log_every=2).run([recorder])
    steps: list[Any] = [("step", 1), ("metrics", 2), ("step", 2), ("metrics", 3), ("step", 3)]
    assert recorder.events == [("start", 0), *steps, ("end", False)]


def test_metrics_are_means_since_the_last_event() -> None:
    rows: dict[int, list[dict[str, float]]] = {}
    for every in (1, 4):
        recorder = MetricsRecorder()
        toy_game(steps=8, log_every=every, **RULES["relativistic"]).run([recorder])
        rows[every] = recorder.rows
    for number, row in enumerate(rows[4]):
        single = rows[1][4 * number : 4 * number + 4]
        assert set(row) == set(Game.METRICS) - {"imitation"}
        for name, value in row.items():
            assert value == pytest.approx(sum(each[name] for each in single) / 4)


def test_stop_ends_after_the_current_update() -> None:
    game, recorder = toy_game(steps=100), EventRecorder()
    game.run([recorder], stop=lambda: game.steps_done >= 4)
    assert game.steps_done == 4
    assert recorder.events[-1] == ("end", True)
    assert game.progress == pytest.approx(0.04)


def test_a_budget_of_seconds_replaces_steps() -> None:
    game = toy_game(steps=10**9)
    game = Game(game.generator, game.discriminator, game.source, game.config, seconds=1e-9)
    game.run()
    assert game.steps_done == 1
    assert game.progress == 1


@pytest.mark.parametrize("log_every", [1, 1000])
def test_divergence_is_an_error_and_never_saved(log_every: int) -> None:
    rules: dict[str, Any] = {"steps": 50, "log_every": log_every, "objective": "wgan", "penalty": R1R2}
    game = toy_game(**rules, d_optimizer={"rate": 1e30}, g_optimizer={"rate": 1e30})
    game.check()
    with pytest.raises(Diverged, match="diverged before step"):
        game.run()
    with pytest.raises(Diverged, match="not finite"):
        game.check()


# ---- averaging and the slope


def test_the_average_follows_its_recurrence() -> None:
    game = toy_game(average={"horizon": 5, "ramp": 1.0}, g_optimizer={"rate": 0.05})
    expected = [p.detach().clone() for p in game.generator.parameters()]
    for step in range(1, 12):
        game.advance()
        share = 1 / max(1, min(5, step))
        expected = [e + share * (p.detach() - e) for e, p in zip(expected, game.generator.parameters(), strict=True)]
    assert game.average is not None
    assert game.sampler is game.average
    for weight, value in zip(game.average.parameters(), expected, strict=True):
        torch.testing.assert_close(weight, value)
        assert not weight.requires_grad
    assert toy_game().average is None
    assert toy_game().sampler is not None


class NormedGenerator(ToyGenerator):
    """A generator with batch norm, whose running statistics change in each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, noise: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return super().forward(self.norm(noise), generator)


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    torch.manual_seed(1)
    config = GameConfig.model_validate({"steps": 9, "batch": 8, "average": {"horizon": 4, "ramp": 1.0}})
    generator = NormedGenerator()
    game = Game(generator, ToyDiscriminator(), CountingSource(), config)
    assert isinstance(game.average, NormedGenerator)
    expected = torch.zeros(4)
    for step in range(1, 8):
        game.advance()
        expected += (generator.norm.running_mean - expected) / min(4, step)
    assert not torch.equal(expected, generator.norm.running_mean)
    torch.testing.assert_close(game.average.norm.running_mean, expected)
    assert game.average.norm.num_batches_tracked == generator.norm.num_batches_tracked > 0


def test_the_slope_is_set_in_the_generator_and_its_average() -> None:
    game = toy_game(slope={"growth": 2.0, "every": 2, "limit": 3.0}, average={})
    slopes = []
    for _ in range(5):
        assert game.average is not None
        slopes.append((float(game.generator.neuron.slope), float(game.average.neuron.slope)))  # type: ignore[union-attr,arg-type]
        game.advance()
    assert slopes == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]


def test_a_budget_of_seconds_ends_with_the_final_slope() -> None:
    game = toy_game(slope={"final": 8})
    game.budget_seconds = 1e-9
    game.run()
    assert float(game.generator.neuron.slope) == pytest.approx(8)


# ---- resumption


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_a_restored_training_continues_exactly(name: str, neuron: str, tmp_path: Path) -> None:
    def play(game: Game, until: int) -> list[dict[str, float]]:
        recorder = MetricsRecorder()
        game.run([recorder], stop=lambda: game.steps_done >= until)
        return recorder.rows

    whole = toy_game(neuron, **RULES[name])
    rows = play(whole, 12)
    first = toy_game(neuron, **RULES[name])
    resumed_rows = play(first, 7)
    torch.save(first.state_dict(), tmp_path / "state")
    second = toy_game(neuron, seed=99, **RULES[name])  # the state replaces its random stream
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    resumed_rows += play(second, 12)
    assert resumed_rows == rows
    assert all(torch.equal(a, b) for a, b in zip(weights_of(whole), weights_of(second), strict=True))


def test_a_state_saved_on_another_device_is_restored() -> None:
    """The random state of a GPU (16 bytes) does not fit the generator of a CPU; tests/test_cuda.py has the rest."""
    begun = toy_game("sbn")
    begun.advance()
    moved = toy_game("sbn", seed=99)
    moved.load_state_dict({**begun.state_dict(), "draws": torch.zeros(16, dtype=torch.uint8)})
    moved.advance()
    assert moved.steps_done == 2


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not() -> None:
    games = [toy_game("sbn", seed=seed) for seed in (0, 0, 1)]
    for game in games:
        game.run()
    same, again, other = (torch.cat([w.flatten().float() for w in weights_of(game)]) for game in games)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def without_memory(moments: dict[str, Tensor]) -> None:
    """Give the moments the right shape but the memory of one number: an optimizer's kernel would write beyond it."""
    moments.update(exp_avg=torch.zeros(1).expand(moments["exp_avg"].shape))


def first_moments(state: dict[str, Any], optimizer: str = "g_optimizer") -> dict[str, Any]:
    moments: dict[str, Any] = state[optimizer]["state"][0]
    return moments


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no weights": lambda state: state.pop("generator"),
    "weights of another shape": lambda state: state["generator"].update({"body.bias": torch.zeros(7)}),
    "no moments": lambda state: state["d_optimizer"]["state"].pop(0),
    "moments of another shape": lambda state: first_moments(state).update(exp_avg=torch.zeros(1)),
    "moments of another type": lambda state: first_moments(state).update(exp_avg="many"),
    "unknown moments": lambda state: first_moments(state).update(more=torch.zeros(1)),
    "moments without memory": lambda state: without_memory(first_moments(state)),
    "negative optimizer step": lambda state: first_moments(state).update(step=torch.tensor(-1.0)),
    "optimizer step is nan": lambda state: first_moments(state).update(step=torch.tensor(float("nan"))),
    "integer optimizer step": lambda state: first_moments(state).update(step=torch.tensor(1)),
    "sparse moments": lambda state: first_moments(state, "d_optimizer").update(
        exp_avg=first_moments(state, "d_optimizer")["exp_avg"].to_sparse()
    ),
    "moments of too many weights": lambda state: state["g_optimizer"]["state"].update({9: {}}),
    "random state too short": lambda state: state.update(rng=torch.zeros(3, dtype=torch.uint8)),
    "infinite steps": lambda state: state.update(steps_done=float("inf")),
    "steps are null": lambda state: state.update(steps_done=None),
    "negative steps": lambda state: state.update(steps_done=-5),
    "sums of another shape": lambda state: state.update(sums=torch.zeros(2)),
    "discriminator is a list": lambda state: state.update(discriminator=[1, 2]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_state_that_does_not_fit_is_refused(damage: Callable[[dict[str, Any]], Any]) -> None:
    game = toy_game()
    game.advance()
    state = game.state_dict()
    damage(state)
    with pytest.raises((ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)):
        toy_game().load_state_dict(state)


def test_optimizer_settings_come_from_the_config_not_from_the_state() -> None:
    game = toy_game()
    game.advance()
    state = game.state_dict()
    state["g_optimizer"]["param_groups"][0]["weight_decay"] = 1e9
    restored = toy_game()
    restored.load_state_dict(state)
    assert restored.g_optimizer.param_groups[0]["weight_decay"] == 0
