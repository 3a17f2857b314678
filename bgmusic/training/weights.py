"""Write and read generators as safetensors files with their kind and config. Files are untrusted when read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.version import __version__
from bgmusic.yaml import Config, validate

AnyConfig = TypeVar("AnyConfig", bound=Config)

KINDS = ("digits", "music", "plans")


def save_generator(path: Path, generator: nn.Module, config: Config, kind: str, half: bool = False) -> None:
    """Write a generator's weights as safetensors, with its kind and config as metadata.

    Args:
        path: the file.
        generator: the network.
        config: its config.
        kind: ``digits``, ``music`` or ``plans``.
        half: write float32 as float16, for half the size; it is converted back when read.

    """
    weights = {name: value.detach().cpu().contiguous() for name, value in generator.state_dict().items()}
    if half:
        weights = {name: _halved(value) for name, value in weights.items()}
    metadata = {"bgmusic": __version__, "kind": kind, "config": config.model_dump_json()}
    write_bytes(path, _sorted_header(save(weights, metadata)))


def _halved(value: Tensor) -> Tensor:
    return value.half() if value.dtype == torch.float32 else value


def _sorted_header(content: bytes) -> bytes:
    """Sort the keys of a safetensors header, whose order is random, so that equal runs write equal files."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors stay aligned
    return len(header).to_bytes(8, "little") + header + content[end:]


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a generator's file.

    Raises:
        UserError: the file is missing or corrupt.

    """
    if not path.parent.is_dir():
        what = f"{path.parent} is a file, not" if path.parent.exists() else f"there is no run {path.parent}: give"
        raise UserError(f"{what} the folder of a run")
    if not path.is_file():
        if not (path.parent / "config.yaml").exists():
            raise UserError(f"{path.parent} is not a run: it has no config.yaml")
        raise UserError(f"{path.parent} has no generator yet (no {path.name}); train it first")
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError:
        raise UserError(f"{path}: corrupt, not safetensors") from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file.

    Raises:
        UserError: the file is corrupt.

    """
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError:
        raise UserError(f"{path}: corrupt, not safetensors") from None


def read_generator(path: Path, kind: str, model: type[AnyConfig]) -> tuple[AnyConfig, dict[str, Tensor]]:
    """Read a generator's config and weights.

    Raises:
        UserError: the file is missing, corrupt, or of another kind.

    """
    metadata = read_metadata(path)
    weights = read_weights(path)
    if metadata.get("kind") != kind:
        raise UserError(f"{path}: not a generator of {kind}")
    try:
        values = json.loads(metadata["config"])
    except (KeyError, ValueError, RecursionError):
        raise UserError(f"{path}: its metadata has no config") from None
    return validate(model, values, str(path)), weights


def fill(network: nn.Module, weights: dict[str, Tensor], source: str) -> nn.Module:
    """Assign weights to a network that was built on the ``meta`` device, so that a config alone allocates nothing.

    Weights in float16 are converted where the network's are float32.

    Raises:
        UserError: names, shapes or dtypes of the weights are not the network's.

    """
    expected = network.state_dict()
    wrong = [
        name
        for name in expected.keys() | weights.keys()
        if name not in expected
        or name not in weights
        or expected[name].shape != weights[name].shape
        or weights[name].dtype not in _accepted(expected[name].dtype)
    ]
    if wrong:
        raise UserError(f"{source}: weights don't fit the config ({', '.join(sorted(wrong)[:3])})")
    converted = {name: value.to(expected[name].dtype) for name, value in weights.items()}
    network.load_state_dict(converted, assign=True)
    return network.eval().requires_grad_(False)


def _accepted(dtype: torch.dtype) -> tuple[torch.dtype, ...]:
    return (dtype, torch.float16) if dtype == torch.float32 else (dtype,)


def kind_of(run: Path) -> str:
    """Read the kind of a run's generator from its file: ``digits``, ``music`` or ``plans``.

    Raises:
        UserError: there is no generator, or one of an unknown kind.

    """
    kind = str(read_metadata(run / "generator.safetensors").get("kind"))
    if kind not in KINDS:
        raise UserError(f"{run / 'generator.safetensors'}: not a generator of bgmusic")
    return kind
