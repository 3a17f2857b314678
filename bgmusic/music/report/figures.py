"""The pictures of a report as files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.composing import phrase_sources
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.pictures import save_curves, save_rolls, save_timelapse
from bgmusic.music.pictures.phrase import draw_phrase, png
from bgmusic.music.report.history import data_values, frames, score_curves
from bgmusic.music.report.inside import decisions
from bgmusic.training.runs import Run

_SAMPLES = 16


def save_figures(
    path: Path, folder: Path, against: str | None = None, seed: int = 0, binarize: str = "ht"
) -> list[Path]:
    """Write a music run's pictures into a folder, which is made if need be; returns what was written.

    ``samples.png``, 16 phrases; ``preactivated-0.png`` and so on, preactivated outputs beside the phrases that they
    became; ``curves.png``, scores over G updates with the training data's values, and ``timelapse.gif``, where the run
    kept scores and phrases while it trained.

    Raises:
        UserError: it is no music run with a generator.
        OSError: the folder can't be written.

    """
    _, shape, generator = load_generator(path)
    run = Run(path)
    samples = phrase_sources.run_phrases(path, None, _SAMPLES, seed, binarize)
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "samples.png"]
    save_rolls(written[0], [samples.roll(number) for number in range(len(samples))])
    for number, (roll, values, rows) in enumerate(decisions(generator, shape, seed, binarize)):
        sides = draw_phrase(roll, rows, "preactivated", values), draw_phrase(roll, rows, "binary")
        written.append(folder / f"preactivated-{number}.png")
        write_bytes(written[-1], png(_side_by_side(*sides)))
    if curves := score_curves(run):
        try:
            data = data_values(open_corpus(against or phrase_sources.trained_on(path)), shape)
        except UserError:
            data = {}  # its curves alone, where the corpus is gone
        written.append(folder / "curves.png")
        save_curves(written[-1], {name: {path.resolve().name: curve} for name, curve in curves.items()}, data)
    if history := frames(run, shape):
        written.append(folder / "timelapse.gif")
        save_timelapse(written[-1], history)
    return written


def _side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    picture = Image.new("RGB", (left.width + right.width + 16, max(left.height, right.height)), "white")
    picture.paste(left, (0, 0))
    picture.paste(right, (left.width + 16, 0))
    return picture
