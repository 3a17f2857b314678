"""Train a composer in stages, each a run of its own: drafts, critics, and what they learn from each other."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from rich.console import Console

from bgmusic.errors import UserError
from bgmusic.files import atomic_write
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.training.corpora import open_again, place_of
from bgmusic.music.training.pianoroll import fit, resume_pianoroll, starts, train_pianoroll
from bgmusic.training import distributed
from bgmusic.training.runs import Run, environment
from bgmusic.training.session import choose_device
from bgmusic.yaml import Config, load_preset, merge, presets, validate

KIND = "composer"
_WEIGHTS = "generator.safetensors"


class Stage(Config):
    """One training."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    """Its folder in the run is its number and this name."""
    preset: str
    """Preset of `bgmusic train pianoroll`."""
    values: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Values that differ from the preset's."""


class Recipe(Config):
    """The stages of a composer."""

    stages: Annotated[list[Stage], Field(min_length=1, max_length=20)]
    """In order. Each starts from the one before it, if its preset starts from a run."""
    values: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Values of all stages, such as sizes of the network; those of a stage take precedence."""

    def configs(self) -> list[tuple[str, PianorollConfig]]:
        """Return the folder and the config of each stage.

        Raises:
            UserError: there is no such preset, a key or value is invalid, or the first stage starts from a run.

        """
        found = []
        for number, stage in enumerate(self.stages, 1):
            if stage.preset not in presets("pianoroll"):  # never a file, on which the run would depend
                raise UserError(f"stage {stage.name}: there is no preset {stage.preset!r} of bgmusic train pianoroll")
            values = merge(merge(load_preset("pianoroll", stage.preset), self.values), stage.values)
            found.append((f"{number}-{stage.name}", validate(PianorollConfig, values, f"stage {stage.name}")))
        if starts(found[0][1]):
            raise UserError(f"stage {self.stages[0].name} starts from a run, and can't be the first")
        return found


def train_stages(
    out: Path,
    recipe: Recipe,
    data: str,
    seed: int = 0,
    device: str = "auto",
    command: str = "",
    quiet: bool = False,
) -> bool:
    """Train all stages into a new run folder; True when finished, False when interrupted.

    The folder holds a run for each stage, and the generator of the last one that is finished.

    Args:
        out: the run folder.
        recipe: the stages.
        data: name of an embedded corpus, or the folder of a corpus.
        seed: seed of all stages.
        device: ``auto``, ``cpu`` or ``cuda``.
        command: command line, kept in the run's environment.
        quiet: print nothing.

    Raises:
        UserError: the corpus does not fit a stage, the folder is taken, the device is missing, or training diverged.
        OSError: the folder can't be written.

    """
    device, corpus = choose_device(device), open_corpus(data)
    for _, config in recipe.configs():
        fit(config, corpus)
    places = {"data": place_of(data, corpus), "corpus": corpus.fingerprint, "finished": []}
    run = Run.create(out, KIND, recipe, {**environment(seed, device, command), **places})
    return _train(run, recipe, data, seed, device, quiet)


def resume_stages(out: Path, device: str = "auto", data: str | None = None, quiet: bool = False) -> bool:
    """Resume a run of several stages, with its own recipe, corpus and seed; True when finished.

    Args:
        out: the run folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        data: the corpus's new folder, if it was moved; it is saved in the run.
        quiet: print nothing.

    Raises:
        UserError: it is no such run, is corrupt, or its corpus is missing or has changed.

    """
    run = Run.open(out, KIND)
    places = run.environment()
    corpus = open_again(out, places, data)
    if data:
        run.note(data=place_of(data, corpus))
    return _train(run, run.config(Recipe), data or str(places.get("data")), run.seed(), choose_device(device), quiet)


def _train(run: Run, recipe: Recipe, data: str, seed: int, device: str, quiet: bool) -> bool:
    with distributed.leader_first():  # it has made the folder
        places = run.environment()
    finished = places.get("finished")
    if not isinstance(finished, list):
        raise UserError(f"{run.path / 'environment.json'}: it does not say which stages are finished")
    configs, console = recipe.configs(), Console(stderr=True)
    for number, (name, config) in enumerate(configs):
        if name in finished:
            continue
        if not quiet and distributed.leads():
            console.print(f"stage {number + 1} of {len(configs)}: {recipe.stages[number].name}", highlight=False)
        folder = run.path / name
        if distributed.any_of(distributed.leads() and (folder / "config.yaml").is_file()):
            done = resume_pianoroll(folder, device, data, quiet)
        else:
            start = run.path / configs[number - 1][0] if starts(config) else None
            command = f"{places.get('command')} # {name}"
            done = train_pianoroll(folder, config, data, seed, device, None, start, command, quiet)
        if not done:
            return False
        finished = [*finished, name]
        if distributed.leads():
            with (folder / _WEIGHTS).open("rb") as source, atomic_write(run.path / _WEIGHTS) as target:
                shutil.copyfileobj(source, target)
            run.note(finished=finished)
    return True
