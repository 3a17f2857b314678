"""Score the runs of BinaryGAN's experiments, draw the figures, and write the table."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bgmusic.digits.data import load_digits
from bgmusic.digits.pictures import save_grid, save_histograms
from bgmusic.digits.samples import load_generator, preactivated, sample
from bgmusic.digits.scores import Scorer, Scores
from bgmusic.files import write_text
from bgmusic.papers.binarygan.experiments import Experiment, Scale, experiments

_SAMPLES: dict[Scale, int] = {"smoke": 64, "quick": 10_000, "full": 10_000}
_SHOWN = 64  # digits in a picture
BINS = np.linspace(0.32, 0.68, 10)
"""Edges of nine bins of preactivated outputs; the fifth is centred at 0.5."""


@dataclass(frozen=True)
class Result:
    """Scores of an experiment; a real-valued model has a row for each way of binarizing it."""

    experiment: Experiment
    label: str
    ended: str
    cpu_seconds: float
    scores: Scores | None


def score_all(out: Path, scale: Scale, ended: dict[str, str], seed: int) -> tuple[list[Result], Scores]:
    """Score the runs in ``ended`` against the test digits; return the results and the score of training digits."""
    reference = load_digits("test").images()
    scorer, results = Scorer(reference[:500] if scale == "smoke" else reference), []
    for experiment in (e for e in experiments() if e.name in ended):
        path = out / "runs" / experiment.name
        seconds = _cpu_seconds(path)
        if not (path / "generator.safetensors").exists():
            results.append(Result(experiment, experiment.name, ended[experiment.name], seconds, None))
            continue
        _, generator = load_generator(path)
        for way in ("ht", "bs") if experiment.neuron == "real" else ("ht",):
            label = f"{experiment.name} + {way.upper()}" if experiment.neuron == "real" else experiment.name
            scores = scorer(sample(generator, _SAMPLES[scale], seed, way))
            results.append(Result(experiment, label, ended[experiment.name], seconds, scores))
    return results, scorer.floor(_SAMPLES[scale])


def _cpu_seconds(path: Path) -> float:
    lines = (path / "timings.jsonl").read_text().splitlines() if (path / "timings.jsonl").exists() else []
    return float(json.loads(lines[-1])["cpu_seconds"]) if lines else 0.0


def _pick(**wanted: object) -> list[Experiment]:
    return [e for e in experiments() if all(getattr(e, key) == value for key, value in wanted.items())]


def draw_figures(out: Path, seed: int, ended: Mapping[str, str]) -> list[Path]:
    """Write the paper's figures into ``out/figures`` and return their paths.

    Each run has pictures of samples and of preactivated outputs. Experiments I (DBN, SBN), II (with the real-valued
    model) and IV (both networks) have a histogram of preactivated outputs if all their runs are in ``ended``.
    """
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    soft: dict[str, npt.NDArray[Any]] = {}
    written = []

    def keep(path: Path) -> Path:
        written.append(path)
        return path

    for experiment in experiments():
        path = out / "runs" / experiment.name
        if not (path / "generator.safetensors").exists():
            continue
        _, generator = load_generator(path)
        name = experiment.name
        soft[name] = preactivated(generator, 1000, seed)
        save_grid(keep(folder / f"{name}-preactivated.png"), soft[name][:_SHOWN], columns=8)
        if experiment.neuron == "real":
            for way in ("ht", "bs"):
                picture = keep(folder / f"{name}-{way}-samples.png")
                save_grid(picture, sample(generator, _SHOWN, seed, way), columns=8)
        else:
            save_grid(keep(folder / f"{name}-samples.png"), sample(generator, _SHOWN, seed), columns=8)
    groups: Iterable[tuple[str, list[Experiment]]] = (
        ("experiment-1", [e for e in _pick(network="mlp", objective="wgan-gp", d_norm=False) if e.neuron != "real"]),
        ("experiment-2", _pick(network="mlp", objective="wgan-gp", d_norm=False)),
        ("experiment-4", [e for e in _pick(objective="wgan-gp", d_norm=False) if e.neuron != "real"]),
    )
    for title, members in groups:
        curves = {e.name: soft[e.name] for e in members if e.name in soft}
        if curves and all(e.name in ended for e in members):
            save_histograms(keep(folder / f"{title}-histogram.png"), curves)
    return written


def shape_of_histogram(values: npt.NDArray[Any]) -> dict[str, float]:
    """Summarize the histogram of preactivated outputs (experiment I).

    Returns:
        ``ends``, the share below 0.05 or above 0.95; ``middle``, the rest; ``notch``, the density at 0.5 +- 0.02 over
        that at 0.3 to 0.45 and 0.55 to 0.7, which is below 1 for a notch at 0.5.

    Raises:
        ValueError: there are no values, or some are outside [0, 1].

    """
    if not values.size or not (values.min() >= 0 and values.max() <= 1):
        raise ValueError("preactivated outputs must lie in [0, 1], and one is needed at least")

    def share(low: float, high: float) -> float:
        return float(((values >= low) & (values < high)).mean())

    beside = (share(0.3, 0.45) + share(0.55, 0.7)) / 0.3
    return {
        "ends": share(0, 0.05) + share(0.95, 1.0001),
        "middle": share(0.05, 0.95),
        "notch": share(0.48, 0.52) / 0.04 / beside if beside else float("nan"),
    }


def around_half(values: npt.NDArray[Any]) -> list[float]:
    """Return the shares of preactivated outputs in the nine bins of :data:`BINS` around 0.5 (experiment I)."""
    return [float(count) / values.size for count in np.histogram(values, BINS)[0]]


def histogram_shapes(out: Path, seed: int) -> dict[str, dict[str, Any]]:
    """Return :func:`shape_of_histogram` and :func:`around_half` (as ``bins``) of the runs with generators, by name."""
    shapes = {}
    for experiment in experiments():
        path = out / "runs" / experiment.name
        if (path / "generator.safetensors").exists():
            values = preactivated(load_generator(path)[1], 1000, seed)
            shapes[experiment.name] = {**shape_of_histogram(values), "bins": around_half(values)}
    return shapes


def write_report(
    out: Path,
    results: list[Result],
    floor: Scores,
    shapes: dict[str, dict[str, Any]],
    facts: dict[str, Any],
) -> None:
    """Write the results as ``out`` with the suffix json, and the table with the suffix md."""
    rows = [
        {
            "name": r.label,
            "parts": r.experiment.parts,
            "ended": r.ended,
            "cpu_seconds": r.cpu_seconds,
            "scores": r.scores.as_dict() if r.scores else None,
            "preactivated": shapes.get(r.experiment.name),
        }
        for r in results
    ]
    write_text(
        out.with_suffix(".json"), json.dumps({**facts, "floor": floor.as_dict(), "results": rows}, indent=2) + "\n"
    )
    lines = [
        "# BinaryGAN's experiments",
        "",
        *(f"- {key}: {value}" for key, value in facts.items()),
        "",
        "Scores are against the test digits; *floor* is the score of training digits. *Ends* is the share of",
        "preactivated outputs below 0.05 or above 0.95, *notch* the density at 0.5 over the density beside it.",
        "",
        "| run | experiments | FID | precision | recall | isolated | rarest, commonest class | ends | notch | CPU-s |",
        "|---|---|---|---|---|---|---|---|---|---|",
        _row("floor", "", floor, None, None),
        *(
            _row(
                r.label, ", ".join(r.experiment.parts), r.scores, shapes.get(r.experiment.name), r.cpu_seconds, r.ended
            )
            for r in results
        ),
        "",
        *_table_around_half({e.name: shapes[e.name] for e in experiments() if "I" in e.parts and e.name in shapes}),
    ]
    write_text(out.with_suffix(".md"), "\n".join(lines))


def _table_around_half(shapes: dict[str, dict[str, Any]]) -> list[str]:
    if not shapes:
        return []
    return [
        "Experiment I: shares of preactivated outputs in bins around 0.5, in percent of all pixels.",
        "",
        "| run |" + "".join(f" {low:.2f}-{high:.2f} |" for low, high in itertools.pairwise(BINS)),
        "|---|" + "---|" * (len(BINS) - 1),
        *(f"| {name} |" + "".join(f" {share:.2%} |" for share in shape["bins"]) for name, shape in shapes.items()),
        "",
    ]


def _row(
    name: str,
    parts: str,
    scores: Scores | None,
    shape: dict[str, Any] | None,
    seconds: float | None,
    ended: str = "finished",
) -> str:
    if scores is None:
        return f"| {name} | {parts} | {ended} | | | | | | | {seconds:.0f} |"
    note = "" if ended == "finished" else f" ({ended})"
    ends = f"{shape['ends']:.3f} | {shape['notch']:.2f}" if shape else " | "
    return (
        f"| {name}{note} | {parts} | {scores.fid:.1f} | {scores.precision:.2f} | {scores.recall:.2f} "
        f"| {scores.isolated:.3f} | {min(scores.classes):.1%}, {max(scores.classes):.1%} | {ends} "
        f"| {'' if seconds is None else f'{seconds:.0f}'} |"
    )


def report_all(
    out: str | Path, scale: Scale, ended: dict[str, str], seed: int, facts: dict[str, Any], name: str = "results"
) -> None:
    """Score all runs under ``out``, draw their figures, and write ``NAME.json``, ``NAME.md`` and ``figures/``.

    Args:
        out: folder of the runs.
        scale: scale of the runs.
        ended: how each run ended, by name.
        seed: seed of the samples.
        facts: names and values printed above the table.
        name: stem of the table's files.

    """
    out = Path(out)
    results, floor = score_all(out, scale, ended, seed)
    draw_figures(out, seed, ended)
    write_report(out / name, results, floor, histogram_shapes(out, seed), facts)
