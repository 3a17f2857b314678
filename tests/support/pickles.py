"""Harmful pickles, as they may come with untrusted files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch


class Bomb:
    """An object that creates the file ``path`` when it is unpickled: a visible effect of arbitrary code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


class Gigabyte:
    """An object that is pickled in a few bytes and takes a gigabyte when it is loaded; weights_only allows it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (10**9,)


def saved(value: Any, **options: Any) -> bytes:
    """Return the bytes that ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()
