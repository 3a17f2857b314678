"""Define and run the trainings behind Table 1 and Figures 7 to 11 of BinaryMuseGAN (arXiv 1804.09399)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from bgmusic.errors import UserError
from bgmusic.music.composing.load import KIND
from bgmusic.music.corpora.corpus import Corpus, open_corpus
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.training.pianoroll import fit, resume_pianoroll, train_pianoroll
from bgmusic.training.precision import settled_as
from bgmusic.training.processes import run_named
from bgmusic.training.protocols import Diverged
from bgmusic.training.runs import Run
from bgmusic.yaml import load_preset, merge, validate

Scale = Literal["smoke", "quick", "full"]
Rates = tuple[float, float, float]
"""Qualified-note rate (QN), polyphonicity (PP) and tonal distance (TD)."""

FIRST_STAGE = "pretrained"
OURS = "composer"

# Updates of a quick training on `bach`, whose phrases have 11,776 cells. Larger phrases get fewer updates.
_QUICK_CELLS = 11_776
_QUICK_STEPS, _QUICK_OURS, _FEWEST = 500, 2_000, 40
_SCORES = 20  # points of a curve


@dataclass(frozen=True)
class Experiment:
    """One training. ``start`` is the name of the experiment whose networks a second stage starts from."""

    name: str
    strategy: str
    neuron: str = "real"
    discriminator: str = "full"
    start: str | None = None

    def config(self, scale: Scale, corpus: Corpus) -> PianorollConfig:
        """Return the paper's preset with the changes of this experiment, fitted to a corpus.

        ``composer`` uses the preset of that name. All runs of a scale have the same encoding, so that their distances
        are comparable: the papers' (pause) at ``full``, else that of the corpus.
        """
        values = load_preset("pianoroll", self._preset(scale))
        if self.name != OURS:
            values = merge(values, load_preset("pianoroll/strategies", self.strategy))
            values = merge(values, {"neuron": self.neuron, "network": {"discriminator": self.discriminator}})
        values = merge(values, {"encoding": "pause" if scale == "full" else corpus.encoding})
        values = merge(values, self._changes(scale, corpus))
        return fit(validate(PianorollConfig, values, self.name), corpus)

    def _preset(self, scale: Scale) -> str:
        if self.name == OURS:
            return "composer"
        return "lpd-8" if scale == "full" else "satb"

    def _changes(self, scale: Scale, corpus: Corpus) -> dict[str, Any]:
        if scale == "full":
            return {} if self.name == OURS else {"score_every": 859, "score_share": None}
        if scale == "smoke":
            training: dict[str, Any] = {"steps": 2, "batch": 4, "d_updates": 1, "warmup": None, "log_every": 1}
            tiny = {"channels": 8, "layers": 1, "stages": 3} if self.name == OURS else {"width": 0.05, "latent": 8}
            return {"network": tiny, "score_every": 2, "score_share": None, "training": training}
        cells = corpus.settings.shape.cells
        budget = _QUICK_OURS if self.name == OURS else _QUICK_STEPS
        every = max(_FEWEST, round(budget * min(1.0, _QUICK_CELLS / cells))) // _SCORES
        training = {"steps": every * _SCORES, "checkpoint_every": 5 * every, "sample_every": 5 * every}
        training["log_every"] = every
        if self.name != OURS:
            # Twenty steps of slope annealing as in the paper, and a warm-up of 20 D updates instead of 100.
            training |= {"slope": {"every": every}, "warmup": {"updates": 20, "first": 10, "every": 500}}
        return {"score_every": every, "score_share": None, "training": training}


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        label: name in the table.
        experiment: name of the experiment.
        paper: the paper's values; None for our own model.
        binarize: ``ht`` or ``bs``, for a real-valued generator.

    """

    label: str
    experiment: str
    paper: Rates | None
    binarize: str = "ht"

    @property
    def file(self) -> str:
        """Stem of the file with the column's phrases."""
        return f"{self.experiment}-{self.binarize}"


PAPER_DATA: Rates = (0.88, 0.48, 0.96)
"""The paper's values for its training data (Table 1)."""


def experiments() -> list[Experiment]:
    """Return all trainings; first stages precede the trainings that start from them."""
    found = [
        Experiment(FIRST_STAGE, "pretrain"),
        Experiment("ablated-1", "pretrain", discriminator="ablated-1"),
        Experiment("ablated-2", "pretrain", discriminator="ablated-2"),
        *(Experiment(f"end-to-end-{neuron}", "end-to-end", neuron) for neuron in ("sbn", "dbn")),
        Experiment(OURS, "end-to-end", "sbn"),
    ]
    for strategy in ("two-stage", "joint"):
        found += [Experiment(f"{strategy}-{n}", strategy, n, start=FIRST_STAGE) for n in ("sbn", "dbn")]
    return found


