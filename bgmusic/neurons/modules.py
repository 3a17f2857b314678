"""Binary neurons as layers: thin modules over the functions, which keep the slope with the model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.neurons import functional
from bgmusic.neurons.estimators import RELAXED, TEMPERED, find


def _fill(buffer: Tensor, value: float, name: str) -> None:
    limits = torch.finfo(buffer.dtype)
    if not limits.tiny <= value <= limits.max:
        raise ValueError(f"a {name} is a positive number, not {value}")
    with torch.no_grad():
        buffer.fill_(value)


class Sloped(nn.Module):
    """A module with a sigmoid's slope, a buffer that ``state_dict`` carries and :meth:`set_slope` anneals.

    Raises:
        ValueError: the slope is not a positive number.

    """

    slope: Tensor

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("slope", torch.ones((), dtype=torch.float32))
        self.set_slope(slope)

    def set_slope(self, slope: float) -> None:
        """Set the sigmoid's slope, in place.

        Raises:
            ValueError: the slope is not a positive, finite number.

        """
        _fill(self.slope, slope, "slope")


class BinaryNeuron(Sloped):
    """What every binary neuron shares: an estimator by name, and a slope saved with the model.

    It has no weights, takes logits of any shape and floating type, and stands anywhere in a model, hidden or
    last. Under a relaxed estimator (``concrete``) its output is relaxed in training mode alone: evaluation decides.

    Args:
        estimator: name of the gradient estimator, see :mod:`bgmusic.neurons.estimators`.
        slope: the sigmoid's slope at the start.
        temperature: of the estimators that have one, a buffer too; None is kept for the others.

    Raises:
        ValueError: the estimator is unknown, or slope or temperature are not positive numbers.

    """

    temperature: Tensor | None

    def __init__(self, estimator: str = "sigmoid-adjusted", slope: float = 1.0, temperature: float = 1.0) -> None:
        super().__init__(slope)
        find(estimator)
        self.estimator = estimator
        # Others have no buffer, so that their saved weights are what they were before there were temperatures.
        buffer = torch.ones((), dtype=torch.float32)
        _fill(buffer, temperature, "temperature")
        self.register_buffer("temperature", buffer if estimator in TEMPERED else None)

    def set_temperature(self, temperature: float) -> None:
        """Set the estimator's temperature, in place; nothing happens where it has none.

        Raises:
            ValueError: the temperature is not a positive, finite number.

        """
        if self.temperature is not None:
            _fill(self.temperature, temperature, "temperature")

    def _temperature(self) -> float | Tensor:
        # Not by the attribute, which torch looks for in three places: this is a small neuron's time.
        if "temperature" not in self._buffers:  # somebody learns it
            return self.temperature if isinstance(self.temperature, Tensor) else 1.0
        temperature = self._buffers["temperature"]
        return 1.0 if temperature is None else temperature

    def current_estimator(self) -> str:
        """Name of the estimator in use: a relaxed one gives way to plain decisions in evaluation mode."""
        return "straight-through" if not self.training and self.estimator in RELAXED else self.estimator

    def preactivate(self, logits: Tensor) -> Tensor:
        """Preactivated outputs ``sigmoid(slope x)``, of the logits' shape."""
        return functional.preactivate(logits, self.slope)

    def forward(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Decide: zeros and ones of the logits' shape and type; ``generator`` feeds a stochastic neuron."""
        raise TypeError("BinaryNeuron is the common base: use DBN or SBN")

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        values = {"slope": self.slope, "temperature": self.temperature}
        shown = (f"{k}={v.item():.4g}" for k, v in values.items() if v is not None and not v.is_meta)
        return ", ".join([f"estimator={self.estimator!r}", *shown])


class DBN(BinaryNeuron):
    """Deterministic binary neuron, ``u(sigmoid(slope x) - 0.5)``: see :func:`bgmusic.neurons.dbn`."""

    def forward(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Decide: zeros and ones of the logits' shape and type. ``generator`` is not needed and ignored."""
        return functional.dbn(logits, self.slope, self.current_estimator(), self._temperature())


class SBN(BinaryNeuron):
    """Stochastic binary neuron, ``u(sigmoid(slope x) - v)``: see :func:`bgmusic.neurons.sbn`.

    It draws in evaluation mode too: being stochastic is what it is. ``preactivate`` gives the probabilities.
    """

    def forward(
        self, logits: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Decide: zeros and ones of the logits' shape and type.

        Draws come from ``generator`` if given; ``thresholds``, uniform numbers of the caller's, take their place.
        """
        name = self.current_estimator()
        return functional.sbn(logits, self.slope, name, generator, self._temperature(), thresholds)


class RealValued(BinaryNeuron):
    """No decision: preactivated outputs pass as they are, the papers' real-valued baseline.

    They are binarized after training, by :func:`bgmusic.neurons.hard_threshold` or
    :func:`bgmusic.neurons.bernoulli_sample`. It has the neurons' interface, so that models are built alike.
    """

    def forward(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Preactivated outputs in [0, 1], of the logits' shape and type. ``generator`` is ignored."""
        return self.preactivate(logits)


NEURONS: dict[str, type[BinaryNeuron]] = {"dbn": DBN, "sbn": SBN, "real": RealValued}


def set_slope(model: nn.Module, slope: float) -> int:
    """Set the slope of every binary neuron in ``model`` (and score function); returns how many there are."""
    sloped = [module for module in model.modules() if isinstance(module, Sloped)]
    for module in sloped:
        module.set_slope(slope)
    return len(sloped)


def set_temperature(model: nn.Module, temperature: float) -> int:
    """Set the temperature of every binary neuron in ``model`` that has one; returns how many there are."""
    neurons = [m for m in model.modules() if isinstance(m, BinaryNeuron) and m.temperature is not None]
    for neuron in neurons:
        neuron.set_temperature(temperature)
    return len(neurons)
