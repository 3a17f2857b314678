"""The experiments of BinaryGAN (arXiv 1810.04714, sections 4.3 to 4.6 and figure 8), run and pictured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from bgmusic.digits.config import DigitsConfig
from bgmusic.digits.data import load_digits
from bgmusic.digits.pictures import save_grid, save_histograms
from bgmusic.digits.sampling import KIND, load_generator, preactivated, sample
from bgmusic.digits.scores import Scorer, Scores
from bgmusic.digits.training import resume_digits, train_digits
from bgmusic.errors import UserError
from bgmusic.files import write_text
from bgmusic.gan.config import load_preset, merge, validate
from bgmusic.gan.game import Diverged
from bgmusic.gan.runs import Run

Scale = Literal["smoke", "quick", "full"]

_PAPER_STEPS = 18_740
_STEPS: dict[Scale, dict[str, int]] = {
    "smoke": {"mlp": 4, "cnn": 2},
    "quick": {"mlp": 4_000, "cnn": 1_000},  # a convolutional update costs five times a dense one
    "full": {"mlp": _PAPER_STEPS, "cnn": _PAPER_STEPS},
}
_SAMPLES: dict[Scale, int] = {"smoke": 64, "quick": 10_000, "full": 10_000}
_SHOWN = 64  # digits in a picture


@dataclass(frozen=True)
class Experiment:
    """One training of the paper.

    ``d_norm`` tells whether D has batch norm; ``parts`` the paper's experiments that show it.
    """

    network: str
    neuron: str
    objective: str
    d_norm: bool
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its run folder's name."""
        return f"{self.network}-{self.neuron}-{self.objective}{'-bn' if self.d_norm else ''}"

    def config(self, scale: Scale) -> DigitsConfig:
        """The paper's preset with this experiment's changes; a shorter training anneals the slope as far."""
        values = load_preset("mnist", "paper")
        values = merge(values, load_preset("mnist/objectives", self.objective))
        steps = _STEPS[scale][self.network]
        changes: dict[str, Any] = {
            "network": {"kind": self.network, "d_norm": "batch" if self.d_norm else "none"},
            "neuron": self.neuron,
            "training": {
                "steps": steps,
                "slope": {"every": max(1, steps // 20)},
                "log_every": min(100, steps),
                "checkpoint_every": max(1, steps // 8),
                "sample_every": max(1, steps // 4),
            },
        }
        if scale == "smoke":
            changes["training"] |= {"d_updates": 1, "warmup": None}
        elif scale == "quick":
            # The original's warm-up of 100 D updates is a third of a short training's whole time.
            changes["training"]["warmup"] = {"updates": 20, "first": 25, "every": 500}
        return validate(DigitsConfig, merge(values, changes), self.name)


def experiments() -> list[Experiment]:
    """All of the paper's trainings, each once: I to IV and the 12 of figure 8 share most of theirs."""
    found = []
    for objective in ("gan", "wgan", "wgan-gp"):
        for d_norm in (False, True):
            for neuron in ("dbn", "sbn"):
                parts = ["Figure 8"]
                if d_norm == (objective == "gan"):  # section 4.5: batch norm in D for GAN alone
                    parts.append("III")
                if objective == "wgan-gp" and not d_norm:
                    parts += ["I", "II", "IV"]
                found.append(Experiment("mlp", neuron, objective, d_norm, tuple(sorted(parts))))
    found.append(Experiment("mlp", "real", "wgan-gp", False, ("II",)))
    found += [Experiment("cnn", neuron, "wgan-gp", False, ("IV",)) for neuron in ("dbn", "sbn")]
    return found


def run_experiment(experiment: Experiment, scale: Scale, out: Path, seed: int) -> str:
    """Train one experiment in ``out/runs/NAME``, or go on where it stopped; tells how it ended.

    Returns ``finished``, ``interrupted`` or ``diverged``.
    """
    path = out / "runs" / experiment.name
    try:
        if (path / "config.yaml").exists():
            if Run.open(path, KIND).config(DigitsConfig) != experiment.config(scale):
                raise UserError(f"{path} was made at another scale; choose another --out")
            done = resume_digits(path, device="cpu", quiet=True)
        else:
            command = f"bgmusic paper binarygan --scale {scale} --seed {seed}"
            done = train_digits(path, experiment.config(scale), seed, "cpu", command=command, quiet=True)
    except Diverged:
        return "diverged"
    return "finished" if done else "interrupted"


@dataclass(frozen=True)
class Result:
    """An experiment's scores; a real-valued one has a row for each way of binarizing it."""

    experiment: Experiment
    label: str
    ended: str
    cpu_seconds: float
    scores: Scores | None


def score_all(out: Path, scale: Scale, ended: dict[str, str], seed: int) -> tuple[list[Result], Scores]:
    """Score every run against the test digits; with the training digits' own score as the floor."""
    reference = load_digits("test").images()
    scorer, results = Scorer(reference[:500] if scale == "smoke" else reference), []
    for experiment in experiments():
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


def draw_figures(out: Path, seed: int) -> list[Path]:
    """Write the paper's figures from the trained runs into ``out/figures``; returns their paths.

    Per run: samples and preactivated outputs. Histograms of preactivated outputs: experiment I (DBN, SBN),
    II (with the real-valued model), IV (both networks).
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
        if curves:
            save_histograms(keep(folder / f"{title}-histogram.png"), curves)
    return written


def shape_of_histogram(values: npt.NDArray[Any]) -> dict[str, float]:
    """Experiment I in numbers: shares of preactivated outputs near 0 and 1, in the middle, and at 0.5.

    ``notch`` is the density at 0.5 +- 0.02 over that at 0.3 to 0.45 and 0.55 to 0.7; below 1 is a notch.
    """

    def share(low: float, high: float) -> float:
        return float(((values >= low) & (values < high)).mean())

    beside = (share(0.3, 0.45) + share(0.55, 0.7)) / 0.3
    return {
        "ends": share(0, 0.05) + share(0.95, 1.0001),
        "middle": share(0.05, 0.95),
        "notch": share(0.48, 0.52) / 0.04 / beside if beside else float("nan"),
    }


def histogram_shapes(out: Path, seed: int) -> dict[str, dict[str, float]]:
    """:func:`shape_of_histogram` of every run that has a generator, by name."""
    shapes = {}
    for experiment in experiments():
        path = out / "runs" / experiment.name
        if (path / "generator.safetensors").exists():
            shapes[experiment.name] = shape_of_histogram(preactivated(load_generator(path)[1], 1000, seed))
    return shapes


def write_report(
    out: Path,
    results: list[Result],
    floor: Scores,
    shapes: dict[str, dict[str, float]],
    facts: dict[str, Any],
) -> None:
    """Write ``results.json`` and the table ``results.md``."""
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
    write_text(out / "results.json", json.dumps({**facts, "floor": floor.as_dict(), "results": rows}, indent=2) + "\n")
    lines = [
        "# BinaryGAN's experiments",
        "",
        *(f"- {key}: {value}" for key, value in facts.items()),
        "",
        "Scores are against the test digits; *floor* is the training digits' own. *Ends* is the share of",
        "preactivated outputs under 0.05 or over 0.95, *notch* the density at 0.5 over that beside it.",
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
    ]
    write_text(out / "results.md", "\n".join(lines))


def _row(
    name: str,
    parts: str,
    scores: Scores | None,
    shape: dict[str, float] | None,
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


def run_all(
    out: Path, scale: Scale, seed: int, jobs: int, report: Callable[[str, str], None], facts: dict[str, Any]
) -> bool:
    """Run every experiment, several at once, then score, draw and write; False when interrupted.

    Args:
        out: folder for runs, figures and tables; what is finished in it is not done again.
        scale: ``smoke``, ``quick`` or ``full``.
        seed: of every run.
        jobs: processes of one thread each.
        report: told each run's name and how it ended.
        facts: put on top of the table.

    """
    from joblib import Parallel, delayed

    out.mkdir(parents=True, exist_ok=True)
    ended: dict[str, str] = {}
    # Convolutional runs take longest: first, so that no process is left with them at the end.
    queue = sorted(experiments(), key=lambda experiment: experiment.network)
    work = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_run_in_process)(experiment, scale, out, seed) for experiment in queue
    )
    for name, how in work:
        ended[name] = how
        report(name, how)
    if "interrupted" in ended.values():
        return False
    results, floor = score_all(out, scale, ended, seed)
    shapes = histogram_shapes(out, seed)
    draw_figures(out, seed)
    write_report(out, results, floor, shapes, facts)
    return True


def _run_in_process(experiment: Experiment, scale: Scale, out: Path, seed: int) -> tuple[str, str]:
    import torch

    torch.set_num_threads(1)
    return experiment.name, run_experiment(experiment, scale, out, seed)
