"""Write Table 1 and Figures 7 to 11 of BinaryMuseGAN as ``results.json``, ``results.md`` and pictures."""

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
from bgmusic.papers.musegan.table import SAMPLES, Measured, generate_all, json_rates, measure_all, pair_of

_ROWS = ("QN", "PP", "TD")


def report_all(
    out: str | Path, scale: Scale, data: str, ended: Mapping[str, str], seed: int, facts: Mapping[str, Any]
) -> None:
    """Generate phrases from all runs under ``out``, measure them, draw the figures, and write the results.

    Args:
        out: folder of the runs; receives ``phrases/``, ``figures/``, ``results.json`` and ``results.md``.
        scale: scale of the runs.
        data: corpus of the runs.
        ended: how each run ended, by name.
        seed: seed of the phrases.
        facts: names and values printed above the table.

    """
    out, corpus = Path(out), open_corpus(data)
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
            "paper": json_rates(row.paper),
            "published": json_rates(row.published),
            "right": json_rates(row.defined),
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
        "QN is the qualified-note rate, PP polyphonicity, TD tonal distance; closer to the training data is better.",
        "*Paper* is the paper's Table 1, on other data and after longer training than any but the full scale; *code*",
        "is computed here as in the paper's code, *text* as in the paper's text. *Distance* is the mean distance to",
        "held-out pieces with its 95% confidence interval, as in `bgmusic evaluate`; that of the training data is the",
        "floor.",
        "",
        "| model |" + "".join(f" {name} paper | code | text |" for name in _ROWS) + " distance | G updates | CPU-s |",
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
        f" {_rate(row.paper, i)} | {_rate(row.published, i)} | {_rate(row.defined, i)} |" for i in range(len(_ROWS))
    )
    near = f"{row.distance.mean:.2f} ({row.distance.low:.2f} to {row.distance.high:.2f})" if row.distance else ""
    cost = f"{row.updates:,} | {row.cpu_seconds:.0f}" if row.updates else " | "
    return f"| {row.label}{note} |{rates} {near} | {cost} |"


def _rate(rates: Rates | None, number: int) -> str:
    return "" if rates is None else "-" if isnan(rates[number]) else f"{rates[number]:.2f}"
