"""Edits of what the user decided about the plan, and of the length of the piece."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.plans.chord_names import parse_chord
from bgmusic.music.plans.lead_sheet import loosened, parse_line
from bgmusic.music.plans.plan import Bits, Plan, Plans
from bgmusic.music.plans.roman import key_number, parse_key
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import LEVELS
from bgmusic.music.plans.spelling import plan_key
from bgmusic.studio.state import State, require_bars

_ENDING = 2  # bars: what leads to the last chord, and the chord


def decide(
    state: State, part: Literal["instruments", "form", "activity"], track: int, bar: int, value: bool | int | None
) -> State:
    """Decide on one switch of a track's bar; None leaves it to the composer.

    Raises:
        UserError: there is no such switch or value, or the decisions contradict each other.

    """
    shape = state.decided.shape
    if track >= len(shape.tracks) or bar >= shape.bars:
        raise UserError(f"there is no track {track} with a bar {bar}")
    arrays = _copies(state.decided)
    arrays[part][track, bar] = False
    arrays[f"{part}_known"][track, bar] = value is not None
    if value is not None:
        if (part == "instruments") != isinstance(value, bool):
            raise UserError(f"{part} is not decided by {value!r}")
        if part == "instruments":
            arrays[part][track, bar] = value
        elif part == "form":
            if value > bar:
                raise UserError(f"bar {bar + 1} can repeat itself or a bar before it")
            first = value
            if value < bar and arrays["form_known"][track, value]:
                first = int(arrays["form"][track, value].argmax())
            arrays["form"][track, bar, first] = True
            later = arrays["form"][track, :, bar].copy()  # bars that repeat this one
            later[: bar + 1] = False
            arrays["form"][track, later] = np.arange(shape.bars) == first
        else:
            if value > len(LEVELS):
                raise UserError(f"activity has the levels 0 to {len(LEVELS)}")
            if value and arrays["instruments_known"][track, bar] and not arrays["instruments"][track, bar]:
                raise UserError(f"{shape.tracks[track]} is silent in bar {bar + 1}: let it play first")
            arrays[part][track, bar, : int(value)] = True
    if part == "instruments" and value is False:  # what is decided about a silent bar goes with it
        arrays["activity"][track, bar], arrays["activity_known"][track, bar] = False, False
    return _with(state, arrays)


def chord(state: State, beats: tuple[int, int], name: str | None) -> State:
    """Decide on the chord of some beats; None leaves it to the composer.

    Raises:
        UserError: there are no such beats, or the name is no chord.

    """
    first, stop = beats
    arrays = _copies(state.decided)
    if not 0 <= first < stop <= len(arrays["harmony"]):
        raise UserError(f"there are no beats {first} to {stop}")
    arrays["harmony"][first:stop] = False if name is None else parse_chord(name)
    arrays["harmony_known"][first:stop] = name is not None
    return _with(state, arrays)


def chords(state: State, line: str, bar: int, loose: bool = False) -> State:
    """Decide on the chords of bars by a line of chords, in Roman numerals too if a key is decided.

    A longer line lengthens the piece.

    Raises:
        UserError: the line is not understood, or the piece would be too long.

    """
    beats = state.shape.beats
    harmony, known = parse_line(line, beats, plan_key(state.decided))
    if loose:
        harmony, known = loosened(harmony, known, beats)
    needed = bar + len(harmony) // beats
    if needed > state.bars:
        state = with_bars(state, needed)
    arrays = _copies(state.decided)
    inside = slice(bar * beats, needed * beats)
    arrays["harmony"][inside], arrays["harmony_known"][inside] = harmony, known
    return _with(state, arrays)


def key(state: State, name: str | None) -> State:
    """Decide on the key; None leaves it to the composer.

    Raises:
        UserError: the name is no key.

    """
    arrays = _copies(state.decided)
    arrays["key"][:], arrays["key_known"][:] = False, name is not None
    if name is not None:
        arrays["key"][0, key_number(parse_key(name))] = True
    return _with(state, arrays)


def ending(state: State) -> State:
    """Decide that the piece ends: the dominant before its last bar, then one tonic chord that is held.

    The key is the decided one, else that of the bars before. What is decided already stays, but the last bar repeats
    no other.

    Raises:
        UserError: the piece is too short, there is neither music nor a key, or the decisions contradict each other.

    """
    import torch

    from bgmusic.music.composing.endings import with_ending, without_form_at

    heard, last = state.bars - _ENDING, state.bars - 1
    if heard < 1:
        raise UserError(f"an ending needs {_ENDING + 1} bars or more: it follows from those before")
    if not state.decided.key_known.any() and not (state.notes["onset"] < heard * state.shape.steps).any():
        raise UserError("an ending needs a key: compose the bars before the last two, or type a key")
    plans = without_form_at(Plans.stack([state.decided]), last)
    music = torch.from_numpy(state.roll().channels()[None])
    return _with(state, with_ending(plans, music, 0, heard, last, state.shape).plan(0).arrays())


def with_bars(state: State, bars: int) -> State:
    """Change the number of bars; notes, locks and decisions behind the end go, and alternatives too.

    Raises:
        UserError: it is out of range, or something locked would go.

    """
    require_bars(bars)
    units = bars * state.shape.beats
    if state.locks[:, units:].any():
        raise UserError(f"something behind bar {bars} is locked: unlock it first")
    locks = np.zeros((len(state.locks), units), np.bool_)
    common = min(units, state.locks.shape[1])
    locks[:, :common] = state.locks[:, :common]
    arrays = {name: bits.copy() for name, bits in Plan.unknown(state.decided.shape.with_bars(bars)).arrays().items()}
    least = min(bars, state.bars)
    for name, old in state.decided.arrays().items():
        if name.startswith("key"):
            arrays[name][:] = old
        elif name.startswith("harmony"):
            arrays[name][:common] = old[:common]
        elif name == "form":
            arrays[name][:, :least, :least] = old[:, :least, :least]
        else:
            arrays[name][:, :least] = old[:, :least]
    length = bars * state.shape.steps
    notes = state.notes[state.notes["onset"] < length].copy()
    notes["duration"] = np.minimum(notes["duration"], length - notes["onset"])
    decided = Plan(state.decided.shape.with_bars(bars), **arrays)
    return replace(state, bars=bars, locks=locks, decided=decided, notes=notes, takes=(), shown=-1)


def _copies(plan: Plan) -> dict[str, Bits]:
    return {name: bits.copy() for name, bits in plan.arrays().items()}


def _with(state: State, arrays: dict[str, Bits]) -> State:
    decided = Plan(state.decided.shape, **arrays)
    settle(decided)  # refuses contradictions
    return replace(state, decided=decided)
