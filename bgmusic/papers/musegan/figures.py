"""Draw figures 7 to 11 of BinaryMuseGAN (arXiv 1804.09399) from the trained runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from bgmusic.files import write_bytes
from bgmusic.gan.draws import Draws
from bgmusic.gan.generate import decide
from bgmusic.music.composing.generate import to_rolls
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.judging.statistics import statistics
from bgmusic.music.pictures import draw_phrase, save_curves, used_rows
from bgmusic.music.pictures.curves import Curve
from bgmusic.music.pictures.phrase import png
from bgmusic.music.pictures.sheet import sheet_picture
from bgmusic.music.rolls.phrase_files import read_phrases
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.training.scores import FILE, data_phrases, means
from bgmusic.papers.musegan.experiments import FIRST_STAGE, columns
from bgmusic.papers.musegan.table import phrases_file
from bgmusic.training.logs import read_curves

if TYPE_CHECKING:
    from PIL.Image import Image

CAPTIONS = {
    "figure-7": "One noise vector: preactivated outputs of the pretrained G, binarized by BS, HT, and the refiners.",
    "figure-8": "Phrases of every model and of the training data.",
    "figure-9": "Qualified-note rate and polyphony during training: the first stage (HT), then the second stages.",
    "figure-10": "Phrases of the same noise vectors at stages of the end-to-end and two-stage trainings with DBNs.",
    "figure-11": "Qualified-note rate and polyphony of the end-to-end models during training.",
}
CURVES = {"qualified-note rate": "qualified notes", "polyphony rate": "polyphony"}
"""Titles of the panels of figures 9 and 11, and names of their curves in ``scores.jsonl``."""

_SHOWN = 4  # phrases of a model
_STAGES = 5
_VISIBLE = 0.1
_TEXT = 18
_MAX_PIXELS = 1 << 26  # of a figure


def draw_figures(out: Path, corpus: Corpus, shape: RollShape, seed: int) -> list[Path]:
    """Write the figures into ``out/figures`` and return their paths; figures whose runs are missing are skipped."""
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    data = data_phrases(corpus, shape)
    value = means(statistics(data))
    dashed = {title: value[name] for title, name in CURVES.items() if name in value}
    written = []
    sheets = {
        "figure-7": _binarizations(out, seed),
        "figure-8": _samples(out, [data.roll(i) for i in _spread(len(data), _SHOWN)]),
        "figure-10": _stages(out),
    }
    for name, panels in sheets.items():
        if panels:
            written.append(folder / f"{name}.png")
            write_bytes(written[-1], png(_stacked(panels)))
    for name, curves in (("figure-9", _second_stages(out)), ("figure-11", _end_to_end(out))):
        panels_of = {title: {run: of[key] for run, of in curves.items() if key in of} for title, key in CURVES.items()}
        if curves:
            written.append(folder / f"{name}.png")
            save_curves(written[-1], panels_of, dashed, columns=2)
    return sorted(written, key=lambda path: int(path.stem.split("-")[1]))


@torch.no_grad()
def _binarizations(out: Path, seed: int) -> list[tuple[str, Image]]:
    """Draw the panels of figure 7: preactivated outputs of the pretrained generator, and their binarizations."""
    path = out / "runs" / FIRST_STAGE
    if not (path / "generator.safetensors").exists():
        return []
    _, shape, generator = load_generator(path)
    draws = Draws(seed, 0, 1)
    noise = draws.noise(generator.latent)
    raw = generator(noise).float()[0, : len(shape.track_set)].numpy()
    rolls: list[tuple[str, Roll]] = []
    for label, name, way in (
        ("pretrained + BS", FIRST_STAGE, "bs"),
        ("pretrained + HT", FIRST_STAGE, "ht"),
        ("two-stage, SBN", "two-stage-sbn", "ht"),
        ("two-stage, DBN", "two-stage-dbn", "ht"),
    ):
        run = out / "runs" / name
        if (run / "generator.safetensors").exists():
            _, _, maker = load_generator(run)
            made = decide(maker, noise, draws, way).bool().numpy()
            rolls += [(label, roll) for roll in to_rolls(made, shape)]
    first = rolls[0][1]
    visible = replace(first, cells=raw > _VISIBLE, onsets=None if first.onsets is None else np.zeros_like(first.cells))
    rows = used_rows([visible, *(roll for _, roll in rolls)])
    panels = [("pretrained, preactivated outputs", draw_phrase(visible, rows, preactivated=raw))]
    return [*panels, *((label, draw_phrase(roll, rows)) for label, roll in rolls)]


def _samples(out: Path, data: Sequence[Roll]) -> list[tuple[str, Image]]:
    """Draw the panels of figure 8: a line of phrases for each model."""
    lines = [("training data", list(data))]
    for column in columns():
        path = phrases_file(out, column)
        if path.exists():
            made, _ = read_phrases(path)
            lines.append((column.label, [made.roll(i) for i in range(min(_SHOWN, len(made)))]))
    return _lines(lines)


def _stages(out: Path) -> list[tuple[str, Image]]:
    """Draw the panels of figure 10: phrases of the same noise vectors during training."""
    lines = []
    for name in ("end-to-end-dbn", "two-stage-dbn"):
        files = sorted((out / "runs" / name / "samples").glob("step-*.npz"))
        for number in _spread(len(files), _STAGES):
            kept, meta = read_phrases(files[number])
            rolls = [kept.roll(i) for i in range(len(kept))]
            lines.append((f"{name}, update {int(meta.get('step', 0)):,}", rolls))
    return _lines(lines)


def _lines(lines: Sequence[tuple[str, list[Roll]]]) -> list[tuple[str, Image]]:
    rows = used_rows([roll for _, rolls in lines for roll in rolls]) if lines else None
    return [(label, sheet_picture(rolls, _SHOWN, rows)[0]) for label, rolls in lines]


def _spread(of: int, count: int) -> list[int]:
    """Return at most ``count`` evenly spread numbers below ``of``, the first and last included."""
    return sorted({round(place) for place in np.linspace(0, of - 1, min(of, count))})


def _second_stages(out: Path) -> dict[str, dict[str, Curve]]:
    """Return the curves of figure 9: the first stage, and the second stages shifted to its end."""
    first = read_curves(out / "runs" / FIRST_STAGE / FILE)
    ended = max((steps[-1] for steps, _ in first.values() if len(steps)), default=0)
    curves: dict[str, dict[str, Curve]] = {f"{FIRST_STAGE} + HT": dict(first)} if first else {}
    for name in ("two-stage-sbn", "two-stage-dbn", "joint-sbn", "joint-dbn"):
        found = read_curves(out / "runs" / name / FILE)
        if found:
            curves[name] = {key: ([ended + step for step in steps], values) for key, (steps, values) in found.items()}
    return curves


def _end_to_end(out: Path) -> dict[str, dict[str, Curve]]:
    """Return the curves of figure 11."""
    names = ("end-to-end-sbn", "end-to-end-dbn")
    found: dict[str, dict[str, Curve]] = {name: {**read_curves(out / "runs" / name / FILE)} for name in names}
    return {name: curves for name, curves in found.items() if curves}


def _stacked(panels: Sequence[tuple[str, Image]], columns: int = 2) -> Image:
    """Arrange pictures with captions in lines of ``columns``; lines beyond the largest size are left out."""
    from PIL import ImageDraw, ImageFont
    from PIL.Image import new

    wide, head = max(picture.width for _, picture in panels) + _TEXT, _TEXT + 10
    places: list[tuple[int, int, str, Image]] = []
    height = 0
    for first in range(0, len(panels), columns):
        line = panels[first : first + columns]
        tall = head + max(picture.height for _, picture in line)
        if places and columns * wide * (height + tall) > _MAX_PIXELS:
            break
        places += [(height, number * wide, *panel) for number, panel in enumerate(line)]
        height += tall
    sheet = new("RGB", (min(columns, len(panels)) * wide, height), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT)
    for top, left, label, picture in places:
        pen.text((left + 10, top + 4), label, "black", font=font)
        sheet.paste(picture.convert("RGB"), (left, top + head))
    return sheet
