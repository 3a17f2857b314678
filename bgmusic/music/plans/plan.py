"""Plans: what is decided before any note, as boolean arrays with a mask of what is known.

Four parts: *form* (which bars come back), *instruments* (which track plays in which bar), *harmony* (chord and bass of
each beat) and *activity* (how busy each track is). A part may be unknown anywhere; unknown bits are False. A plan may
also name the key of its piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.plans.invariants import require_sound
from bgmusic.music.plans.shape import CLASSES, PlanShape
from bgmusic.music.rolls.checks import kind_of, require_boolean

Bits = NDArray[np.bool_]
PARTS = ("form", "instruments", "harmony", "activity")


@dataclass(frozen=True, eq=False)
class Plans:
    """A batch of plans of one size.

    Attributes:
        shape: tracks, bars and beats.
        form: boolean ``(batch, tracks, bars, bars)``: bar b repeats bar a <= b, the first equal one; b itself if new.
        instruments: boolean ``(batch, tracks, bars)``: the track plays in the bar.
        harmony: boolean ``(batch, bars * beats, 24)``: 12 pitch classes of the chord (C first), then 12 of its bass,
            which is one of the chord; all False where there is no chord.
        activity: boolean ``(batch, tracks, bars, levels)``, unary: bit i is on if the track begins notes at
            ``LEVELS[i]`` steps of the bar or more.
        form_known: boolean ``(batch, tracks, bars)``: whether the bar's row of ``form`` is known; likewise:
        instruments_known: boolean ``(batch, tracks, bars)``.
        harmony_known: boolean ``(batch, bars * beats)``.
        activity_known: boolean ``(batch, tracks, bars)``.
        key: boolean ``(batch, 1, 24)``: the key, of 12 major and 12 minor ones, where it is said.
        key_known: boolean ``(batch, 1)``.

    Raises:
        TypeError: an array is not boolean.
        UserError: the shapes do not fit, or the bits are no plan: a bar repeats a later one, a bass is not in its
            chord, activity is not unary, or an unknown bit is on.

    """

    shape: PlanShape
    form: Bits
    instruments: Bits
    harmony: Bits
    activity: Bits
    form_known: Bits
    instruments_known: Bits
    harmony_known: Bits
    activity_known: Bits
    key: Bits
    key_known: Bits

    def __post_init__(self) -> None:
        _require_arrays(self, self.form.shape[:1] if isinstance(self.form, np.ndarray) else ())
        require_sound(self.arrays())

    def __len__(self) -> int:
        return len(self.form)

    def __getitem__(self, chosen: slice | NDArray[np.bool_] | NDArray[np.integer]) -> Plans:
        """Select plans by a slice, a boolean mask, or an array of numbers."""
        return Plans(self.shape, **{name: values[chosen] for name, values in self.arrays().items()})

    def plan(self, index: int) -> Plan:
        """Return one plan; its arrays are views."""
        return Plan(self.shape, **{name: values[index] for name, values in self.arrays().items()})

    def arrays(self) -> dict[str, Bits]:
        """Return the arrays by their names: the four parts, their masks, and the key with its own."""
        return {name: getattr(self, name) for name in self.shape.arrays}

    @property
    def scales(self) -> NDArray[np.int64]:
        """Int64 ``(batch,)``: the tonic of the major scale of each key, C is 0; -1 where no key is said."""
        return _scales(self.key, self.key_known)[:, 0]

    @property
    def repeats(self) -> NDArray[np.int64]:
        """Int64 ``(batch, tracks, bars)``: the number of the bar that each repeats, -1 where that is unknown."""
        return _repeats(self.form, self.form_known)

    def hidden(self, **keep: Bits) -> Plans:
        """Hide parts of the plans: what a mask does not keep becomes unknown.

        Args:
            keep: for each part to hide from (``form``, ``instruments``, ``harmony``, ``activity``) a boolean array of
                the shape of its mask.

        Raises:
            TypeError: a mask is not boolean, or there is no such part.
            UserError: a mask has another shape.

        """
        arrays = self.arrays()
        for name, mask in keep.items():
            if name not in PARTS:
                raise TypeError(f"a plan has the parts {', '.join(PARTS)}, no {name!r:.40}")
            require_boolean(name, mask)
            known = arrays[f"{name}_known"]
            if mask.shape != known.shape:
                raise UserError(f"a mask of {name} has shape {known.shape}, not {mask.shape}")
            arrays[f"{name}_known"] = known & mask
            bits = arrays[name]
            arrays[name] = bits & mask.reshape(*mask.shape, *(1,) * (bits.ndim - mask.ndim))
        return Plans(self.shape, **arrays)

    def only(self, *parts: str) -> Plans:
        """Hide all other parts; raises as :meth:`hidden`."""
        for part in parts:
            if part not in PARTS:
                raise TypeError(f"a plan has the parts {', '.join(PARTS)}, no {part!r:.40}")
        return self.hidden(
            **{name: np.zeros_like(getattr(self, f"{name}_known")) for name in PARTS if name not in parts}
        )

    def lengthened(self, bars: int) -> Plans:
        """Return plans of ``bars`` bars, as many or more; the bars at the end are unknown."""
        if bars == self.shape.bars:
            return self
        longer = Plans.unknown(self.shape.with_bars(bars), len(self))
        for name, values in self.arrays().items():
            getattr(longer, name)[tuple(map(slice, values.shape))] = values
        return longer

    @staticmethod
    def unknown(shape: PlanShape, count: int) -> Plans:
        """Return plans in which nothing is known."""
        return Plans(shape, **{name: np.zeros((count, *size), np.bool_) for name, size in shape.arrays.items()})

    @staticmethod
    def stack(plans: Sequence[Plan]) -> Plans:
        """Stack plans of one size.

        Raises:
            UserError: there are none, or their sizes differ.

        """
        if not plans:
            raise UserError("no plans: at least one is needed")
        if any(plan.shape != plans[0].shape for plan in plans):
            raise UserError("plans of one size can be stacked: tracks, bars or beats differ")
        parts = [plan.arrays() for plan in plans]
        return Plans(plans[0].shape, **{name: np.stack([part[name] for part in parts]) for name in parts[0]})


@dataclass(frozen=True, eq=False)
class Plan:
    """One plan: the arrays of :class:`Plans` without their first axis.

    Raises:
        TypeError: an array is not boolean.
        UserError: the shapes do not fit, or the bits are no plan.

    """

    shape: PlanShape
    form: Bits
    instruments: Bits
    harmony: Bits
    activity: Bits
    form_known: Bits
    instruments_known: Bits
    harmony_known: Bits
    activity_known: Bits
    key: Bits
    key_known: Bits

    def __post_init__(self) -> None:
        _require_arrays(self, ())
        require_sound({name: values[None] for name, values in self.arrays().items()})

    def __repr__(self) -> str:
        known = [name for name in PARTS if getattr(self, f"{name}_known").any()]
        return f"Plan({len(self.shape.tracks)} tracks, {self.shape.bars} bars; known: {', '.join(known) or 'nothing'})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan) or other.shape != self.shape:
            return False
        theirs = other.arrays()
        return all(np.array_equal(values, theirs[name]) for name, values in self.arrays().items())

    __hash__ = None  # type: ignore[assignment]

    def arrays(self) -> dict[str, Bits]:
        """Return the arrays by their names: the four parts, their masks, and the key with its own."""
        return {name: getattr(self, name) for name in self.shape.arrays}

    @property
    def repeats(self) -> NDArray[np.int64]:
        """Int64 ``(tracks, bars)``: the number of the bar that each repeats, -1 where that is unknown."""
        return _repeats(self.form, self.form_known)

    @property
    def scale(self) -> int:
        """The tonic of the major scale of the key, C is 0; -1 where none is said."""
        return int(_scales(self.key, self.key_known)[0])

    @property
    def complete(self) -> bool:
        """Whether everything is known."""
        return all(bool(getattr(self, f"{name}_known").all()) for name in PARTS)

    def repeated(self, count: int) -> Plans:
        """Return ``count`` copies of the plan as a batch; the arrays are views."""
        arrays = {name: np.broadcast_to(values, (count, *values.shape)) for name, values in self.arrays().items()}
        return Plans(self.shape, **arrays)

    def window(self, first: int, bars: int) -> Plan:
        """Return the plan of some of its bars; a bar that repeats one before them repeats the first of its kind there.

        Args:
            first: number of the first bar, from 0.
            bars: number of bars.

        Raises:
            UserError: the plan has no such bars.

        """
        if not (first >= 0 and 1 <= bars <= self.shape.bars - first):
            raise UserError(f"a plan of {self.shape.bars} bars has no {bars} bars from bar {first}")
        inside = slice(first, first + bars)
        beats = slice(first * self.shape.beats, (first + bars) * self.shape.beats)
        # A bar of unknown form counts as itself: others may repeat it.
        repeats = np.where(self.form_known, self.form.argmax(-1), np.arange(self.shape.bars))[:, inside]
        first_same = (repeats[:, :, None] == repeats[:, None, :]).argmax(-1)
        arrays = self.arrays()
        for name, values in arrays.items():
            if not name.startswith("key"):
                arrays[name] = values[beats] if name.startswith("harmony") else values[:, inside]
        arrays["form"] = (np.arange(bars) == first_same[..., None]) & arrays["form_known"][..., None]
        return Plan(self.shape.with_bars(bars), **arrays)

    def save(self, path: str | Path) -> None:
        """Write the plan to a JSON file, atomically, as ``bgmusic plan --out`` does.

        ``Composer.plan(base=path, complete=False)`` reads it back; ``Composer.compose(path)`` composes under it.

        Raises:
            OSError: the file can't be written.

        """
        # Imported on use: storing imports this module.
        import_module("bgmusic.music.plans.storing").write_plan(self, path)

    def lengthened(self, bars: int) -> Plan:
        """Return a plan of ``bars`` bars, as many or more; the bars at the end are unknown."""
        return Plans.stack([self]).lengthened(bars).plan(0)

    @staticmethod
    def unknown(shape: PlanShape) -> Plan:
        """Return a plan in which nothing is known."""
        return Plans.unknown(shape, 1).plan(0)


def _repeats(form: Bits, known: Bits) -> NDArray[np.int64]:
    return np.where(known, form.argmax(-1), -1)


def _scales(key: Bits, known: Bits) -> NDArray[np.int64]:
    """Return the tonics of the major scales of keys ``(..., 24)``, -1 for none."""
    tonics = key.argmax(-1)
    return np.where(known, (tonics + 3 * (tonics >= CLASSES)) % CLASSES, -1)


def _require_arrays(plan: Any, batch: tuple[int, ...]) -> None:
    """Check the dtypes and shapes of a plan's arrays."""
    if not isinstance(plan.shape, PlanShape):
        raise TypeError(f"shape must be a PlanShape, not {kind_of(plan.shape)}")
    for name, size in plan.shape.arrays.items():
        values = getattr(plan, name)
        require_boolean(name, values)
        if values.shape != (*batch, *size):
            raise UserError(f"{name} of a plan of this size has shape {(*batch, *size)}, not {values.shape}")
