"""Choose the dtype of matrix products for ``precision: auto``."""

from __future__ import annotations

from typing import TypeVar

import torch

from bgmusic.training.loop_config import LoopConfig

AnyLoop = TypeVar("AnyLoop", bound=LoopConfig)


def multiplies_bfloat16(device: str | torch.device) -> bool:
    """Return whether the device multiplies bfloat16 matrices in hardware.

    Emulated products make training ten times slower than float32 instead of twice as fast.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older releases of torch have no such query; float32 is a safe choice there.
    has = dict(torch.cpu.get_capabilities()) if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(has.get("amx_bf16") or has.get("avx512_bf16"))


def settle_precision(config: AnyLoop, device: str | torch.device) -> AnyLoop:
    """Replace ``precision: auto`` by the fastest dtype of the device; other settings stay."""
    if config.precision != "auto":
        return config
    return config.model_copy(update={"precision": "bfloat16" if multiplies_bfloat16(device) else "float32"})


def settled_as(config: AnyLoop, kept: LoopConfig) -> AnyLoop:
    """Replace ``precision: auto`` by the precision of another training, possibly from another machine."""
    return config.model_copy(update={"precision": kept.precision}) if config.precision == "auto" else config
