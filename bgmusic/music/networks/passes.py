"""Kernels in C that pass over rows, a few at a time; called through ctypes, given a structure."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from bgmusic.neurons.kernel import PATH, is_plain, load, watched


class Kernel:
    """One of them: ``bgmusic_<name>_pass``, and ``_space`` and ``_version``, of the library that was built.

    Args:
        name: of the kernel.
        version: of its structure, as the source in C has it.
        addresses: the structure's pointers to float32 numbers (or words), by name and in order; ``space`` among them.
        counts: its integers after these; ``begin`` and ``end``, the rows of a call, among them.
        numbers: its float32 numbers after those.

    """

    def __init__(
        self, name: str, version: int, addresses: Sequence[str], counts: Sequence[str], numbers: Sequence[str] = ()
    ) -> None:
        self.name = name
        address, count = ctypes.c_void_p, ctypes.c_int64
        signatures: dict[str, list[Any]] = {f"bgmusic_{name}_space": [address] * 2, f"bgmusic_{name}_pass": [address]}
        self.library: Any = load(PATH, version, version=f"bgmusic_{name}_version", **signatures)
        kinds: list[tuple[Sequence[str], Any]] = [(addresses, address), (counts, count), (numbers, ctypes.c_float)]
        fields = [(each, kind) for names, kind in kinds for each in names]
        self._structure: Any = type(name, (ctypes.Structure,), {"_fields_": fields})

    def serves(self, *values: Tensor) -> bool:
        """Whether the kernel was built for this processor, and these are numbers of its kind here and now."""
        return (
            self.library is not None
            and not watched()
            and not (torch.amp.is_autocast_available("cpu") and torch.is_autocast_enabled("cpu"))
            and all(is_plain(each) for each in values)
        )

    def __call__(
        self,
        given: Mapping[str, Tensor],
        sizes: Mapping[str, float],
        rows: int,
        least: int,
        sums: Mapping[str, Sequence[int]] | None = None,
    ) -> dict[str, Tensor]:
        """Pass over all rows, with as many threads as torch's operations take.

        Args:
            given: what the pointers that are not null point to.
            sizes: integers and numbers.
            rows: how many are shared among threads.
            least: rows that are worth a thread of their own.
            sums: shapes of what is summed over rows, by name.

        Returns:
            The sums, by name.

        """
        shared = self._structure(**sizes, **{name: values.data_ptr() for name, values in given.items()})
        needed = ctypes.c_int64()
        getattr(self.library, f"bgmusic_{self.name}_space")(ctypes.byref(shared), ctypes.byref(needed))
        shapes = sums or {}
        made: dict[int, dict[str, Tensor]] = {}

        def share(begin: int, end: int) -> None:
            mine = {name: torch.zeros(*shape, dtype=torch.float32, device="cpu") for name, shape in shapes.items()}
            made[begin] = mine
            space = torch.empty(needed.value, dtype=torch.float32, device="cpu")
            call = self._structure.from_buffer_copy(shared)
            for name, values in {"space": space, **mine}.items():
                setattr(call, name, values.data_ptr())
            call.begin, call.end = begin, end
            getattr(self.library, f"bgmusic_{self.name}_pass")(ctypes.byref(call))

        _in_shares(share, rows, least)
        # In the order of rows, whichever thread was first: the same bits each time.
        first, *others = (made[begin] for begin in sorted(made))
        return {name: sum((each[name] for each in others), first[name]) for name in shapes}


def mirrored(half: Tensor) -> Tensor:
    """Symmetric matrices of what stands on and above their diagonals."""
    return half.triu() + half.triu(1).mT


def _in_shares(function: Callable[[int, int], None], count: int, least: int) -> None:
    """Call ``function(begin, end)`` for shares of ``range(count)`` at the same time; ctypes lets others run."""
    shares = max(1, min(torch.get_num_threads(), count // least))
    (begin, end), *others = ((count * n // shares, count * (n + 1) // shares) for n in range(shares))
    waiting = [_threads(shares - 1, os.getpid()).submit(function, *share) for share in others]
    try:
        function(begin, end)
    finally:  # what they write to must not be gone before
        wait(waiting)
    for each in waiting:
        each.result()


@lru_cache(maxsize=1)
def _threads(count: int, process: int) -> ThreadPoolExecutor:
    """Threads beside this one; of this process alone, since a fork takes none along."""
    return ThreadPoolExecutor(count)
