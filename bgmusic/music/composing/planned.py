"""Compose under plans: decide on form, instruments, harmony and activity first, then compose accordingly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.gan.draws import Draws
from bgmusic.gan.generate import Progress
from bgmusic.music.composing import windows
from bgmusic.music.composing.endings import require_ending, without_form_at
from bgmusic.music.composing.given import Given
from bgmusic.music.composing.pieces import check_length, noise_path
from bgmusic.music.networks.composing_network import composes_under_plans
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import Plan, Plans
from bgmusic.music.plans.roman import parse_key
from bgmusic.music.plans.settle import overrule, settle
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.storing import read_plan
from bgmusic.music.plans.typed import bars_of, typed_plan
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork


@dataclass(frozen=True)
class Wishes:
    """What a user says about a plan, as text; see :func:`bgmusic.music.plans.typed.typed_plan`.

    Attributes:
        bars: number of bars.
        chords: a line of chords, ``C | Am | F G | C``.
        form: sections, ``AABA``.
        instruments: bars in which tracks play, ``Drums:-x-x``.
        activity: how busy tracks are, ``Piano:low``.
        key: key of the piece, and of Roman numerals, ``Am``.
        loose: whether chords decide only on the beats where they begin, and on the first of each bar.

    """

    bars: int | None = None
    chords: str | None = None
    form: str | None = None
    instruments: str | None = None
    activity: str | None = None
    key: str | None = None
    loose: bool = False


def wished_plan(phrase: PlanShape, wishes: Wishes, base: Plan | str | Path | None = None) -> Plan:
    """Make a plan of what a user says; what is not said stays unknown.

    Args:
        phrase: tracks, beats and bars of a phrase.
        wishes: what is said; it overrules ``base``.
        base: a plan, or the path of its JSON file.

    Raises:
        TypeError: ``base`` is no plan.
        UserError: something is not understood, contradicts itself, or does not fit the phrase or the base.
        OSError: the file can't be read.

    """
    name = f"{base}: " if isinstance(base, str | Path) else ""
    base = read_plan(base) if isinstance(base, str | Path) else base
    if base is not None and not isinstance(base, Plan):
        raise TypeError(f"a plan is a Plan, or the path of its file, not {type(base).__name__}")
    bars = wishes.bars
    if bars is None:
        bars = bars_of(wishes.chords, wishes.form, phrase.bars) if base is None else base.shape.bars
    size = phrase.with_bars(bars)
    if base is not None:
        try:
            require_fit(base.shape, size)
        except UserError as error:
            raise UserError(f"{name}{error}") from None
    if wishes.loose and wishes.chords is None:
        raise UserError("loose says how chords are meant: give chords, too")
    key = None if wishes.key is None else parse_key(wishes.key)
    typed = typed_plan(size, wishes.chords, wishes.form, wishes.instruments, wishes.activity, key, wishes.loose)
    return settle(typed) if base is None else overrule(base, typed)


def require_fit(plan: PlanShape, size: PlanShape) -> None:
    """Check that a plan has the tracks, beats and bars of ``size``.

    Raises:
        UserError: it has not.

    """
    if (plan.tracks, plan.drums) != (size.tracks, size.drums):
        raise UserError(
            f"the plan is for another composer: it has the tracks {', '.join(plan.tracks)}, this composer has "
            f"{', '.join(size.tracks)}; bgmusic plan RUN makes a plan for the composer RUN"
        )
    if plan.beats != size.beats:
        raise UserError(f"the plan has {plan.beats} beats a bar, the composer {size.beats}")
    if plan.bars != size.bars:
        raise UserError(f"the plan has {plan.bars} bars, not {size.bars}")


@dataclass(frozen=True, eq=False)
class GivenTrack:
    """A track whose notes are given in all bars of a piece.

    Attributes:
        track: its number.
        channels: boolean ``(channels, bars, steps, pitches)`` as ``Roll.channels``; the other tracks are silent.

    """

    track: int
    channels: NDArray[np.bool_]

    @staticmethod
    def of(given: Given) -> GivenTrack:
        """Return the given track of a file.

        Raises:
            UserError: the bars of the file that fit the composer are not one unbroken run.

        """
        if len(given.stretches) != 1:
            raise UserError(
                f"the bars that fit the composer are {len(given.stretches)} separate parts of the file; a plan needs "
                "one (bgmusic accompany takes several)"
            )
        return GivenTrack(given.track, given.channels()[0].numpy())

    def plan(self, shape: RollShape) -> Plan:
        """Return the plan of the given track alone: its form, instruments and activity; the rest is unknown."""
        everything = extract_channels(self.channels[None], shape).plan(0)
        arrays = {name: values.copy() for name, values in everything.arrays().items()}
        others = np.arange(len(shape.track_set)) != self.track
        for name, values in arrays.items():
            if name.startswith(("harmony", "key")):
                values[:] = False
            else:
                values[others] = False
        return Plan(everything.shape, **arrays)


def with_given(plan: Plan, given: GivenTrack, shape: RollShape) -> Plan:
    """Return a plan with the facts of a given track.

    Raises:
        UserError: the plan has other bars, or says something else about the track.

    """
    facts = given.plan(shape)
    require_fit(plan.shape, facts.shape)
    track, name = given.track, plan.shape.tracks[given.track]
    for part in ("instruments", "activity"):
        known = getattr(plan, f"{part}_known")[track]
        differ = (getattr(plan, part)[track] != getattr(facts, part)[track]).reshape(plan.shape.bars, -1).any(-1)
        if (known & differ).any():
            raise UserError(f"{part} of {name}: its notes are given, and differ from the plan in bar "
                            f"{int((known & differ).argmax()) + 1}")  # fmt: skip
    said, heard = plan.repeats[track], facts.repeats[track]
    # Bars that a form calls new may turn out equal; bars that it calls equal may not differ.
    if (wrong := plan.form_known[track] & (heard != heard[said])).any():
        bar = int(wrong.argmax())
        raise UserError(
            f"form of {name}: its notes are given, and bar {bar + 1} does not repeat bar {int(said[bar]) + 1}; say the "
            f"form of other tracks, '{plan.shape.tracks[0 if track else -1]}:...'"
        )
    return overrule(plan, facts)


def compose(
    generator: SampleNetwork,
    shape: RollShape,
    plans: Plans,
    seed: int,
    *,
    first: int = 0,
    given: GivenTrack | None = None,
    ending: bool = False,
    progress: Progress | None = None,
) -> NDArray[np.bool_]:
    """Compose one piece for each plan. Each depends on its plan, the seed and its number alone.

    Args:
        generator: in evaluation mode.
        shape: shape of its phrases.
        plans: settled plans of any number of bars; what is unknown, the generator decides.
        seed: seed of the noise.
        first: number of the first piece, from 0.
        given: a track that stays as it is.
        ending: whether the last bar ends the piece, see :mod:`.endings`; it repeats no other then.
        progress: receives the number of pieces composed since the last call.

    Returns:
        Booleans ``(batch, channels, bars, steps, pitches)``.

    Raises:
        UserError: the generator composes without plans, or the plans do not fit it; or the pieces are too short for an
            ending, or a given track says how they end.

    """
    require_fit(plans.shape, PlanShape.of(shape, plans.shape.bars))
    check_length(shape, plans.shape.bars, len(plans))
    if not composes_under_plans(generator):
        raise UserError("this generator composes without plans (network.kind: causal composes with them)")
    last = None
    if ending:
        require_ending(plans.shape.bars, shape)
        if given is not None:
            raise UserError("an ending is composed, but here the given track says how the piece ends")
        last = plans.shape.bars - 1
        plans = without_form_at(plans, last)
    pieces = []
    for number in range(len(plans)):
        draws = Draws(seed, first + number, 1)
        units = (1, len(shape.track_set), plans.shape.bars * shape.beats)
        free = torch.ones(units, dtype=torch.bool)
        notes = torch.zeros(1, shape.channels, plans.shape.bars, shape.steps, shape.pitches, dtype=torch.bool)
        if given is not None:
            notes, free[:, given.track] = torch.from_numpy(given.channels)[None], False
        plan = plans[slice(number, number + 1)]
        path = noise_path(draws, generator.latent)
        pieces.append(windows.compose(generator, notes, free, path, plans=plan, last=last).numpy())
        if progress:
            progress(1)
    return np.concatenate(pieces)
