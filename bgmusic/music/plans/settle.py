"""Settle a plan: draw the conclusions of what is known, and find contradictions.

- A bar that repeats another has its instruments and activity; where all pitched tracks repeat a bar, its harmony too.
- A bar without activity of which nothing else is said is silent. A silent bar has no activity, and is the same as the
  first silent bar. Where all pitched tracks are silent, there is no chord. A bar with activity is not silent.
"""

from __future__ import annotations

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.plans.lead_sheet import write_bar
from bgmusic.music.plans.plan import PARTS, Bits, Plan
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.spelling import spelling


def settle(plan: Plan) -> Plan:
    """Return the plan with everything known that follows from what is known.

    Raises:
        UserError: the plan contradicts itself; the message names the place, with bars counted from 1.

    """
    arrays = {name: values.copy() for name, values in plan.arrays().items()}
    while True:
        before = sum(int(values.sum()) for name, values in arrays.items() if name.endswith("known"))
        _follow_form(arrays)
        _share(plan.shape, arrays)
        _silence(plan.shape, arrays)
        if sum(int(values.sum()) for name, values in arrays.items() if name.endswith("known")) == before:
            break
    _follow_form(arrays)
    return Plan(plan.shape, **arrays)


def overrule(base: Plan, typed: Plan) -> Plan:
    """Return a plan with everything that ``typed`` knows, and the rest of ``base``; settled.

    Raises:
        UserError: the plans differ in size, or together contradict themselves.

    """
    if base.shape != typed.shape:
        raise UserError("the plans differ in size: tracks, bars or beats")
    ours, theirs = base.arrays(), typed.arrays()
    arrays = {}
    for name in (*PARTS, "key"):
        known = theirs[f"{name}_known"]
        arrays[f"{name}_known"] = ours[f"{name}_known"] | known
        wide = known.reshape(*known.shape, *(1,) * (ours[name].ndim - known.ndim))
        arrays[name] = np.where(wide, theirs[name], ours[name])
    form = arrays["form"]
    _point_to_first(form, arrays["form_known"])
    return settle(Plan(base.shape, **arrays))


def _point_to_first(form: Bits, known: Bits) -> None:
    """Make bars that repeat a bar which repeats another point at that one, in place."""
    tracks, bars = known.shape
    for track in range(tracks):
        for bar in range(bars):
            if known[track, bar]:
                first = int(form[track, bar].argmax())
                if first < bar and known[track, first]:
                    form[track, bar] = form[track, first]


def _follow_form(arrays: dict[str, Bits]) -> None:
    _point_to_first(arrays["form"], arrays["form_known"])


def _share(shape: PlanShape, arrays: dict[str, Bits]) -> None:
    """Give bars that repeat each other the same instruments, activity and, where all repeat it, harmony."""
    repeats = np.where(arrays["form_known"], arrays["form"].argmax(-1), np.arange(shape.bars))
    for track, bar in np.argwhere(repeats != np.arange(shape.bars)).tolist():
        first = int(repeats[track, bar])
        what = f"{shape.tracks[track]}: bar {bar + 1} repeats bar {first + 1}, but"
        for name, differ in (("instruments", "only one of them plays"), ("activity", "their activity differs")):
            _join(arrays[name][track], arrays[f"{name}_known"][track], first, bar, f"{what} {differ}")
    if not shape.pitched:
        return
    of_all = repeats[list(shape.pitched)]
    harmony = arrays["harmony"].reshape(shape.bars, shape.beats, -1)
    known = arrays["harmony_known"].reshape(shape.bars, shape.beats)
    names = spelling(arrays["harmony"], arrays["harmony_known"])
    for bar in np.flatnonzero((of_all == of_all[0]).all(0) & (of_all[0] != np.arange(shape.bars))).tolist():
        first = int(of_all[0, bar])
        one, other = (write_bar(harmony[number], known[number], names) for number in (first, bar))
        reason = f"bar {bar + 1} repeats bar {first + 1}, but their chords differ: {other!r} and {one!r}"
        for beat in range(shape.beats):
            _join(harmony[:, beat], known[:, beat], first, bar, reason)


def _join(bits: Bits, known: Bits, first: int, second: int, reason: str) -> None:
    """Make two places equal: an unknown one gets the bits of a known one."""
    if known[first] and known[second]:
        if not np.array_equal(bits[first], bits[second]):
            raise UserError(reason)
    elif known[first]:
        bits[second], known[second] = bits[first], True
    elif known[second]:
        bits[first], known[first] = bits[second], True


def require_silence(shape: PlanShape, arrays: dict[str, Bits]) -> None:
    """Check that bars which are known to be silent have no activity.

    Raises:
        UserError: one has; the message names it, with bars counted from 1.

    """
    wrong = arrays["activity"].any(-1) & arrays["instruments_known"] & ~arrays["instruments"]
    if wrong.any():
        track, bar = np.argwhere(wrong)[0].tolist()
        raise UserError(f"{shape.tracks[track]}: bar {bar + 1} is silent, but has activity")


def _silence(shape: PlanShape, arrays: dict[str, Bits]) -> None:
    require_silence(shape, arrays)
    plays, known = arrays["instruments"], arrays["instruments_known"]
    active = arrays["activity"].any(-1)
    plays |= active
    known |= arrays["activity_known"]
    silent = known & ~plays
    arrays["activity_known"] |= silent
    for track in range(len(shape.tracks)):
        quiet = np.flatnonzero(silent[track])
        for bar in quiet.tolist():
            arrays["form"][track, bar] = np.arange(shape.bars) == quiet[0]
            arrays["form_known"][track, bar] = True
    if shape.pitched:
        nothing = silent[list(shape.pitched)].all(0)
        harmony = arrays["harmony"].reshape(shape.bars, shape.beats, -1)
        sure = arrays["harmony_known"].reshape(shape.bars, shape.beats)
        names = spelling(arrays["harmony"], arrays["harmony_known"])
        for bar in np.flatnonzero(nothing).tolist():
            if harmony[bar].any():
                chords = write_bar(harmony[bar], sure[bar], names)
                raise UserError(f"bar {bar + 1} has chords ({chords}), but all pitched tracks are silent there")
        sure[nothing] = True
    else:
        arrays["harmony_known"][:] = True