def columns() -> list[Column]:
    """Return the columns of the models in the paper's order, our own model last."""
    return [
        Column("pretrained + BS", FIRST_STAGE, (0.67, 0.20, 0.98), "bs"),
        Column("pretrained + HT", FIRST_STAGE, (0.72, 0.22, 1.00)),
        Column("two-stage, SBN", "two-stage-sbn", (0.42, 0.26, 0.99)),
        Column("two-stage, DBN", "two-stage-dbn", (0.78, 0.45, 0.87)),
        Column("joint, SBN", "joint-sbn", (0.18, 0.19, 0.95)),
        Column("joint, DBN", "joint-dbn", (0.55, 0.19, 1.00)),
        Column("end-to-end, SBN", "end-to-end-sbn", (0.67, 0.16, 1.40)),
        Column("end-to-end, DBN", "end-to-end-dbn", (0.28, 0.29, 1.10)),
        Column("ablated-I + BS", "ablated-1", (0.61, 0.19, 1.00), "bs"),
        Column("ablated-I + HT", "ablated-1", (0.64, 0.20, 1.00)),
        Column("ablated-II + BS", "ablated-2", (0.35, 0.14, 1.30), "bs"),
        Column("ablated-II + HT", "ablated-2", (0.37, 0.14, 1.40)),
        Column("our default (composer)", OURS, None),
    ]


def run_experiment(experiment: Experiment, scale: Scale, data: str, out: Path, seed: int) -> str:
    """Train one experiment in ``out/runs/NAME``, or resume it.

    Returns:
        ``finished``, ``interrupted``, ``diverged``, or ``no first stage`` if the run that it starts from is missing.

    Raises:
        UserError: the corpus does not fit, or the folder has a run of another scale, corpus or seed.

    """
    path = out / "runs" / experiment.name
    start = out / "runs" / experiment.start if experiment.start else None
    if start and not (start / "generator.safetensors").exists():
        return "no first stage"
    try:
        if (path / "config.yaml").exists():
            require_same(experiment, scale, data, out, seed)
            done = resume_pianoroll(path, "cpu", data, quiet=True)
        else:
            config = experiment.config(scale, open_corpus(data))
            command = f"bgmusic paper bmusegan --scale {scale} --data {data} --seed {seed}"
            done = train_pianoroll(path, config, data, seed, "cpu", start=start, command=command, quiet=True)
    except Diverged:
        return "diverged"
    return "finished" if done else "interrupted"


def require_same(experiment: Experiment, scale: Scale, data: str, out: Path, seed: int) -> None:
    """Check that an existing run of the experiment has the same config, corpus and seed.

    Raises:
        UserError: the run has another scale, corpus or seed.

    """
    path = out / "runs" / experiment.name
    if not (path / "config.yaml").exists():
        return
    run, corpus = Run.open(path, KIND), open_corpus(data)
    kept, wanted = run.config(PianorollConfig), experiment.config(scale, corpus)
    wanted = wanted.model_copy(update={"training": settled_as(wanted.training, kept.training)})
    same = kept == wanted and run.seed() == seed
    data_of_run = run.environment().get("data")
    if not same or open_corpus(str(data_of_run)).path.resolve() != corpus.path.resolve():
        raise UserError(f"{path} has a run of another scale, corpus or seed; choose another --out")


def run_all(
    out: str | Path, scale: Scale, data: str, seed: int, jobs: int, report: Callable[[str, str], None]
) -> dict[str, str]:
    """Run all experiments, several in parallel, and second stages after the first.

    Args:
        out: folder of the runs; finished runs are kept.
        scale: ``smoke``, ``quick`` or ``full``.
        data: name of an embedded corpus, or folder of a corpus.
        seed: seed of every run.
        jobs: number of processes, of one thread each.
        report: called with the name of each run and how it ended.

    Returns:
        How each run ended, by name.

    Raises:
        UserError: see :func:`run_experiment`; existing runs are checked before any training.

    """
    out = Path(out)
    for experiment in experiments():
        require_same(experiment, scale, data, out, seed)
    out.mkdir(parents=True, exist_ok=True)
    ended: dict[str, str] = {}
    first, second = (
        [experiment for experiment in experiments() if bool(experiment.start) == later] for later in (False, True)
    )
    for group in (first, second):
        if "interrupted" in ended.values():
            break
        trainings = {
            experiment.name: partial(run_experiment, experiment, scale, data, out, seed) for experiment in group
        }
        for name, how in run_named(trainings, jobs):
            ended[name] = how
            report(name, how)
    return ended
