"""The registry of estimators by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

Estimator = Callable[..., Tensor]
"""``(logits, threshold, slope) -> output``, all of the logits' shape except the 0-d slope.

``threshold`` is None for the deterministic neuron, or float32 draws from U[0, 1). An estimator registered as
``tempered`` takes a fourth argument, the temperature: a positive number or 0-d tensor.
"""

ESTIMATORS: dict[str, Estimator] = {}
TEMPERED: set[str] = set()
RELAXED: set[str] = set()

_E = TypeVar("_E", bound=Callable[..., Any])


def register(name: str, *, tempered: bool = False, relaxed: bool = False) -> Callable[[_E], _E]:
    """Register the decorated function as the estimator ``name`` of every neuron.

    Defining the same function again, as in a notebook's cell that is run twice, replaces it.

    Args:
        name: the ``estimator`` argument of a neuron.
        tempered: the estimator takes a temperature as its fourth argument.
        relaxed: its output lies between 0 and 1. Neurons still output bits in evaluation mode.

    Raises:
        ValueError: another function has this name.

    """

    def add(estimator: _E) -> _E:
        if name in ESTIMATORS and _origin(ESTIMATORS[name]) != _origin(estimator):
            raise ValueError(f"an estimator named {name!r} exists already: choose another name")
        ESTIMATORS[name] = estimator
        for names, included in ((TEMPERED, tempered), (RELAXED, relaxed)):
            names.discard(name)
            names.update([name] if included else [])
        return estimator

    return add


def _origin(estimator: Callable[..., Any]) -> tuple[str | None, str | None]:
    return getattr(estimator, "__module__", None), getattr(estimator, "__qualname__", None)


def find(name: str) -> Estimator:
    """Return the estimator called ``name``.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.

    """
    try:
        return ESTIMATORS[name]
    except KeyError:
        raise ValueError(f"unknown estimator {name!r}; known: {', '.join(sorted(ESTIMATORS))}") from None
