"""BinaryMuseGAN's experiments, told: Table 1 and Figures 7 to 11 as ``results.json``, ``results.md`` and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

from bgmusic.files import write_text
from bgmusic.music.composing.load import shape_of
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.papers.musegan.experiments import Rates, Scale, experiments
from bgmusic.papers.musegan.figures import CAPTIONS, draw_figures
from bgmusic.papers.musegan.table import SAMPLES, Measured, generate_all, measure_all, pair_of, plain

_ROWS = ("QN", "PP", "TD")


def report_all(
    out: Path, scale: Scale, data: str, ended: Mapping[str, str], seed: int, facts: Mapping[str, Any]
) -> None:
    """Generate from, measure and picture all runs under ``out``; write ``phrases/``, ``figures/`` and the results.

    Args:
        out: where the runs are.
        scale: at which they ran.
        data: their corpus.
        ended: how each ended, by name.
        seed: of the samples.
        facts: put on top of the table.

    """
    corpus = open_corpus(data)
    shape = shape_of(experiments()[0].config(scale, corpus), "this experiment")
    generate_all(out, scale, corpus, seed)
    measured = measure_all(out, scale, corpus, shape, ended, seed)
    figures = draw_figures(out, corpus, shape, seed)
    pair = pair_of(shape.track_set)
    tracks = [shape.track_set.tracks[number].name for number in pair] if pair else []
    about = {
        **facts,
        "phrases of each model": SAMPLES[scale],
        "encoding": shape.encoding,
        "tonal distance of": " and ".join(tracks),
    }
    write_results(out, measured, figures, about)


def write_results(out: Path, measured: Sequence[Measured], figures: Sequence[Path], facts: Mapping[str, Any]) -> None:
    """Write ``results.json`` and ``results.md``."""
    rows = [
        {
            "name": row.label,
            "ended": row.ended,
            "paper": plain(row.paper),
            "published": plain(row.published),
            "right": plain(row.right),
            "distance": asdict(row.distance) if row.distance else None,
            "g_updates": row.updates,
            "cpu_seconds": row.cpu_seconds,
        }
        for row in measured
    ]
    about = {**facts, "rates": _ROWS, "results": rows}
    write_text(out / "results.json", json.dumps(about, indent=2) + "\n")
    lines = [
        "# BinaryMuseGAN's experiments",
        "",
        *(f"- {key}: {value}" for key, value in facts.items()),
        "",
        "QN is the qualified-note rate, PP polyphonicity, TD tonal distance; nearer to the training data's is better.",
        "*paper* is its Table 1, on other data and after a longer training than any but the full scale's; *code* is",
        "what the paper's code computes here, to stand beside it; *right* is what the paper defines. *Distance* is the",
        "mean distance to held-out pieces with its 95% interval, as `bgmusic evaluate` has it; the training data's is",
        "the floor.",
        "",
        "| model |" + "".join(f" {name} paper | code | right |" for name in _ROWS) + " distance | G updates | CPU-s |",
        "|---" * (1 + 3 * len(_ROWS) + 3) + "|",
        *(_line(row) for row in measured),
        "",
    ]
    for path in figures:
        caption = CAPTIONS[path.stem]
        lines += [
            f"## {path.stem.replace('-', ' ').capitalize()}",
            "",
            caption,
            "",
            f"![{path.stem}](figures/{path.name})",
            "",
        ]
    write_text(out / "results.md", "\n".join(lines))


def _line(row: Measured) -> str:
    note = "" if row.ended in ("", "finished") else f" ({row.ended})"
    rates = "".join(
        f" {_rate(row.paper, i)} | {_rate(row.published, i)} | {_rate(row.right, i)} |" for i in range(len(_ROWS))
    )
    near = f"{row.distance.mean:.2f} ({row.distance.low:.2f} to {row.distance.high:.2f})" if row.distance else ""
    cost = f"{row.updates:,} | {row.cpu_seconds:.0f}" if row.updates else " | "
    return f"| {row.label}{note} |{rates} {near} | {cost} |"


def _rate(rates: Rates | None, number: int) -> str:
    return "" if rates is None else "-" if isnan(rates[number]) else f"{rates[number]:.2f}"
