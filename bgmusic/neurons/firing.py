"""Recording how neurons fire: rate, saturation, and units whose bit never changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bgmusic.neurons.modules import BinaryNeuron


@dataclass(frozen=True)
class Firing:
    """Statistics of one neuron module over all recorded calls.

    Attributes:
        rate: fraction of ones.
        saturation: fraction of logits whose probability is within ``edge`` of 0 or 1, where gradients vanish.
        stuck: fraction of units (all dimensions but the batch) with a constant bit; None if rows differed in shape.
        decisions: number of bits.

    """

    rate: float
    saturation: float
    stuck: float | None
    decisions: int


class _Counts:
    """Running sums of one module, kept on its device: a GPU is synchronized only for a report."""

    def __init__(self) -> None:
        self.ones: Tensor | float = 0.0
        self.saturated: Tensor | float = 0.0
        self.decisions = 0
        self.rows = 0
        self.units: Tensor | None = None
        self.same_shape = True

    def add(self, bits: Tensor, logits: Tensor, edge: float) -> None:
        units = bits.detach().flatten(1).double().sum(0) if bits.dim() > 1 else bits.detach().double().sum()[None]
        self.ones = self.ones + units.sum()
        self.saturated = self.saturated + (logits.detach().abs() > edge).sum()
        self.decisions += bits.numel()
        self.rows += len(bits) if bits.dim() else 1
        if self.units is not None and self.units.shape != units.shape:
            self.same_shape = False
        elif self.same_shape:
            self.units = units if self.units is None else self.units + units

    def report(self) -> Firing:
        stuck = None
        if not self.decisions:
            return Firing(math.nan, math.nan, None, 0)
        if self.same_shape and self.units is not None:
            stuck = float(((self.units == 0) | (self.units == self.rows)).double().mean())
        return Firing(float(self.ones) / self.decisions, float(self.saturated) / self.decisions, stuck, self.decisions)


class FiringRecorder:
    """Record every binary neuron of a model inside a ``with`` block::

        with FiringRecorder(model) as recorder:
            model(batch)
        print(recorder.report()["hidden.neuron"].rate)

    Record a model compiled by ``torch.compile`` from its first call on: the compiler ignores hooks added later.

    Args:
        model: model whose neurons are recorded; they are looked up once, by their names in it.
        edge: a probability within this distance of 0 or 1 counts as saturated.

    Raises:
        ValueError: ``edge`` is not between 0 and 0.5.

    """

    def __init__(self, model: nn.Module, edge: float = 0.01) -> None:
        if not 0 < edge < 0.5:
            raise ValueError(f"edge must lie between 0 and 0.5, not {edge}")
        self._edge = math.log(1 / edge - 1)  # in slope * logit
        self._neurons = {name: m for name, m in model.named_modules() if isinstance(m, BinaryNeuron)}
        self._counts: dict[str, _Counts] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> FiringRecorder:
        for name, neuron in self._neurons.items():
            self._handles.append(neuron.register_forward_hook(self._hook(name), with_kwargs=True))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, name: str) -> Any:
        @torch.no_grad()
        def record(module: BinaryNeuron, args: tuple[Any, ...], kwargs: dict[str, Any], bits: Tensor) -> None:
            logits = args[0] if args else kwargs["logits"]
            self._counts.setdefault(name, _Counts()).add(bits, module.slope * logits, self._edge)

        return record

    def report(self) -> dict[str, Firing]:
        """Return the statistics of each neuron by its name; a neuron that did not run has 0 decisions and NaN rates."""
        return {name: self._counts.get(name, _Counts()).report() for name in self._neurons}

    def reset(self) -> None:
        """Delete all recorded statistics."""
        self._counts.clear()
