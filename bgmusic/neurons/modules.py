"""Binary neurons as modules, which keep the slope and the temperature in the model's state."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bgmusic.neurons import functional
from bgmusic.neurons.estimators import RELAXED, TEMPERED, find


def _fill(buffer: Tensor, value: float, name: str) -> None:
    limits = torch.finfo(buffer.dtype)
    if not limits.tiny <= value <= limits.max:
        raise ValueError(
            f"the {name} must be a positive number between {limits.tiny:.2g} and {limits.max:.2g}, not {value}"
        )
    with torch.no_grad():
        buffer.fill_(value)


class Sloped(nn.Module):
    """Base of modules with a sigmoid whose slope can be annealed; the slope is a buffer of the ``state_dict``.

    Args:
        slope: the sigmoid's slope, a positive number.

    Raises:
        ValueError: the slope is not a positive number.

    """

    slope: Tensor

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("slope", torch.ones((), dtype=torch.float32))
        self.set_slope(slope)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Sloped:
        """Move the module; slopes and temperatures stay float32 in models of half precision, which would round them."""
        before = {name: self._buffers[name] for name in ("slope", "temperature") if name in self._buffers}
        super()._apply(fn, recurse)
        for name, old in before.items():
            new = self._buffers[name]
            if old is not None and new is not None and new.dtype != old.dtype:
                self._buffers[name] = new if old.is_meta else old.to(new.device)
        return self

    def set_slope(self, slope: float) -> None:
        """Set the sigmoid's slope in place.

        Raises:
            ValueError: the slope is not a positive, finite number.

        """
        _fill(self.slope, slope, "slope")


class BinaryNeuron(Sloped):
    """Base of all binary neurons: a gradient estimator by name, and a slope saved with the model.

    A neuron has no weights. It takes logits of any shape and floating type, in a hidden layer or the last one. Under a
    relaxed estimator (``concrete``) its output is relaxed in training mode only; in evaluation mode it outputs bits.

    Args:
        estimator: name of the gradient estimator, see :mod:`bgmusic.neurons.estimators`.
        slope: the sigmoid's initial slope.
        temperature: initial temperature, a buffer too; estimators without one ignore it and keep None.

    Raises:
        ValueError: the estimator is unknown, or slope or temperature is not a positive number.

    """

    temperature: Tensor | None

    def __init__(self, estimator: str = "sigmoid-adjusted", slope: float = 1.0, temperature: float = 1.0) -> None:
        super().__init__(slope)
        find(estimator)
        self.estimator = estimator
        buffer = torch.ones((), dtype=torch.float32)
        _fill(buffer, temperature, "temperature")
        # Without a temperature there is no buffer, so weights saved before temperatures existed still load.
        self.register_buffer("temperature", buffer if estimator in TEMPERED else None)

    def set_temperature(self, temperature: float) -> None:
        """Set the estimator's temperature in place; does nothing if the estimator has none.

        Raises:
            ValueError: the temperature is not a positive, finite number.

        """
        if self.temperature is not None:
            _fill(self.temperature, temperature, "temperature")

    def _temperature(self) -> float | Tensor:
        temperature = self.temperature
        return 1.0 if temperature is None else temperature

    def current_estimator(self) -> str:
        """Return the name of the estimator in use; in evaluation mode, bits replace a relaxed output."""
        return "straight-through" if not self.training and self.estimator in RELAXED else self.estimator

    def preactivate(self, logits: Tensor) -> Tensor:
        """Return the preactivated outputs ``sigmoid(slope x)``, of the logits' shape."""
        return functional.preactivate(logits, self.slope)

    def forward(
        self, logits: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Return zeros and ones of the logits' shape and type; the others are for stochastic neurons: :class:`SBN`."""
        raise TypeError("BinaryNeuron is the common base: use DBN or SBN")

    def extra_repr(self) -> str:
        """Return the estimator, slope and temperature for ``print(module)``."""
        values = {"slope": self.slope, "temperature": self.temperature}
        shown = (f"{k}={v.item():.4g}" for k, v in values.items() if v is not None and not v.is_meta)
        return ", ".join([f"estimator={self.estimator!r}", *shown])


class DBN(BinaryNeuron):
    """Deterministic binary neuron, ``u(sigmoid(slope x) - 0.5)``: see :func:`bgmusic.neurons.dbn`."""

    def forward(
        self, logits: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Return zeros and ones of the logits' shape and type; ``generator`` and ``thresholds`` are ignored."""
        return functional.dbn(logits, self.slope, self.current_estimator(), self._temperature())


class SBN(BinaryNeuron):
    """Stochastic binary neuron, ``u(sigmoid(slope x) - v)``, ``v ~ U[0, 1)``: see :func:`bgmusic.neurons.sbn`.

    It also samples in evaluation mode. :meth:`preactivate` gives the probabilities.
    """

    def forward(
        self, logits: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Return zeros and ones of the logits' shape and type.

        Args:
            logits: real numbers of any shape and floating type.
            generator: source of the draws, on the logits' device; the global one by default.
            thresholds: uniform numbers in [0, 1) to use instead of draws, broadcastable to the logits' shape.

        """
        name = self.current_estimator()
        return functional.sbn(logits, self.slope, name, generator, self._temperature(), thresholds)


class RealValued(BinaryNeuron):
    """Output the sigmoid without a decision: the papers' real-valued baseline, with the interface of a neuron.

    Binarize its outputs after training by :func:`bgmusic.neurons.hard_threshold` or
    :func:`bgmusic.neurons.bernoulli_sample`.
    """

    def forward(
        self, logits: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Return preactivated outputs in [0, 1], of the logits' shape and type; other arguments are ignored."""
        return self.preactivate(logits)


NEURONS: dict[str, type[BinaryNeuron]] = {"dbn": DBN, "sbn": SBN, "real": RealValued}


def set_slope(model: nn.Module, slope: float) -> int:
    """Set the slope of every binary neuron and score function in ``model``; return their number."""
    sloped = [module for module in model.modules() if isinstance(module, Sloped)]
    for module in sloped:
        module.set_slope(slope)
    return len(sloped)


def set_temperature(model: nn.Module, temperature: float) -> int:
    """Set the temperature of every binary neuron in ``model`` that has one; return their number."""
    neurons = [m for m in model.modules() if isinstance(m, BinaryNeuron) and m.temperature is not None]
    for neuron in neurons:
        neuron.set_temperature(temperature)
    return len(neurons)
