"""Complete a plan by a proposal: known parts stay, the proposal fills in the rest, and the result is a plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.plans.plan import Bits, Plan
from bgmusic.music.plans.settle import settle


def adopt(plan: Plan, proposal: Plan, first: int = 0) -> Plan:
    """Return the plan with the open places of some bars filled in by a proposal, settled.

    A proposal knows nothing of contradictions with what is known. So places are filled in one part after the other:
    instruments, form, activity, harmony; a proposed repetition is taken where the known parts of both bars agree.

    Args:
        plan: a settled plan.
        proposal: a complete plan of bars ``first`` and following.
        first: number of the proposal's first bar in the plan.

    Raises:
        UserError: the plan contradicts itself.

    """
    bars, beats = proposal.shape.bars, plan.shape.beats
    inside, inside_beats = slice(first, first + bars), slice(first * beats, (first + bars) * beats)
    plan = _fill(plan, "instruments", _with_players(plan, proposal.instruments, inside), inside)
    plan = _repeat(plan, proposal.repeats + first, first)
    plan = _fill(plan, "activity", proposal.activity, inside)
    return _fill(plan, "harmony", proposal.harmony, inside_beats)


def _with_players(plan: Plan, proposed: Bits, inside: slice) -> Bits:
    """Return proposed instruments with a pitched track that plays in each bar that has known chords."""
    shape = plan.shape
    chords = np.asarray(plan.harmony.reshape(shape.bars, -1).any(-1))[inside]
    free = ~plan.instruments_known[:, inside]
    plays = np.where(free, proposed, plan.instruments[:, inside])
    pitched = ~np.array(shape.drums)
    result: Bits = proposed.copy()
    for bar in np.flatnonzero(chords & ~plays[pitched].any(0)).tolist():
        result[np.flatnonzero(pitched & free[:, bar])[:1], bar] = True
    return result


def _fill(plan: Plan, name: str, proposed: Bits, places: slice) -> Plan:
    """Fill in the open places of one part; of bars that repeat each other, the first decides."""
    arrays = {key: values.copy() for key, values in plan.arrays().items()}
    bits, known = arrays[name], arrays[f"{name}_known"]
    rows = (places,) if name == "harmony" else (slice(None), places)
    free = ~known[rows]
    bits[rows] = np.where(free.reshape(*free.shape, *(1,) * (bits.ndim - known.ndim)), proposed, bits[rows])
    known[rows] = True
    if name == "activity":
        silent = arrays["instruments_known"] & ~arrays["instruments"]
        bits[silent] = False
    _copy_to_repeats(plan, name, arrays, free, places)
    return settle(Plan(plan.shape, **arrays))


def _copy_to_repeats(plan: Plan, name: str, arrays: dict[str, Bits], free: Bits, places: slice) -> None:
    """Overwrite what was filled in by that of the bar which is repeated, in place."""
    shape = plan.shape
    repeats = np.where(plan.form_known, plan.form.argmax(-1), np.arange(shape.bars))
    bits, known = arrays[name], arrays[f"{name}_known"]
    if name != "harmony":
        for track, bar in np.argwhere(free).tolist():
            original = int(repeats[track, bar + places.start])
            if known[track, original]:
                bits[track, bar + places.start] = bits[track, original]
        return
    pitched = list(shape.pitched)
    if not pitched:
        return
    silent = np.asarray((~plan.instruments & plan.instruments_known)[pitched].all(0))
    for place in np.flatnonzero(free).tolist():
        bar, beat = divmod(place + places.start, shape.beats)
        of_all = repeats[pitched, bar]
        original = int(of_all[0]) * shape.beats + beat
        if silent[bar]:
            bits[place + places.start] = False
        elif (of_all == of_all[0]).all() and known[original]:
            bits[place + places.start] = bits[original]


def _repeat(plan: Plan, proposed: NDArray[np.int64], first: int) -> Plan:
    """Fill in the open form of some bars, bar by bar; ``proposed`` is the bar that each repeats."""
    shape = plan.shape
    arrays = {key: values.copy() for key, values in plan.arrays().items()}
    form, known = arrays["form"], arrays["form_known"]
    harmony = plan.harmony.reshape(shape.bars, shape.beats, -1)
    sure = plan.harmony_known.reshape(shape.bars, shape.beats)
    for track in range(len(shape.tracks)):
        # What is known of the bars so far, with what is known of the bars that repeat them.
        facts = [(plan.activity[track].copy(), plan.activity_known[track].copy()), (harmony.copy(), sure.copy())]
        for bar in np.flatnonzero(known[track]).tolist():
            _merge(facts, bar, int(form[track, bar].argmax()))
        for bar in range(first, first + proposed.shape[1]):
            original = bar if known[track, bar] else int(proposed[track, bar - first])
            original = _first(form[track], known[track], original)
            if original == bar:
                form[track, bar, bar] |= not known[track, bar]
                known[track, bar] = True
                continue
            plays = plan.instruments[track]
            if not known[track, bar]:  # what is said stays, even with other chords
                if plays[bar] != plays[original] or any(_differ(*fact, bar, original) for fact in facts):
                    original = bar
                else:
                    _merge(facts, bar, original)
            form[track, bar] = np.arange(shape.bars) == original
            known[track, bar] = True
        for bar in np.flatnonzero(known[track]).tolist():  # also those after the proposal
            form[track, bar] = np.arange(shape.bars) == _first(form[track], known[track], bar)
    return settle(Plan(shape, **arrays))


def _first(form: Bits, known: Bits, bar: int) -> int:
    """Return the first bar of a bar's kind: the one that it repeats may by now repeat an earlier one itself."""
    while known[bar] and not form[bar, bar]:
        bar = int(form[bar].argmax())
    return bar


def _merge(facts: list[tuple[Bits, Bits]], bar: int, original: int) -> None:
    """Add what is known of a bar to what is known of the one that it repeats, in place."""
    for bits, certain in facts:
        bits[original] |= bits[bar]
        certain[original] |= certain[bar]


def _differ(bits: Bits, known: Bits, one: int, other: int) -> bool:
    """Whether two bars differ where both are known."""
    return bool(((bits[one] != bits[other]).any(-1) & known[one] & known[other]).any())
