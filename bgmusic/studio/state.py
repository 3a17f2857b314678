"""The state of a project: notes, locks, decisions, alternatives. Immutable; edits make new states."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import DEFAULT_BPM, Table
from bgmusic.music.plans.extract import extract
from bgmusic.music.plans.plan import Plan
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.studio import notes as tables

MAX_BARS = 128
MAX_TAKES = 9
"""Alternatives that are kept, one for each number key."""
Units = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a composition was made of: with the composer, it gives the same notes again.

    Attributes:
        seed: seed of the noise.
        free: units that were composed, boolean ``(tracks, bars * beats)``.
        given: notes that were kept, dtype ``notes.NOTE``.
        decided: what the user had decided of the plan.

    """

    seed: int
    free: Units
    given: Table
    decided: Plan


@dataclass(frozen=True, eq=False)
class Alternative:
    """The notes of a whole piece, and the recipe of its last composition, if nothing but that made them."""

    notes: Table
    recipe: Recipe | None = None


@dataclass(frozen=True, eq=False)
class State:
    """A project at one moment.

    Attributes:
        generator: name of the composer.
        shape: shape of its phrases.
        bars: bars of the piece.
        bpm: tempo in beats per minute.
        title: title of the piece.
        notes: dtype ``notes.NOTE``, sorted by onset, track and pitch.
        locks: units that the composer and edits leave as they are, boolean ``(tracks, bars * beats)``.
        decided: what the user decided of the plan; the rest is unknown.
        takes: alternatives.
        shown: number of the alternative that is shown, or -1.
        composed: number of compositions so far; the next one has this seed by default.

    """

    generator: str
    shape: RollShape
    bars: int
    bpm: float
    title: str
    notes: Table
    locks: Units
    decided: Plan
    takes: tuple[Alternative, ...] = ()
    shown: int = -1
    composed: int = 0

    @staticmethod
    def new(generator: str, shape: RollShape, bars: int | None = None, most: int = MAX_BARS) -> State:
        """Return an empty project of at most ``most`` bars.

        Raises:
            UserError: it has too many bars.

        """
        bars = require_bars(shape.bars if bars is None else bars, most)
        locks = np.zeros((len(shape.track_set), bars * shape.beats), np.bool_)
        decided = Plan.unknown(PlanShape.of(shape, bars))
        return State(generator, shape, bars, shape.bpm or DEFAULT_BPM, "", tables.no_notes(), locks, decided)

    @property
    def steps(self) -> int:
        """Steps of the piece."""
        return self.bars * self.shape.steps

    @property
    def kept(self) -> Units:
        """Units that the composer leaves as they are: locked ones, and those where a kept note sounds.

        Kept notes are the user's, and those that sound in a locked unit.
        """
        kept_notes = self.notes[self.notes["by_user"] | tables.touches(self.shape, self.notes, self.locks)]
        return self.locks | tables.units_of(self.shape, self.bars, kept_notes)

    @property
    def recipe(self) -> Recipe | None:
        """Recipe of the piece, or None if it was not composed, or edited since."""
        if self.shown < 0 or not np.array_equal(tables.plain(self.notes), tables.plain(self.takes[self.shown].notes)):
            return None
        return self.takes[self.shown].recipe

    def roll(self, bpm: float | None = None) -> Roll:
        """Return the piece as a roll, in its tempo by default."""
        shape, notes = self.shape, tables.plain(self.notes)
        roll = Roll.from_notes(notes, shape.track_set, shape.resolution, self.bars, shape.steps, shape.encoding)
        return replace(roll, metre=shape.metre, tempos=((0, bpm or self.bpm),))

    def plan(self) -> Plan:
        """Return the plan that the notes show."""
        return extract(self.roll())

    def with_notes(self, notes: Table) -> State:
        """Return the state with other notes.

        Raises:
            UserError: one is outside the piece or its track.

        """
        tables.require_notes(self.shape, self.bars, notes)
        return replace(self, notes=notes)

    def with_edited_take(self) -> State:
        """Return the state whose alternative that is shown has the notes as the user edited them."""
        if self.shown < 0 or self.recipe is not None:
            return self
        takes = list(self.takes)
        takes[self.shown] = Alternative(self.notes)
        return replace(self, takes=tuple(takes))

    def merged(self, notes: Table, free: Units) -> Table:
        """Return the notes with those in free units replaced; what is kept stays.

        Args:
            notes: the new notes; those that do not lie wholly in free units are left out.
            free: boolean ``(tracks, bars * beats)``.

        """
        if free.shape != self.locks.shape:
            raise UserError("the piece has another length now: compose again")
        free = free & ~self.kept
        staying = self.notes[~tables.touches(self.shape, self.notes, free)]
        cut = self._cut(self.notes[tables.touches(self.shape, self.notes, free)], free)
        fitting = notes[~tables.touches(self.shape, notes, ~free)]
        return tables.table([*staying.tolist(), *cut, *fitting.tolist()])

    def _cut(self, notes: Table, free: Units) -> list[tables.Row]:
        """Return what is left of notes outside of free units: each keeps its beginning."""
        left: list[tables.Row] = []
        for track, onset, duration, pitch, by_user in notes.tolist():
            first = onset // self.shape.unit
            places = np.flatnonzero(free[track, first : (onset + duration - 1) // self.shape.unit + 1])
            stop = (first + int(places[0])) * self.shape.unit
            if stop > onset:
                left.append((track, onset, stop - onset, pitch, by_user))
        return left


def require_bars(bars: int, most: int = MAX_BARS) -> int:
    """Check a number of bars.

    Raises:
        UserError: it is out of range.

    """
    if not 1 <= bars <= most:
        raise UserError(f"a piece has 1 to {most} bars, not {bars}")
    return bars


def equal(one: State, other: State) -> bool:
    """Whether two states are the same."""
    return (
        (one.generator, one.shape, one.bars, one.bpm, one.title, one.shown, one.composed)
        == (other.generator, other.shape, other.bars, other.bpm, other.title, other.shown, other.composed)
        and np.array_equal(one.notes, other.notes)
        and np.array_equal(one.locks, other.locks)
        and one.decided == other.decided
        and len(one.takes) == len(other.takes)
        and all(
            np.array_equal(a.notes, b.notes) and _same(a.recipe, b.recipe)
            for a, b in zip(one.takes, other.takes, strict=True)
        )
    )


def _same(one: Recipe | None, other: Recipe | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        one.seed == other.seed
        and np.array_equal(one.free, other.free)
        and np.array_equal(one.given, other.given)
        and one.decided == other.decided
    )
