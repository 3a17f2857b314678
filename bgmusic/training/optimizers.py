"""Make optimizers from configs, and restore their moments from an untrusted checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bgmusic.training.loop_config import OptimizerConfig


def make_optimizer(config: OptimizerConfig, weights: Sequence[Tensor]) -> torch.optim.Optimizer:
    """Make Adam or RMSprop over the given weights."""
    if config.kind == "adam" and config.decay:
        matrices = [weight for weight in weights if weight.dim() > 1]
        others = [weight for weight in weights if weight.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": config.decay}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=config.rate, betas=config.betas, fused=True
        )
    if config.kind == "adam":
        return torch.optim.Adam(weights, lr=config.rate, betas=config.betas, fused=True)
    return torch.optim.RMSprop(weights, lr=config.rate, alpha=config.smoothing, foreach=True)


def _is_plain(value: Tensor) -> bool:
    real = value.dtype.is_floating_point and value.layout is torch.strided
    return real and value.device.type == "cpu" and value.is_contiguous()


def restore_moments(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore an optimizer's moments from a state on the CPU; its settings stay unchanged.

    Raises:
        AttributeError, KeyError, RuntimeError, TypeError, ValueError: the state has no moments of these weights.

    """
    moments = {"exp_avg", "exp_avg_sq"} if isinstance(optimizer, torch.optim.Adam) else {"square_avg"}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    kept = state["state"]
    if kept and set(kept) != set(range(len(weights))):
        raise ValueError("moments of other weights")
    for number, values in kept.items():
        # The fused optimizers trust shapes and strides, and would read beyond the memory of a hostile tensor.
        shapes = dict.fromkeys(moments, weights[number].shape) | {"step": torch.Size()}
        if {name: value.shape for name, value in values.items()} != shapes:
            raise ValueError("moments with another shape than their weight")
        if not all(_is_plain(value) for value in values.values()):
            raise ValueError("moments that are not plain contiguous tensors")
        if not 0 <= float(values["step"]) < math.inf:
            raise ValueError("a step below zero or not finite")
    own = {number: {name: value.clone() for name, value in values.items()} for number, values in kept.items()}
    optimizer.load_state_dict({"state": own, "param_groups": optimizer.state_dict()["param_groups"]})
