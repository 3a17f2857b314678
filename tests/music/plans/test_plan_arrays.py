"""Plans as arrays: what is refused, hidden parts, windows, batches."""

import numpy as np
import pytest

from bgmusic.errors import UserError
from bgmusic.music.plans.extract import extract
from bgmusic.music.plans.plan import Plan, Plans
from bgmusic.music.plans.shape import LEVELS, PlanShape
from bgmusic.music.plans.typed import typed_plan

SHAPE = PlanShape(("Drums", "Piano", "Bass"), (True, False, False), 4, 4)


def arrays(**changes):
    values = {name: np.zeros(size, bool) for name, size in SHAPE.arrays.items()}
    for name, (place, bits) in changes.items():
        values[name][place] = bits
    return values


def test_an_unknown_plan_knows_nothing():
    plan = Plan.unknown(SHAPE)
    assert not plan.complete
    assert (plan.repeats == -1).all()
    assert repr(plan) == "Plan(3 tracks, 4 bars; known: nothing)"
    assert plan == Plans.unknown(SHAPE, 2).plan(1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": ((0, 1, 0), True)}, "form is unknown"),
        ({"form_known": ((0, 1), True)}, "exactly one bar"),
        ({"form": ((0, 1, 2), True), "form_known": ((0, 1), True)}, "before it"),
        ({"form": ((0, [1, 2], [0, 1]), True), "form_known": ((0, [1, 2]), True)}, "first bar of its kind"),
        ({"instruments": ((0, 1), True)}, "instruments is unknown"),
        ({"harmony": ((0, [0, 4]), True), "harmony_known": (0, True)}, "needs one bass"),
        ({"harmony": ((0, 12), True), "harmony_known": (0, True)}, "needs one bass"),
        ({"harmony": ((0, [0, 13]), True), "harmony_known": (0, True)}, "not in its chord"),
        ({"activity": ((0, 0, 1), True), "activity_known": ((0, 0), True)}, "without those below"),
        (
            {
                "activity": ((0, 0, 0), True),
                "activity_known": ((0, 0), True),
                "instruments_known": ((0, 0), True),
            },
            "a silent bar has notes",
        ),
    ],
)
def test_bits_that_are_no_plan_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        Plan(SHAPE, **arrays(**changes))


def test_other_dtypes_and_shapes_are_refused():
    with pytest.raises(TypeError, match="form must be a boolean NumPy array"):
        Plan(SHAPE, **{**arrays(), "form": np.zeros((3, 4, 4))})
    with pytest.raises(UserError, match=r"harmony of a plan of this size has shape \(16, 24\)"):
        Plan(SHAPE, **{**arrays(), "harmony": np.zeros((4, 24), bool)})
    with pytest.raises(TypeError, match="shape must be a PlanShape"):
        Plan("shape", **arrays())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((("A",), (False, True), 4, 4), "drums for each"),
        ((("A", "A"), (False, False), 4, 4), "name of its own"),
        ((("A",), (False,), 0, 4), "1 to 1024 bars"),
        ((("A",), (False,), 4, 0), "beats"),
        ((tuple(f"{n}" for n in range(16)), (False,) * 16, 1024, 4), None),
        ((tuple(f"{n}" for n in range(17)), (False,) * 17, 1024, 4), "too large"),
        ((("A",), (False,), 1024, 4096), "too large"),
        (((), (), 4, 4), "1 to 64 tracks"),
    ],
)
def test_sizes_are_limited(values, message):
    if message is None:
        assert PlanShape(*values).bars == 1024
        return
    with pytest.raises(UserError, match=message):
        PlanShape(*values)


def test_sizes_have_types():
    with pytest.raises(TypeError, match="integers"):
        PlanShape(("A",), (False,), 4.0, 4)
    with pytest.raises(TypeError, match="names"):
        PlanShape(["A"], (False,), 4, 4)


def test_hiding_clears_the_bits():
    plan = typed_plan(SHAPE, "C | F | G | C", "AABA", "Drums:x-x-", "Bass:low")
    batch = plan.repeated(3)
    keep = np.zeros((3, 16), bool)
    keep[1, :4] = True
    hidden = batch.hidden(harmony=keep, instruments=np.zeros((3, 3, 4), bool))
    assert hidden.harmony_known.tolist() == keep.tolist()
    assert not hidden.harmony[0].any()
    assert not hidden.instruments.any()
    assert hidden.plan(2).activity_known[2].all()
    with pytest.raises(UserError, match="mask of form"):
        batch.hidden(form=np.zeros((3, 3), bool))
    with pytest.raises(TypeError, match="no 'notes'"):
        batch.hidden(notes=keep)


def test_some_parts_alone():
    plan = typed_plan(SHAPE, "C | F | G | C", "AABA", "Drums:x-x-", "Bass:low")
    harmony = plan.repeated(2).only("harmony")
    assert np.array_equal(harmony.harmony[1], plan.harmony)
    assert harmony.harmony_known.all()
    for name in ("form", "instruments", "activity"):
        assert not getattr(harmony, name).any()
        assert not getattr(harmony, f"{name}_known").any()
    bars = plan.repeated(2).only("form", "instruments")
    assert np.array_equal(bars.form[1], plan.form)
    assert np.array_equal(bars.instruments_known[1], plan.instruments_known)
    assert not bars.harmony_known.any()
    assert not bars.activity_known.any()
    with pytest.raises(TypeError, match="no 'notes'"):
        plan.repeated(2).only("form", "notes")


def test_batches_stack_and_select():
    plans = [typed_plan(SHAPE, chords) for chords in ("C", "F", "G")]
    batch = Plans.stack(plans)
    assert len(batch) == 3
    assert batch[np.array([2, 0])].plan(1) == plans[0]
    assert batch.repeats.shape == (3, 3, 4)
    with pytest.raises(UserError, match="at least one"):
        Plans.stack([])
    with pytest.raises(UserError, match="one size"):
        Plans.stack([plans[0], Plan.unknown(SHAPE.with_bars(2))])


def test_a_window_renumbers_its_bars():
    plan = typed_plan(SHAPE.with_bars(8), form="ABABCBAC")
    assert plan.window(2, 5).repeats[0].tolist() == [0, 1, 2, 1, 0]
    assert plan.window(0, 8) == plan
    open_first = typed_plan(SHAPE.with_bars(8), form="AABA")
    assert open_first.window(1, 4).repeats[0].tolist() == [-1, 1, 0, -1]
    with pytest.raises(UserError, match="no 4 bars from bar 6"):
        plan.window(6, 4)


def test_a_window_of_music_is_the_plan_of_that_window():
    import bgmusic

    roll = bgmusic.open_corpus("freedoom").roll(3)
    window = extract(roll).window(1, 2)
    assert window.shape.bars == 2
    assert window.activity.shape == (len(roll.track_set), 2, len(LEVELS))
    assert (window.instruments == roll.cells[:, 1:3].any((2, 3))).all()
