"""Show the phrases that the learned judge finds least real, with the bars and tracks that gave them away marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgmusic.files import write_bytes
from bgmusic.music.judging.judge import Judged, Place
from bgmusic.music.pictures.phrase import draw_phrase, png
from bgmusic.music.pictures.raster import Rows, used_rows
from bgmusic.music.report.phrase_figure import PhraseFigure, PhraseSounds, make_figure
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.roll import Roll

SHOWN = 4
"""Phrases on a page."""


def marked_figures(judged: Judged, samples: Phrases, sounds: PhraseSounds | None = None) -> list[PhraseFigure]:
    """Make the figures of the least real phrases.

    Args:
        judged: the judgement of the phrases.
        samples: the phrases.
        sounds: renders the sound; None for figures without sound.

    """
    shown = list(_least_real(judged, samples))
    rows = _rows(shown)
    return [
        make_figure(
            roll,
            f"Phrase {place.phrase + 1}",
            f"Least real: bar {place.bar + 1}, {place.track}. Mean logit {place.logit:.1f}; the lower, the less real.",
            rows=rows,
            sounds=sounds,
            marks=marks_of(place),
        )
        for place, roll in shown
    ]


def save_marked(folder: str | Path, judged: Judged, samples: Phrases) -> list[Path]:
    """Write the pictures of the least real phrases as ``phrase-NUMBER.png`` into a folder, created if missing.

    Numbers begin with 1, as in the verdict.

    Raises:
        OSError: the folder can't be written.

    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shown = list(_least_real(judged, samples))
    rows, written = _rows(shown), []
    for place, roll in shown:
        written.append(folder / f"phrase-{place.phrase + 1:04}.png")
        write_bytes(written[-1], png(draw_phrase(roll, rows, marks=marks_of(place))))
    return written


def marks_of(place: Place) -> NDArray[np.float32]:
    """Return how much each bar of each track speaks against a phrase: float32 ``(tracks, bars)``, at most 1."""
    marks: NDArray[np.float32] = np.maximum(-np.array(place.evidence, np.float32), 0)
    marks /= max(float(marks.max()), 1e-9)
    return marks


def _least_real(judged: Judged, samples: Phrases) -> Iterator[tuple[Place, Roll]]:
    for place in judged.places[:SHOWN]:
        yield place, samples.roll(place.phrase)


def _rows(shown: list[tuple[Place, Roll]]) -> Rows | None:
    return used_rows([roll for _, roll in shown]) if shown else None
