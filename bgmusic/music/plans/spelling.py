"""Choose the names of pitch classes that suit a key: G sharp minor in E major, but A flat in E flat major."""

from __future__ import annotations

from bgmusic.music.plans.plan import Bits, Plan
from bgmusic.music.plans.shape import CLASSES
from bgmusic.music.rolls.interop.keys import fifths_of_root

_LINE = "FCGDAEB"
_FLATTEST, _SHARPEST = -6, -1  # of the first of twelve names: G flat to F
_FARTHEST = 6  # fifths of F sharp major and D sharp minor
_SCALE = range(-1, 6)  # the scale of C, in fifths from C


def key_spelling(root: int, minor: bool) -> tuple[str, ...]:
    """Return the names of the twelve pitch classes, from C, in a key; the tonic first of all."""
    fifths = fifths_of_root(root, minor)
    if minor and fifths == _FARTHEST:
        return _names(-fifths - 1)  # E flat minor is usual, D sharp minor is not
    return _names(max(_FLATTEST, fifths - (3 if minor else 5)))


def spelling(harmony: Bits, known: Bits) -> tuple[str, ...]:
    """Return the names of the twelve pitch classes, from C, for chords whose key is not said.

    The scale is that with most of the chords' notes; of several that with fewest accidentals. Six accidentals are
    flats: G flat and E flat minor are more usual than F sharp and D sharp minor.

    Args:
        harmony: boolean ``(beats, 24)``.
        known: boolean ``(beats,)``.

    """
    counts = harmony[known, :CLASSES].sum(0)
    inside = {fifths: int(sum(counts[_class(fifths + step)] for step in _SCALE)) for fifths in range(-6, 6)}
    return _names(max(_FLATTEST, max(inside, key=lambda fifths: (inside[fifths], -abs(fifths), fifths)) - 5))


def plan_key(plan: Plan) -> tuple[int, bool] | None:
    """Return the pitch class of the tonic of a plan's key, and whether it is minor; None if no key is said."""
    number = int(plan.key.argmax())
    return (number % CLASSES, number >= CLASSES) if plan.key_known.all() else None


def plan_spelling(plan: Plan) -> tuple[str, ...]:
    """Return the names of the twelve pitch classes, from C, for the chords of a plan."""
    key = plan_key(plan)
    return spelling(plan.harmony, plan.harmony_known) if key is None else key_spelling(*key)


def _names(flattest: int) -> tuple[str, ...]:
    """Return names of the pitch classes: twelve neighbours on the line of fifths, none with two accidentals."""
    first = min(flattest, _SHARPEST)
    by_class = {_class(fifths): _name(fifths) for fifths in range(first, first + CLASSES)}
    return tuple(by_class[number] for number in range(CLASSES))


def _class(fifths: int) -> int:
    return fifths * 7 % CLASSES


def _name(fifths: int) -> str:
    octave, place = divmod(fifths + 1, len(_LINE))
    return _LINE[place] + ("#" * octave if octave > 0 else "b" * -octave)
