"""``bgmusic data check``: what would this MIDI become, and what is wrong with it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(files: Annotated[list[Path], typer.Argument(help="MIDI files.", metavar="FILE...")]) -> None:
    """Say of each file what it would become (tracks, bars, phrases, losses), and what is wrong with it."""
