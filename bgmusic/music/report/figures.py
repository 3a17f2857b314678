"""Write the pictures of a report as files."""

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
from bgmusic.music.report.history import data_values, read_frames, score_curves
from bgmusic.music.report.neuron_outputs import sample_preactivated
from bgmusic.training.runs import Run

_SAMPLES = 16


def save_figures(
    path: str | Path, folder: str | Path, against: str | None = None, seed: int = 0, binarize: str = "ht"
) -> list[Path]:
    """Write the pictures of a music run into a folder, which is created if missing.

    ``samples.png`` shows 16 phrases, ``preactivated-0.png`` and ``preactivated-1.png`` preactivated outputs next to the
    phrases they become. If the run kept scores and phrases during training, ``curves.png`` shows the scores over G
    updates with the training data's values, and ``timelapse.gif`` the phrases.

    Args:
        path: the run.
        folder: where to write.
        against: corpus whose values the curves show; by default the one that the run was trained on.
        seed: seed of the phrases.
        binarize: ``ht`` or ``bs``, for a real-valued generator.

    Returns:
        The paths of the files.

    Raises:
        UserError: the path is no music run with a generator.
        OSError: the folder can't be written.

    """
    path, folder = Path(path), Path(folder)
    _, shape, generator = load_generator(path)
    run = Run(path)
    samples = phrase_sources.run_phrases(path, None, _SAMPLES, seed, binarize)
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "samples.png"]
    save_rolls(written[0], [samples.roll(number) for number in range(len(samples))])
    for number, (roll, values, rows) in enumerate(sample_preactivated(generator, shape, seed, binarize)):
        sides = draw_phrase(roll, rows, "preactivated", values), draw_phrase(roll, rows, "binary")
        written.append(folder / f"preactivated-{number}.png")
        write_bytes(written[-1], png(_side_by_side(*sides)))
    if curves := score_curves(run):
        try:
            data = data_values(open_corpus(against or phrase_sources.trained_on(path)), shape)
        except UserError:
            data = {}  # without the corpus, the curves have no reference
        written.append(folder / "curves.png")
        save_curves(written[-1], {name: {path.resolve().name: curve} for name, curve in curves.items()}, data)
    if history := read_frames(run, shape):
        written.append(folder / "timelapse.gif")
        save_timelapse(written[-1], history)
    return written


def _side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    picture = Image.new("RGB", (left.width + right.width + 16, max(left.height, right.height)), "white")
    picture.paste(left, (0, 0))
    picture.paste(right, (left.width + 16, 0))
    return picture
