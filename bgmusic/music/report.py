"""Pages about music: what an evaluation found."""

from __future__ import annotations

from pathlib import Path

import bgmusic
from bgmusic.gan.pages import page
from bgmusic.music.evaluation import Evaluation

_TEMPLATES = Path(__file__).parent / "templates"


def evaluation_page(found: Evaluation, title: str, against: str, command: str = "") -> str:
    """An evaluation as a self-contained HTML page.

    ``against`` names the corpus that the phrases were compared with; ``command`` is what made the page.
    """
    values = {"title": title, "found": found, "against": against, "command": command}
    return page(_TEMPLATES, "evaluation_page.html", version=bgmusic.__version__, **values)
