"""Generate and measure the phrases of BinaryMuseGAN's Table 1 (arXiv 1804.09399)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.composing.phrase_sources import held_out, run_phrases, training
from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.judging.evaluation import has_enough, nearness
from bgmusic.music.judging.metrics import polyphony_rate, qualified_note_rate, shortest_qualified, tonal_distance
from bgmusic.music.judging.metrics.published import published
from bgmusic.music.judging.results import Distance
from bgmusic.music.judging.tensors import to_tensors
from bgmusic.music.judging.two_sample import MIN_PHRASES
from bgmusic.music.rolls.phrase_files import read_phrases, write_phrases
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.papers.musegan.experiments import PAPER_DATA, Column, Rates, Scale, columns

SAMPLES: dict[Scale, int] = {"smoke": 16, "quick": 400, "full": 800}
COMPARED: dict[Scale, int] = {"smoke": 40, "quick": 1 << 20, "full": 1 << 20}
"""Most held-out and most training phrases in the comparison, by scale; evenly spread."""
_CHUNK = 32  # phrases measured at a time


@dataclass(frozen=True)
class Measured:
    """The values of a column; None without a generator.

    Attributes:
        label: name in the table.
        ended: how the run ended.
        paper: the paper's values.
        published: values as the paper's code computes them.
        defined: values as the paper's text defines them.
        distance: mean distance to held-out pieces; for the training data, the floor.
        updates: G updates of the run.
        cpu_seconds: CPU time of the run.

    """

    label: str
    ended: str
    paper: Rates | None
    published: Rates | None
    defined: Rates | None
    distance: Distance | None
    updates: int
    cpu_seconds: float


def pair_of(track_set: TrackSet) -> tuple[int, int] | None:
    """Return the tracks of the tonal distance: piano and guitar as in the paper, else the first two pitched ones."""
    names = [track.name.lower() for track in track_set.tracks]
    if "piano" in names and "guitar" in names:
        return names.index("piano"), names.index("guitar")
    pitched = [number for number, track in enumerate(track_set.tracks) if not track.is_drum]
    return (pitched[0], pitched[1]) if len(pitched) > 1 else None


def published_rates(phrases: Phrases) -> Rates:
    """Return QN, PP and TD as the paper's code computes them; NaN without any value.

    Phrases may have either encoding. The means are over all bars (and pitched tracks) with a value, as in Table 1.
    """
    coded, pair = phrases.encoded("pause"), pair_of(phrases.track_set)
    found: dict[str, list[Tensor]] = {"qualified_note_rate": [], "polyphony_rate": [], "tonal_distance": []}
    tensors = to_tensors(coded)
    for cells in tensors.cells.split(_CHUNK):
        values = published(cells, coded.resolution, tensors.drums)
        for name, kept in found.items():
            value = values[name]
            kept.append((value[:, pair[0], pair[1]] if pair else value[:0]) if name == "tonal_distance" else value)
    return _means(found.values())


def defined_rates(phrases: Phrases) -> Rates:
    """Return QN, PP and TD of the pitched tracks as the paper's text defines them; NaN without any value.

    The means are over phrases (and tracks) with a value. See ``qualified_note_rate``, ``polyphony_rate`` and
    ``tonal_distance``.
    """
    pitched, pair, low = ~to_tensors(phrases).drums, pair_of(phrases.track_set), phrases.track_set.low
    if not pitched.any():
        return nan, nan, nan
    shortest = shortest_qualified(phrases.resolution)
    found: dict[str, list[Tensor]] = {"qualified": [], "polyphony": [], "tonal": []}
    for start in range(0, len(phrases), _CHUNK):
        part = to_tensors(phrases[start : start + _CHUNK])
        cells = part.cells if part.onsets is None else part.cells | part.onsets
        begun = None if part.onsets is None else part.onsets[:, pitched]
        found["qualified"].append(qualified_note_rate(cells[:, pitched], shortest, begun))
        found["polyphony"].append(polyphony_rate(cells[:, pitched]))
        if pair:
            found["tonal"].append(tonal_distance(cells[:, list(pair)], low, phrases.resolution)[:, 0, 1])
    return _means(found.values())


def _means(found: Iterable[list[Tensor]]) -> Rates:
    qualified, polyphony, tonal = (
        float(torch.cat([value.flatten() for value in values]).nanmean()) if values else nan for values in found
    )
    return qualified, polyphony, tonal


def require_comparable(corpus: Corpus) -> None:
    """Check before training that the corpus is large enough for distances to its held-out pieces.

    Raises:
        UserError: the corpus has too few held-out or training phrases.

    """
    for phrases, name in ((held_out(corpus), "held-out"), (training(corpus).spread(MIN_PHRASES), "training")):
        if not has_enough(phrases):
            raise UserError(
                f"corpus {corpus.path.name} has {len(phrases)} {name} phrases; {MIN_PHRASES} of two pieces are needed"
            )


def phrases_file(out: Path, column: Column) -> Path:
    """Return the path of a column's phrases."""
    return out / "phrases" / f"{column.file}.npz"


def generate_all(out: Path, scale: Scale, corpus: Corpus, seed: int) -> None:
    """Generate and write the phrases of every column whose run has a generator."""
    (out / "phrases").mkdir(exist_ok=True)
    for column in columns():
        run = out / "runs" / column.experiment
        if (run / "generator.safetensors").exists():
            made = run_phrases(run, corpus, SAMPLES[scale], seed, column.binarize)
            write_phrases(made, phrases_file(out, column), seed=seed, binarize=column.binarize)


def measure_all(
    out: Path, scale: Scale, corpus: Corpus, shape: RollShape, ended: Mapping[str, str], seed: int
) -> list[Measured]:
    """Measure the training data, in the encoding of ``shape``, and then every column."""
    learned, unseen = (of(corpus).encoded(shape.encoding).spread(COMPARED[scale]) for of in (training, held_out))
    data = learned.spread(SAMPLES[scale])
    _, floor = nearness(data, unseen, learned, seed)
    rows = [Measured("training data", "", PAPER_DATA, published_rates(data), defined_rates(data), floor, 0, 0.0)]
    for column in columns():
        path, how = phrases_file(out, column), ended[column.experiment]
        updates, seconds = _cost(out / "runs" / column.experiment)
        if not path.exists():
            rows.append(Measured(column.label, how, column.paper, None, None, None, updates, seconds))
            continue
        made, _ = read_phrases(path)
        near, _ = nearness(made, unseen, learned, seed)
        rates = published_rates(made), defined_rates(made)
        rows.append(Measured(column.label, how, column.paper, *rates, near, updates, seconds))
    return rows


def _cost(run: Path) -> tuple[int, float]:
    """Return the G updates and CPU seconds of a run."""
    path = run / "timings.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    last = json.loads(lines[-1]) if lines else {}
    return int(last.get("step", 0)), float(last.get("cpu_seconds", 0.0))


def json_rates(rates: Rates | None) -> list[float | None] | None:
    """Return rates ready for JSON: NaN becomes None."""
    return None if rates is None else [None if isnan(rate) else rate for rate in rates]
