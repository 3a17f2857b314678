"""In which type a training does its matrix work, where its config leaves that to the device."""

from __future__ import annotations

from typing import TypeVar

import torch

from bgmusic.training.loop_config import LoopConfig

AnyLoop = TypeVar("AnyLoop", bound=LoopConfig)


def multiplies_bfloat16(device: str | torch.device) -> bool:
    """Whether the device has instructions of its own for products in bfloat16.

    Without them torch emulates such products: a training is then ten times slower than in float32, not twice as fast.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older releases of torch don't tell: float32 is then never far from the best.
    has = dict(torch.cpu.get_capabilities()) if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(has.get("amx_bf16") or has.get("avx512_bf16"))


def settle_precision(config: AnyLoop, device: str | torch.device) -> AnyLoop:
    """The config with ``precision: auto`` replaced by what is fastest on the device; others as they are."""
    if config.precision != "auto":
        return config
    return config.model_copy(update={"precision": "bfloat16" if multiplies_bfloat16(device) else "float32"})


def settled_as(config: AnyLoop, kept: LoopConfig) -> AnyLoop:
    """The config with ``precision: auto`` replaced by what another training, perhaps of another machine, has."""
    return config.model_copy(update={"precision": kept.precision}) if config.precision == "auto" else config
