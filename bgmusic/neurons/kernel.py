"""The compiled kernel of the neurons on a CPU (``kernel.c``), where it could be built; all else works without it.

It draws uniform numbers, decides, and differentiates, each in one pass over memory. Torch's own operations take over
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
from torch.autograd import forward_ad

_VERSION = 3  # as kernel.c has it
_MOST_THREADS = 2
_PLAIN = (Tensor, torch.nn.Parameter)


def load(path: Path, number: int, version: str, **signatures: Sequence[Any]) -> Any:
    """A compiled library, ready to be called; None where there is none, or not one of this version.

    Args:
        path: of the library.
        number: what its function ``version`` must return.
        version: that function's name.
        signatures: argument types of its other functions, none of which returns anything.

    """
    try:
        library = ctypes.CDLL(str(path))
        if getattr(library, version)() != number:
            return None
        for name, arguments in signatures.items():
            function = getattr(library, name)
            function.argtypes, function.restype = list(arguments), None
    except (OSError, AttributeError):
        return None
    return library


def _load(path: Path) -> Any:
    address, count, key, slope = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64, ctypes.c_float
    return load(
        path,
        _VERSION,
        version="bgmusic_version",
        bgmusic_uniform=[key, address, count],
        bgmusic_decide=[address, address, slope, address, count],
        bgmusic_draw_and_decide=[address, key, slope, address, count],
        bgmusic_differentiate=[address, address, slope, address, count],
    )


PATH = Path(__file__).parents[1] / "_kernels.so"
"""The library of all that is written in C."""

_LIBRARY: Any = _load(PATH)


def available() -> bool:
    """Whether the kernel was built and loaded. Seeds give other draws with it than without it."""
    return _LIBRARY is not None


def draws(device: torch.device) -> bool:
    """Whether the kernel draws for that device here and now."""
    return _LIBRARY is not None and device.type == "cpu" and not watched()


def watched() -> bool:
    """Whether a graph, a trace, a mode, torch.func or forward-mode differentiation follows torch's operations: what the
    kernel does, and numbers that are looked at, they would miss.
    """
    return (
        torch.compiler.is_compiling()
        or torch._C._is_tracing()
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack() > 0
        or forward_ad._current_level >= 0
    )


def draw_key(generator: torch.Generator | None) -> int:
    """What draws are made from: 64 bits of the generator, torch's global one by default."""
    key = torch.empty((), dtype=torch.int64, device="cpu").random_(-(2**63), None, generator=generator)
    return int(key.item()) % 2**64


def draw(key: int, shape: Sequence[int]) -> Tensor:
    """Float32 numbers from U[0, 1), the same for the same key."""
    numbers = torch.empty(shape, dtype=torch.float32, device="cpu")  # whatever the default device is
    _LIBRARY.bgmusic_uniform(key, numbers.data_ptr(), numbers.numel())
    return numbers


def uniform(shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
    """Float32 numbers from U[0, 1), of one key."""
    return draw(draw_key(generator), shape)


def decides(logits: Tensor, thresholds: Tensor | int | None) -> bool:
    """Whether the kernel decides on these logits here and now; thresholds have their shape, or are a key."""
    return (
        _LIBRARY is not None
        and not watched()
        and is_plain(logits)
        and (not isinstance(thresholds, Tensor) or is_plain(thresholds))
        and torch.get_num_threads() <= _MOST_THREADS
    )


def is_plain(x: Tensor) -> bool:
    """Whether memory holds the tensor's float32 numbers one after the other, on the CPU."""
    # A subclass may be anything; a batch of gradients has no memory of its own; a view may only promise to be negated.
    usual = x.dtype is torch.float32 and x.is_cpu and type(x) in _PLAIN and x.is_contiguous()
    return usual and torch._C._has_storage(x) and not x.is_neg()


def decide(logits: Tensor, thresholds: Tensor | int | None, slope: float) -> Tensor:
    """Decisions ``u(sigmoid(slope x) - v)`` of the logits' shape.

    ``v`` are the thresholds, or what :func:`draw` makes of their key, or (None) a half.
    """
    decisions = torch.empty_like(logits)
    if isinstance(thresholds, int):
        _LIBRARY.bgmusic_draw_and_decide(logits.data_ptr(), thresholds, slope, decisions.data_ptr(), logits.numel())
    else:
        given = None if thresholds is None else thresholds.data_ptr()
        _LIBRARY.bgmusic_decide(logits.data_ptr(), given, slope, decisions.data_ptr(), logits.numel())
    return decisions


def differentiate(logits: Tensor, gradients: Tensor, slope: float) -> Tensor:
    """``slope p (1 - p)`` times the gradients, ``p = sigmoid(slope x)``; no part of any graph."""
    results = torch.empty_like(logits)
    _LIBRARY.bgmusic_differentiate(logits.data_ptr(), gradients.data_ptr(), slope, results.data_ptr(), logits.numel())
    return results
