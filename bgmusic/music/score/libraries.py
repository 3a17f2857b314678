"""Check that the libraries that write scores are installed (extra ``score``)."""

from __future__ import annotations

from importlib.util import find_spec

from bgmusic.errors import UserError


def require_music21() -> None:
    """Check that music21 is installed.

    Raises:
        UserError: it is not.

    """
    _require("music21", "music21", "scores need")


def require_verovio() -> None:
    """Check that Verovio is installed.

    Raises:
        UserError: it is not.

    """
    _require("verovio", "Verovio", "pictures of scores need")


def _require(module: str, name: str, purpose: str) -> None:
    if find_spec(module) is None:
        raise UserError(f"{purpose} {name}: pip install 'bgmusic[score]'")
