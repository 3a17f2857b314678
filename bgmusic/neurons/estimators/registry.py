"""Estimators found by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

Estimator = Callable[..., Tensor]
"""``(logits, threshold, slope) -> output``, all of the logits' shape but the 0-d slope.

``threshold`` is None for the deterministic neuron, or float32 draws from U[0, 1). One that is registered as
``tempered`` takes a fourth argument, the temperature: a positive number or 0-d tensor. One that is registered as
``keyed`` may be given a number, the compiled kernel's key, from which such draws are made while it decides.
"""

ESTIMATORS: dict[str, Estimator] = {}
TEMPERED: set[str] = set()
RELAXED: set[str] = set()
KEYED: set[str] = set()

_E = TypeVar("_E", bound=Callable[..., Any])


def register(name: str, *, tempered: bool = False, relaxed: bool = False, keyed: bool = False) -> Callable[[_E], _E]:
    """Decorate an estimator to make it known to every neuron as ``name``.

    Args:
        name: what a neuron asks for.
        tempered: it has a temperature, its fourth argument.
        relaxed: its output lies between 0 and 1; a neuron decides in evaluation mode all the same.
        keyed: its threshold may be a key of the compiled kernel's, where that decides.

    The same function, defined again (as a notebook's cell is run twice), replaces itself.

    Raises:
        ValueError: the name is taken.

    """

    def add(estimator: _E) -> _E:
        if name in ESTIMATORS and _place(ESTIMATORS[name]) != _place(estimator):
            raise ValueError(f"an estimator named {name!r} exists already")
        ESTIMATORS[name] = estimator
        for names, among in ((TEMPERED, tempered), (RELAXED, relaxed), (KEYED, keyed)):
            names.discard(name)
            names.update([name] if among else [])
        return estimator

    return add


def _place(estimator: Callable[..., Any]) -> tuple[str | None, str | None]:
    return getattr(estimator, "__module__", None), getattr(estimator, "__qualname__", None)


def find(name: str) -> Estimator:
    """The estimator called ``name``.

    Raises:
        ValueError: there is none; the message lists those there are.

    """
    try:
        return ESTIMATORS[name]
    except KeyError:
        raise ValueError(f"unknown estimator {name!r}; known: {', '.join(sorted(ESTIMATORS))}") from None
