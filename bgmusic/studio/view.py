"""What the page shows of a project, as plain values for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from bgmusic.music.plans.chord_names import chord_name
from bgmusic.music.plans.plan import Bits, Plan
from bgmusic.music.plans.roman import key_name
from bgmusic.music.plans.shape import CLASSES
from bgmusic.music.plans.spelling import plan_spelling
from bgmusic.music.rolls.shape import RollShape
from bgmusic.studio.history import History
from bgmusic.studio.state import State, Units


def view_of(history: History) -> dict[str, Any]:
    """Return the present state of a project."""
    state = history.state
    shape = state.shape
    return {
        "generator": state.generator,
        "title": state.title,
        "bpm": state.bpm,
        "bars": state.bars,
        "key": key_name(state.decided),
        "beats": shape.beats,
        "unit": shape.unit,
        "steps": shape.steps,
        "resolution": shape.resolution,
        "metre": shape.metre,
        "tracks": _tracks(shape),
        "notes": rows_of(state),
        "locks": _signs(state.locks),
        "plan": _plan(state),
        "takes": len(state.takes),
        "shown": state.shown,
        "composed": state.composed,
        "undos": history.undos,
        "redos": history.redos,
    }


def rows_of(state: State) -> list[list[int]]:
    """Return notes as rows of track, onset, duration, pitch, and 1 for the user's."""
    return [[int(value) for value in row] for row in state.notes.tolist()]


def _tracks(shape: RollShape) -> list[dict[str, Any]]:
    return [
        {"name": track.name, "program": track.program, "drum": track.is_drum, "low": track.low, "high": track.high}
        for track in shape.track_set.tracks
    ]


def _signs(units: Units) -> list[str]:
    return ["".join("1" if on else "0" for on in row) for row in units.tolist()]


def _plan(state: State) -> dict[str, Any]:
    """Return what the notes show and what the user decided (null where nothing), by track and bar, or by beat."""
    shown, decided = state.plan(), state.decided
    found: dict[str, Any] = {}
    for name, plan in (("shown", shown), ("decided", decided)):
        found[name] = {
            "instruments": _known(plan.instruments_known, plan.instruments),
            "form": _known(plan.form_known, plan.form.argmax(-1)),
            "activity": _known(plan.activity_known, plan.activity.sum(-1)),
            "harmony": _chords(plan),
        }
    found["classes"] = _classes(found, shown, decided)
    found["obeyed"] = _obeyed(state, shown)
    return found


def _classes(found: dict[str, Any], *plans: Plan) -> dict[str, list[int]]:
    """Return the pitch classes of each chord that is named, the bass first."""
    classes: dict[str, list[int]] = {}
    for name, plan in zip(("shown", "decided"), plans, strict=True):
        for chord, bits in zip(found[name]["harmony"], plan.harmony, strict=True):
            if chord is not None and chord not in classes:
                bass = np.flatnonzero(bits[CLASSES:]).tolist()
                classes[chord] = bass + [one for one in np.flatnonzero(bits[:CLASSES]).tolist() if one not in bass]
    return classes


def _obeyed(state: State, shown: Plan) -> list[bool]:
    """Return for each beat whether the chord that the user decided on is heard; True where nothing is decided.

    It is heard if nothing but its notes sounds, or if it is recognised, whatever the bass.
    """
    shape, decided = state.shape, state.decided
    pitched = ~np.array(shape.drums)
    cells = state.roll().cells[pitched].any(0).reshape(len(decided.harmony), shape.unit, shape.pitches).any(1)
    sounding = np.zeros((len(cells), CLASSES), np.bool_)
    for row in range(shape.pitches):
        sounding[:, (row + shape.track_set.low) % CLASSES] |= cells[:, row]
    wanted = decided.harmony[:, :CLASSES]
    alone = ~(sounding & ~wanted).any(1) & (sounding.any(1) | ~wanted.any(1))
    recognised = (shown.harmony[:, :CLASSES] == wanted).all(1)
    obeyed: list[bool] = (alone | recognised | ~decided.harmony_known).tolist()
    return obeyed


def _known(known: Bits, values: Any) -> list[list[Any]]:
    both = zip(known.tolist(), np.asarray(values).tolist(), strict=True)
    return [[value if sure else None for sure, value in zip(*row, strict=True)] for row in both]


def _chords(plan: Plan) -> list[str | None]:
    both, names = zip(plan.harmony_known.tolist(), plan.harmony, strict=True), plan_spelling(plan)
    return [chord_name(bits, names) if sure else None for sure, bits in both]
