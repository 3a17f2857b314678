"""Plans as vectors of bits, as networks take them.

The bits of a plan of ``T`` tracks and ``B`` bars stand in this order: harmony ``(beats, 24)``, instruments ``(T, B)``,
activity ``(T, B, levels)``, form ``(T, B, B)``. A *place* is what is known or unknown as a whole: a beat's harmony, or
one part of one bar of a track; places stand in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bgmusic.music.plans.plan import Plans
from bgmusic.music.plans.shape import CLASSES, HARMONY, LEVELS, PlanShape

_ORDER = ("harmony", "instruments", "activity", "form")


@dataclass(frozen=True)
class PlanBits:
    """The parts of a batch of plans, or their logits: views of one vector.

    Attributes:
        chord: ``(batch, beats, 12)``.
        bass: ``(batch, beats, 12)``.
        instruments: ``(batch, tracks, bars)``.
        activity: ``(batch, tracks, bars, levels)``.
        form: ``(batch, tracks, bars, bars)``.

    """

    chord: Tensor
    bass: Tensor
    instruments: Tensor
    activity: Tensor
    form: Tensor

    def vector(self) -> Tensor:
        """Return the bits in one vector ``(batch, bits)``."""
        harmony = torch.cat([self.chord, self.bass], -1)
        parts = (harmony, self.instruments, self.activity, self.form)
        return torch.cat([part.flatten(1) for part in parts], 1)


@dataclass(frozen=True)
class PlanLayout:
    """The places and bits of plans of one size."""

    shape: PlanShape

    @property
    def beats(self) -> int:
        """Beats of a plan."""
        return self.shape.bars * self.shape.beats

    @property
    def sizes(self) -> dict[str, int]:
        """The number of bits of each part, in order."""
        cells = len(self.shape.tracks) * self.shape.bars
        return {
            "harmony": self.beats * HARMONY,
            "instruments": cells,
            "activity": cells * len(LEVELS),
            "form": cells * self.shape.bars,
        }

    @property
    def bits(self) -> int:
        """The number of bits of a plan."""
        return sum(self.sizes.values())

    @property
    def free_of_key(self) -> int:
        """The number of bits that transposition leaves as they are: all but those of harmony."""
        return self.bits - self.sizes["harmony"]

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of places of each part, in order."""
        cells = len(self.shape.tracks) * self.shape.bars
        return {"harmony": self.beats, "instruments": cells, "activity": cells, "form": cells}

    @cached_property
    def place_of_bit(self) -> Tensor:
        """Int64 ``(bits,)``: the place of each bit."""
        widths = {"harmony": HARMONY, "instruments": 1, "activity": len(LEVELS), "form": self.shape.bars}
        each = torch.cat([torch.full((self.places[name],), widths[name], device="cpu") for name in _ORDER])
        return torch.repeat_interleave(torch.arange(len(each), device="cpu"), each)

    def split(self, vector: Tensor) -> PlanBits:
        """Return the parts of vectors ``(batch, bits)``."""
        tracks, bars = len(self.shape.tracks), self.shape.bars
        harmony, instruments, activity, form = vector.split(list(self.sizes.values()), 1)
        chord, bass = harmony.unflatten(1, (-1, HARMONY)).split(CLASSES, -1)
        return PlanBits(
            chord,
            bass,
            instruments.unflatten(1, (tracks, bars)),
            activity.unflatten(1, (tracks, bars, -1)),
            form.unflatten(1, (tracks, bars, bars)),
        )

    def to_vectors(self, plans: Plans) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the bits ``(batch, bits)`` of plans, and which places ``(batch, places)`` are known."""
        arrays = plans.arrays()
        count = len(plans)
        bits = np.concatenate([arrays[name].reshape(count, -1) for name in _ORDER], 1)
        known = np.concatenate([arrays[f"{name}_known"].reshape(count, -1) for name in _ORDER], 1)
        return bits, known

    def to_plans(self, bits: NDArray[np.bool_], known: NDArray[np.bool_]) -> Plans:
        """Return the plans of bits and known places: the inverse of :meth:`to_vectors`.

        Raises:
            UserError: the bits are no plans.

        """
        edges = np.cumsum(list(self.sizes.values()))[:-1]
        place_edges = np.cumsum(list(self.places.values()))[:-1]
        parts = zip(_ORDER, np.split(bits, edges, 1), np.split(known, place_edges, 1), strict=True)
        arrays: dict[str, NDArray[np.bool_]] = {}
        for name, values, sure in parts:
            arrays[name] = values.reshape(len(bits), *self.shape.arrays[name])
            arrays[f"{name}_known"] = sure.reshape(len(bits), *self.shape.arrays[f"{name}_known"])
        for name in ("key", "key_known"):
            arrays[name] = np.zeros((len(bits), *self.shape.arrays[name]), np.bool_)
        return Plans(self.shape, **arrays)
