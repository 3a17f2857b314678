"""Write and read the state that a training resumes from. Files are untrusted: no pickled code runs."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from bgmusic.errors import UserError
from bgmusic.files import write_bytes

_STATE_VERSION = 1


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors and numbers atomically."""
    buffer = io.BytesIO()
    torch.save({"version": _STATE_VERSION, **state}, buffer)
    write_bytes(path, buffer.getbuffer())


def read_state(path: Path) -> dict[str, Any]:
    """Read a state. Nothing in the file can run code.

    Raises:
        UserError: it is corrupt, or holds more than tensors and numbers.

    """
    state: dict[str, Any] | None = None
    try:
        if _is_plain_archive(path) and _holds_tensors_alone(path):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # a broken or hostile archive can raise anything
        state = None
    if state is None:
        raise UserError(f"{path}: corrupt, or not a state that bgmusic saved")
    version = state.get("version") if isinstance(state, dict) else None
    if type(version) is not int or version != _STATE_VERSION:
        raise UserError(f"{path}: not a state of this version of bgmusic")
    return state


def _is_plain_archive(path: Path) -> bool:
    """Return whether a file is an uncompressed archive, as ``torch.save`` writes: no larger in memory than on disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    return (
        all(member.compress_type == zipfile.ZIP_STORED for member in members)
        and sum(member.file_size for member in members) <= path.stat().st_size
    )


_TENSORS = re.compile(r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch [A-Za-z0-9]+Storage")
_OTHER_NAMES = (
    "STACK_GLOBAL",
    "INST",
    "OBJ",
    "NEWOBJ",
    "NEWOBJ_EX",
    "EXT1",
    "EXT2",
    "EXT4",
)  # never written by torch.save


def _holds_tensors_alone(path: Path) -> bool:
    """Return whether a pickle names tensors only: torch's reader also accepts bytearrays, which can fill memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            operations = list(pickletools.genops(archive.read(member)))
    except OSError:  # an offset beyond the end of the file
        return False
    named = (str(argument) for operation, argument, _ in operations if operation.name == "GLOBAL")
    others = any(operation.name in _OTHER_NAMES for operation, _, _ in operations)
    return not others and all(_TENSORS.fullmatch(name) for name in named)
