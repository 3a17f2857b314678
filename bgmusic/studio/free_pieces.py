"""Compose free units of a MIDI file outside of the studio, as the studio does."""

from __future__ import annotations

from dataclasses import replace

from bgmusic.gan.generate import Progress
from bgmusic.music.composing.kept import KeptPiece, with_free_units
from bgmusic.music.midi.song import Song
from bgmusic.music.plans.plan import Plan, Plans
from bgmusic.music.rolls.joining import cut_roll
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.studio import notes as tables
from bgmusic.studio.composing import take_edit
from bgmusic.studio.edits import read_edit
from bgmusic.studio.state import State, Units
from bgmusic.training.protocols import SampleNetwork


def free_state(shape: RollShape, free: Units, plan: Plan, given: Roll | None) -> State:
    """Return a piece whose free units are silent and whose others are locked.

    Args:
        shape: shape of the composer's phrases.
        free: units to compose, boolean ``(tracks, bars * beats)``.
        plan: of the whole piece.
        given: notes of the other units, of which those behind the plan's end are left out; None: silence.

    Raises:
        UserError: the given notes are outside of a track's range.

    """
    state = replace(State.new("", shape, plan.shape.bars, plan.shape.bars), decided=plan)
    if given is not None:
        notes = tables.from_roll(cut_roll(given, 0, min(given.bars, state.bars)))
        state = state.with_notes(notes)
        state = state.with_notes(state.merged(tables.no_notes(), free))
    return replace(state, locks=~free)


def compose_free(
    network: SampleNetwork,
    shape: RollShape,
    free: Units,
    plans: Plans,
    kept: KeptPiece | None,
    seed: int,
    first: int,
    bpm: float | None,
    progress: Progress,
) -> tuple[list[Roll], list[Song] | None]:
    """Compose the free units of a piece, once for each plan, as the studio does.

    Args:
        network: in evaluation mode.
        shape: shape of its phrases.
        free: units to compose, boolean ``(tracks, bars * beats)``.
        plans: of the whole piece.
        kept: the file with the other units; None: silence.
        seed: seed of the noise.
        first: number of the first piece, from 0; each has other noise.
        bpm: tempo; None for that of the file, or the composer's.
        progress: receives the number of pieces composed since the last call.

    Returns:
        The pieces, and the file with the free units of each instead of its own; None without a file.

    Raises:
        UserError: the network cannot fill in parts, a plan contradicts itself, or the given notes do not fit.

    """
    given = None if kept is None else kept.roll
    made = []
    for number in range(len(plans)):
        state = free_state(shape, free, plans.plan(number), given)
        edit = take_edit(network, state, ~state.kept, seed, first + number)
        roll = read_edit(edit).apply(state).roll(bpm)
        made.append(roll if given is None or bpm is not None else replace(roll, tempos=given.tempos))
        progress(1)
    return made, None if kept is None else [with_free_units(kept, shape, free, roll, bpm) for roll in made]
