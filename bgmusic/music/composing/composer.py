"""A trained composer as an object: generate, accompany, interpolate, save and share."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress
from bgmusic.music.composing import pieces
from bgmusic.music.composing.accompaniment import accompany, require_composer
from bgmusic.music.composing.arguments import (
    check_bpm,
    check_count,
    check_draws,
    check_flags,
    check_seed,
    check_texts,
)
from bgmusic.music.composing.generate import phrases, to_rolls
from bgmusic.music.composing.given import extract_given, read_given, track_number
from bgmusic.music.composing.interpolation import interpolate
from bgmusic.music.composing.planned import GivenTrack, Wishes, compose, wished_plan
from bgmusic.music.composing.planners import decide
from bgmusic.music.composing.sketches import sketched
from bgmusic.music.composing.write_back import Accompaniment, with_accompaniment
from bgmusic.music.midi.song import Song
from bgmusic.music.networks.composing_network import composes_under_plans
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.networks.planner.network import Planner
from bgmusic.music.plans.plan import Plan, Plans
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.joining import join_rolls
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork

if TYPE_CHECKING:
    import torch


class Composer:
    """A trained generator of music. Make one with :func:`load`.

    Attributes:
        name: what it was loaded from.
        config: the config that it was trained with.
        shape: tracks, resolution, bars, steps and encoding of its phrases.
        network: the PyTorch module, in evaluation mode.
        planner: completes plans; None: the composer sketches a piece and takes its plan.

    """

    def __init__(
        self,
        name: str,
        config: PianorollConfig,
        shape: RollShape,
        network: SampleNetwork,
        planner: Planner | None = None,
    ) -> None:
        self.name, self.config, self.shape, self.network, self.planner = name, config, shape, network, planner

    def __repr__(self) -> str:
        shape = self.shape
        return f"Composer({self.name!r}: {shape.track_set.name}, phrases of {shape.bars} bars)"

    def to(self, device: str | torch.device) -> Composer:
        """Move the network to a device; returns the composer itself.

        Raises:
            UserError: there is no such device.

        """
        try:
            self.network.to(device)
        except (AssertionError, RuntimeError) as error:  # of torch: no such device, or none of this kind here
            raise UserError(f"device {str(device)!r}: {str(error).splitlines()[0]}") from None
        return self

    def generate(
        self,
        n: int = 1,
        *,
        bars: int | None = None,
        ending: bool = False,
        seed: int = 0,
        first: int = 0,
        bpm: float | None = None,
        binarize: str = "ht",
        jobs: int = 1,
        progress: Progress | None = None,
    ) -> list[Roll]:
        """Compose ``n`` pieces: numbers ``first``, ``first + 1``, ... of a seed.

        A piece depends on its seed and number alone: ``generate(1, seed=5, first=7)`` is the last piece of
        ``generate(8, seed=5)``. With more bars, it starts with the same phrase.

        Args:
            n: number of pieces.
            bars: length of each piece; a phrase by default, 1024 at most.
            ending: whether the last bar ends the piece: the tonic chord, held; for more bars than a phrase.
            seed: seed of the noise, 0 to 2^63 - 1.
            first: number of the first piece, from 0.
            bpm: tempo of the rolls in beats per minute; by default the median of the training corpus.
            binarize: ``ht`` (hard threshold) or ``bs`` (Bernoulli sampling), for a real-valued network.
            jobs: number of processes; each loads PyTorch, so it takes many phrases to gain. A script that asks for
                several starts under ``if __name__ == "__main__":``.
            progress: receives the number of phrases generated since the last call.

        Raises:
            UserError: an argument is out of range.

        """
        check_draws(n, seed, first)
        check_count("jobs", jobs)
        check_bpm(bpm)
        check_flags(ending=ending)
        length = self.shape.bars if bars is None else bars
        check_count("bars", length)
        pieces.check_length(self.shape, length, n)
        make = phrases if bars is None and not ending else partial(pieces.pieces, bars=length, ending=ending)
        channels = make(
            self.network, self.shape, count=n, seed=seed, binarize=binarize, progress=progress, first=first, jobs=jobs
        )
        return to_rolls(channels, self.shape, bpm)

    def plan(
        self,
        *,
        bars: int | None = None,
        chords: str | None = None,
        form: str | None = None,
        instruments: str | None = None,
        activity: str | None = None,
        key: str | None = None,
        loose: bool = False,
        base: Plan | str | Path | None = None,
        seed: int = 0,
        complete: bool = True,
    ) -> Plan:
        """Make a plan. What is not said, the planner decides, or the plan of a piece that is composed for this.

        Args:
            bars: number of bars.
            chords: ``C | Am | F G | C``.
            form: sections, ``AABA``, or of tracks, ``Drums:AAAA``.
            instruments: ``x`` where a track plays, ``-`` where it is silent: ``Bass:xx-x``.
            activity: ``none``, ``low``, ``medium``, ``high``, ``full``, or 0 to 8: ``Piano:low``.
            key: key of the piece, and of Roman numerals: ``Am``.
            loose: whether chords decide only on the beats where they begin, and on the first of each bar.
            base: a plan or the path of its JSON file, which the other arguments overrule.
            seed: seed of what is decided.
            complete: False leaves open what is not said.

        Raises:
            UserError: an argument is not understood, contradicts another, or does not fit the composer.
            OSError: the file can't be read.

        """
        check_seed(seed)
        texts = {"chords": chords, "form": form, "instruments": instruments, "activity": activity, "key": key}
        check_texts(**texts)
        check_flags(loose=loose, complete=complete)
        wishes = Wishes(bars, **texts, loose=loose)
        plan = wished_plan(PlanShape.of(self.shape), wishes, base)
        return self.complete(plan, seed=seed).plan(0) if complete else plan

    def complete(
        self, plan: Plan, n: int = 1, *, seed: int = 0, first: int = 0, given: GivenTrack | None = None
    ) -> Plans:
        """Complete a plan in ``n`` ways, as :meth:`plan` does; a network without plans and planner leaves it open.

        Args:
            plan: a settled plan.
            n: number of plans.
            seed: seed of what is decided.
            first: number of the first plan, from 0.
            given: a track that stays as it is, which a sketch hears, with its facts in the plan.

        Raises:
            UserError: the plan does not fit the composer.

        """
        if self.planner is not None:
            return decide(self.planner, plan, n, seed, first)
        if not composes_under_plans(self.network):
            return plan.repeated(n)
        return sketched(self.network, self.shape, plan, n, seed, first, given)

    def compose(
        self,
        plan: Plan | str | Path,
        n: int = 1,
        *,
        ending: bool = False,
        seed: int = 0,
        first: int = 0,
        bpm: float | None = None,
        progress: Progress | None = None,
    ) -> list[Roll]:
        """Compose ``n`` pieces under a plan: numbers ``first``, ``first + 1``, ... of a seed.

        Args:
            plan: a plan, or the path of its JSON file.
            n: number of pieces.
            ending: whether the last bar ends the piece, as in :meth:`generate`; it repeats no other then.
            seed: seed of the noise.
            first: number of the first piece, from 0.
            bpm: tempo of the rolls, as in :meth:`generate`.
            progress: receives the number of pieces composed since the last call.

        Raises:
            UserError: the network composes without plans, or the plan does not fit it.
            OSError: the file can't be read.

        """
        check_draws(n, seed, first)
        check_bpm(bpm)
        check_flags(ending=ending)
        if isinstance(plan, str) and not Path(plan).exists():
            raise UserError(f"there is no plan file {plan!r}; for chords: composer.compose(composer.plan(chords=...))")
        plans = wished_plan(PlanShape.of(self.shape), Wishes(), plan).repeated(n)
        made = compose(self.network, self.shape, plans, seed, first=first, ending=ending, progress=progress)
        return to_rolls(made, self.shape, bpm)

    def accompany(
        self,
        source: str | Path | Song | Roll,
        given: str | int,
        n: int = 1,
        *,
        seed: int = 0,
        first: int = 0,
        jobs: int = 1,
        progress: Progress | None = None,
    ) -> list[Accompaniment]:
        """Compose all other tracks to one track of a MIDI file, a song or a roll.

        Args:
            source: path of the MIDI file, or the music itself.
            given: name or number (from 0) of the track that stays as it is.
            n: number of accompaniments.
            seed: seed of the noise.
            first: number of the first accompaniment, from 0, as in :meth:`generate`.
            jobs: number of processes, as in :meth:`generate`.
            progress: receives the number of phrases composed since the last call.

        Raises:
            UserError: the network is no composer, or the source has no such track or no bar of the network's length.
            OSError: the file can't be read.

        """
        check_draws(n, seed, first)
        check_count("jobs", jobs)
        if isinstance(given, bool) or not isinstance(given, str | int | np.integer):
            raise TypeError(f"given is the name or number of a track, not {given!r}")
        network = require_composer(self.network, self.shape, self.name)
        track = track_number(str(given), self.shape.track_set)
        if isinstance(source, Song | Roll):
            found = extract_given(source.to_song() if isinstance(source, Roll) else source, self.shape, track)
        else:
            found = read_given(source, self.shape, track)
        made = accompany(network, found, n, seed, progress, first=first, jobs=jobs)
        return [Accompaniment(join_rolls(rolls), with_accompaniment(found, rolls)) for rolls in made]

    def interpolate(
        self,
        start: int,
        end: int,
        steps: int = 9,
        *,
        bpm: float | None = None,
        binarize: str = "ht",
        jobs: int = 1,
        progress: Progress | None = None,
    ) -> list[Roll]:
        """Compose phrases at equal steps from the phrase of one seed to that of another, both included.

        Args:
            start: seed of the first phrase.
            end: seed of the last phrase.
            steps: number of phrases, 2 or more.
            bpm: tempo of the rolls, as in :meth:`generate`.
            binarize: ``ht`` or ``bs``, for a real-valued network.
            jobs: number of processes; a composer's phrases follow from each other, so it takes one.
            progress: receives the number of phrases generated since the last call.

        Raises:
            UserError: an argument is out of range.

        """
        check_seed(start)
        check_seed(end)
        check_bpm(bpm)
        check_count("jobs", jobs)
        path = interpolate(self.network, self.shape, (start, end), steps, binarize, progress, jobs=jobs)
        return to_rolls(path, self.shape, bpm)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json``, ``model.safetensors`` and a model card to a folder; :func:`load` reads it back.

        Raises:
            OSError: the folder can't be written.

        """
        from bgmusic.music.composing.pretrained import save_pretrained

        save_pretrained(self.network, self.config, folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str = "Upload a bgmusic composer",
    ) -> str:
        """Upload what :meth:`save_pretrained` writes to a repository of the Hugging Face Hub.

        Needs the extra ``hub``: ``pip install "bgmusic[hub]"``.

        Args:
            repo_id: ``owner/name``; it is created if need be.
            private: visibility of a new repository.
            token: access token; the one that is stored on this machine by default.
            commit_message: of the upload.

        Returns:
            The address of the commit.

        Raises:
            UserError: huggingface_hub is not installed, or the Hub refuses.

        """
        from bgmusic.music.composing.hub import upload

        return upload(self.network, self.config, repo_id, private=private, token=token, message=commit_message)
