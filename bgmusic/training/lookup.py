"""Find runs by path or by the name of a shipped generator.

A shipped generator ``data/generators/NAME/`` is a run with the files that generation needs:
``generator.safetensors``, ``config.yaml`` and ``environment.json``.
"""

from __future__ import annotations

from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.files import data_dir

PREFIX = "generator:"


def shipped_generators() -> dict[str, Path]:
    """Return the folders of the shipped generators, by name."""
    found = sorted((data_dir() / "generators").glob("*/generator.safetensors"))
    return {path.parent.name: path.parent for path in found}


def is_run(path: Path) -> bool:
    """Return whether a path is a run folder of any kind."""
    return any((path / name).is_file() for name in ("config.yaml", "generator.safetensors"))


def find_run(name: str | Path) -> Path:
    """Find the folder of a run by its path, or by the name of a shipped generator.

    A run at that path wins. Another file or folder there, such as music in a folder ``bach``, does not hide the shipped
    generator. ``generator:NAME`` is always the shipped one.

    Raises:
        UserError: there is neither such a path nor such a generator.

    """
    path, shipped = Path(name), shipped_generators()
    plain = str(name).removeprefix(PREFIX)
    asked = plain != str(name)
    if not asked and is_run(path):
        return path
    if plain in shipped:
        return shipped[plain]
    if asked or not path.exists():
        known = f"; shipped generators: {', '.join(shipped)}" if shipped else ""
        raise UserError(f"there is no run {name}{known}")
    return path
