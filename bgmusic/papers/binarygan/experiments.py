"""Define and run the trainings of BinaryGAN (arXiv 1810.04714, sections 4.3 to 4.6 and figure 8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.samples import KIND
from bgmusic.digits.train import resume_digits, train_digits
from bgmusic.errors import UserError
from bgmusic.training.precision import settled_as
from bgmusic.training.processes import run_named
from bgmusic.training.protocols import Diverged
from bgmusic.training.runs import Run
from bgmusic.yaml import load_preset, merge, validate

Scale = Literal["smoke", "quick", "full"]

_PAPER_STEPS = 18_740
_STEPS: dict[Scale, dict[str, int]] = {
    "smoke": {"mlp": 4, "cnn": 2},
    # A fifth of the updates at five times the learning rate; a convolutional update costs ten times a dense one.
    "quick": {"mlp": 3_750, "cnn": 100},
    "full": {"mlp": _PAPER_STEPS, "cnn": _PAPER_STEPS},
}
_QUICK_RATE = 5e-4  # five times the paper's


@dataclass(frozen=True)
class Experiment:
    """One training of the paper.

    Attributes:
        network: ``mlp`` or ``cnn``.
        neuron: output neuron, ``dbn``, ``sbn`` or ``real``.
        objective: preset of the objective.
        d_norm: whether D has batch norm.
        parts: the paper's experiments that use the training.

    """

    network: str
    neuron: str
    objective: str
    d_norm: bool
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return f"{self.network}-{self.neuron}-{self.objective}{'-bn' if self.d_norm else ''}"

    def config(self, scale: Scale) -> DigitsConfig:
        """Return the paper's preset with the changes of this experiment and scale.

        All scales have the same number of slope annealing steps.
        """
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
            # The paper's warm-up of 100 D updates would take a third of the time of a short training, and at its
            # learning rate the offsets of the last batch norm could not reach the background's -1 in so few updates.
            changes["training"]["warmup"] = {"updates": 20, "first": 25, "every": 500}
            for side in ("g_optimizer", "d_optimizer"):
                changes["training"][side] = {"rate": _QUICK_RATE}
        return validate(DigitsConfig, merge(values, changes), self.name)


def experiments() -> list[Experiment]:
    """Return all trainings of the paper. Experiments I to IV and the 12 of figure 8 share most of them."""
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
    """Train one experiment in ``out/runs/NAME``, or resume it.

    Returns:
        ``finished``, ``interrupted`` or ``diverged``.

    Raises:
        UserError: the folder has a run of another scale or seed.

    """
    path = out / "runs" / experiment.name
    try:
        if (path / "config.yaml").exists():
            run, wanted = Run.open(path, KIND), experiment.config(scale)
            kept = run.config(DigitsConfig)
            if kept != wanted.model_copy(update={"training": settled_as(wanted.training, kept.training)}):
                raise UserError(f"{path} has a run of another scale; choose another --out")
            if run.seed() != seed:
                raise UserError(f"{path} has a run of another seed; choose another --out")
            done = resume_digits(path, device="cpu", quiet=True)
        else:
            command = f"bgmusic paper binarygan --scale {scale} --seed {seed}"
            done = train_digits(path, experiment.config(scale), seed, "cpu", command=command, quiet=True)
    except Diverged:
        return "diverged"
    return "finished" if done else "interrupted"


def run_all(
    out: str | Path,
    scale: Scale,
    seed: int,
    jobs: int,
    report: Callable[[str, str], None],
    chosen: Sequence[Experiment] | None = None,
) -> dict[str, str]:
    """Run the experiments, several in parallel.

    Args:
        out: folder of the runs; finished runs are kept.
        scale: ``smoke``, ``quick`` or ``full``.
        seed: seed of every run.
        jobs: number of processes, of one thread each.
        report: called with the name of each run and how it ended.
        chosen: the experiments to run; by default all.

    Returns:
        How each run ended, by name.

    Raises:
        UserError: see :func:`run_experiment`.

    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    ended: dict[str, str] = {}
    # Convolutional runs take longest and go first, so that no process is left with one at the end.
    queue = sorted(chosen or experiments(), key=lambda experiment: experiment.network)
    trainings = {experiment.name: partial(run_experiment, experiment, scale, out, seed) for experiment in queue}
    for name, how in run_named(trainings, jobs):
        ended[name] = how
        report(name, how)
    return ended
