"""The compiled kernel of the neurons on a CPU (``kernel.c``), where it could be built; all else works without it.

It draws uniform numbers, and decides and differentiates in one pass over memory. Torch's own operations take over
where it does not serve: on GPUs, in other types than float32, in compiled graphs, traces and ``torch.func``, and with
more than two threads, which torch's operations share and the kernel does not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_VERSION = 1  # as kernel.c has it
_MOST_THREADS = 2
_PLAIN = (Tensor, torch.nn.Parameter)


def _load(path: Path) -> ctypes.CDLL | None:
    """The library, if there is one and it is this version's."""
    try:
        library = ctypes.CDLL(str(path))
        if library.bgmusic_version() != _VERSION:
            return None
    except (OSError, AttributeError):
        return None
    address, count = ctypes.c_void_p, ctypes.c_int64
    library.bgmusic_uniform.argtypes = [ctypes.c_uint64, address, count]
    library.bgmusic_decide.argtypes = [address, address, ctypes.c_float, address, address, count]
    library.bgmusic_uniform.restype = library.bgmusic_decide.restype = None
    return library


_LIBRARY: Any = _load(Path(__file__).with_name("_kernel.so"))


def available() -> bool:
    """Whether the kernel was built and loaded. Seeds give other draws with it than without it."""
    return _LIBRARY is not None


def draws(device: torch.device | None) -> bool:
    """Whether the kernel draws for that device here and now."""
    if _LIBRARY is None or (device is not None and device.type != "cpu"):
        return False
    # Graphs, torch.jit.trace and torch.func follow torch's operations alone.
    return not (torch.compiler.is_compiling() or torch._C._is_tracing() or torch._C._are_functorch_transforms_active())


def uniform(shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
    """Float32 numbers from U[0, 1); of the generator, torch's global one by default, one 64-bit number is the key."""
    key = torch.empty((), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    numbers = torch.empty(shape, dtype=torch.float32)
    _LIBRARY.bgmusic_uniform(key.item() % 2**64, numbers.data_ptr(), numbers.numel())
    return numbers


def decides(logits: Tensor, thresholds: Tensor | None) -> bool:
    """Whether the kernel decides on these logits here and now; thresholds have their shape."""
    return (
        draws(logits.device)
        and _plain(logits)
        and (thresholds is None or _plain(thresholds))
        and torch.get_num_threads() <= _MOST_THREADS
    )


def _plain(x: Tensor) -> bool:
    # A subclass may be anything, a tensor without memory of its own too.
    return x.dtype is torch.float32 and type(x) in _PLAIN and x.is_contiguous()


def decide(logits: Tensor, thresholds: Tensor | None, slope: float) -> Tensor:
    """Decisions ``u(sigmoid(slope x) - v)`` of the logits' shape."""
    decisions = torch.empty_like(logits)
    _run(logits, thresholds, slope, decisions, None)
    return decisions


def decide_and_differentiate(logits: Tensor, thresholds: Tensor | None, slope: float) -> tuple[Tensor, Tensor]:
    """The same, and ``slope p (1 - p)``, ``p = sigmoid(slope x)``."""
    decisions, derivative = torch.empty_like(logits), torch.empty_like(logits)
    _run(logits, thresholds, slope, decisions, derivative)
    return decisions, derivative


def _run(logits: Tensor, thresholds: Tensor | None, slope: float, decisions: Tensor, derivative: Tensor | None) -> None:
    _LIBRARY.bgmusic_decide(
        logits.data_ptr(),
        None if thresholds is None else thresholds.data_ptr(),
        slope,
        decisions.data_ptr(),
        None if derivative is None else derivative.data_ptr(),
        logits.numel(),
    )
