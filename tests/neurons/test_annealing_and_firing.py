"""Schedules of slope and temperature, and the firing recorder."""

import math
import pickle

import pytest
import torch
from torch import nn

from bgmusic.neurons import DBN, SBN, Annealing, BinaryDense, FiringRecorder, Glide, Stairs, set_temperature


def test_stairs_change_every_n_steps_up_to_the_limit() -> None:
    stairs = Stairs(1.1, every=100, limit=5)
    values = [stairs(step) for step in (0, 99, 100, 250, 10**9)]
    assert values == pytest.approx([1, 1, 1.1, 1.21, 5])
    assert Stairs(0.5, limit=0.1)(1000) == 0.1


@pytest.mark.parametrize("factor", [1.1, 0.9])
def test_stairs_without_a_limit_stay_positive_and_finite(factor: float) -> None:
    neuron = SBN("concrete")
    annealing = Annealing(neuron, Stairs(factor), Stairs(factor))
    annealing.load_state_dict({"count": 10**6})
    annealing.step()
    assert 0 < float(neuron.slope) < math.inf


def test_glide_changes_by_equal_factors_and_then_stays_constant() -> None:
    glide = Glide(1.0, 0.01, 100)
    assert [glide(step) for step in (0, 50, 100, 1000)] == pytest.approx([1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("values", [{"factor": 0}, {"factor": math.nan}, {"every": 0}, {"start": -1}, {"limit": 0}])
def test_stairs_refuse_numbers_that_are_not_positive(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="stairs need"):
        Stairs(**values)  # type: ignore[arg-type]


def test_glide_refuses_numbers_that_are_not_positive() -> None:
    for start, end, steps in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="glide"):
            Glide(start, end, steps)


def test_annealing_follows_the_step_and_resumes() -> None:
    def model() -> nn.Sequential:
        return nn.Sequential(BinaryDense(3, 3), BinaryDense(3, 2, SBN("concrete")))

    first = Annealing(model(), slope=Stairs(2.0, every=2), temperature=Glide(1.0, 0.25, 4))
    seen = []
    for _ in range(5):
        neuron = first.model[1].neuron
        seen.append((float(neuron.slope), float(neuron.temperature)))
        first.step()
    assert seen == [pytest.approx(pair) for pair in ((1, 1), (1, 0.5**0.5), (2, 0.5), (2, 0.5**1.5), (4, 0.25))]
    again = Annealing(model(), slope=Stairs(2.0, every=2))
    again.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))  # noqa: S301 (our own)
    assert float(again.model[0].neuron.slope) == 4
    with pytest.raises(ValueError, match="no neuron"):
        Annealing(nn.Linear(2, 2), slope=Stairs())
    with pytest.raises(ValueError, match="no rule"):
        Annealing(model())


def test_rates_saturation_and_stuck_units() -> None:
    model = nn.Sequential(nn.Identity(), DBN(slope=2.0))
    always, never, half = 3.0, -3.0, torch.tensor([1.0, -1.0, 1.0, -1.0])
    x = torch.stack([torch.full((4,), always), torch.full((4,), never), half], 1)
    with FiringRecorder(model, edge=0.01) as recorder:
        model(x)
        model(-x[:, [1, 0, 2]])
    model(x)  # outside: not recorded
    (name, firing), *others = recorder.report().items()
    assert (name, others) == ("1", [])
    assert firing.rate == pytest.approx(0.5)
    assert firing.decisions == 24
    assert firing.saturation == pytest.approx(2 / 3)  # |2 * 3| is beyond log(99), |2 * 1| is not
    assert firing.stuck == pytest.approx(2 / 3)
    recorder.reset()
    assert recorder.report()["1"].decisions == 0
    assert math.isnan(recorder.report()["1"].rate)


def test_recorder_accepts_changing_shapes_and_keyword_arguments() -> None:
    neuron = SBN()
    with FiringRecorder(neuron) as recorder:
        neuron(logits=torch.zeros(5, 3))
        neuron(torch.zeros(5, 4), torch.Generator())
        neuron(torch.zeros(7))
    firing = recorder.report()[""]
    assert firing.decisions == 42
    assert firing.stuck is None
    with FiringRecorder(neuron) as recorder:
        neuron(torch.zeros(0, 3))
        assert math.isnan(recorder.report()[""].rate)
        neuron(torch.tensor(1.0))
        assert recorder.report()[""].decisions == 1
    with pytest.raises(ValueError, match="edge"):
        FiringRecorder(neuron, edge=0.5)


def test_only_tempered_neurons_have_a_temperature_buffer() -> None:
    # Weights saved without a temperature load, also into a model on the meta device.
    assert set(DBN().state_dict()) == {"slope"}
    assert set(SBN("concrete").state_dict()) == {"slope", "temperature"}
    model = nn.Sequential(DBN(), SBN("reinmax"))
    assert set_temperature(model, 0.5) == 1
    with torch.device("meta"):
        empty = nn.Sequential(DBN(), SBN("reinmax"))
    empty.load_state_dict(model.state_dict(), assign=True)
    assert empty.to("cpu")[1].extra_repr() == "estimator='reinmax', slope=1, temperature=0.5"
    assert empty.to("meta")[1].extra_repr() == "estimator='reinmax'"
    with pytest.raises(ValueError, match="temperature"):
        DBN(temperature=0)
