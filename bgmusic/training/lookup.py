"""Trained generators that come with bgmusic, and runs by name or path.

``data/generators/NAME/`` is a run without what only its training needed: ``generator.safetensors``, ``config.yaml``
and ``environment.json``.
"""

from __future__ import annotations

from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.files import data_dir

PREFIX = "generator:"


def shipped_generators() -> dict[str, Path]:
    """The folders of the generators that come with bgmusic, by name."""
    found = sorted((data_dir() / "generators").glob("*/generator.safetensors"))
    return {path.parent.name: path.parent for path in found}


def is_run(path: Path) -> bool:
    """Whether a path is a run's folder, of whatever kind."""
    return any((path / name).is_file() for name in ("config.yaml", "generator.safetensors"))


def find_run(name: str | Path) -> Path:
    """The folder of a run by its path, or by the name of a generator that comes with bgmusic.

    A run that lies at that path wins; another file or folder there, such as the music that a shipped generator wrote
    into a folder of its own name, does not hide the generator. ``generator:NAME`` is always the shipped one.

    Raises:
        UserError: there is neither a path nor a generator of that name.

    """
    path, shipped = Path(name), shipped_generators()
    plain = str(name).removeprefix(PREFIX)
    asked = plain != str(name)
    if not asked and is_run(path):
        return path
    if plain in shipped:
        return shipped[plain]
    if asked or not path.exists():
        known = f"; generators that come with bgmusic: {', '.join(shipped)}" if shipped else ""
        raise UserError(f"there is no run {name}{known}")
    return path
