"""Earlier phrases, as they are recalled: what tracks did at each place, and which beats can be played again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Recalled:
    """Earlier phrases in the common key; ``phrases`` counts backwards: the first is the one just before.

    Attributes:
        started: notes that started, boolean ``(batch, steps, tracks, phrases, rows)``.
        kept: 1 for notes that went on, -1 for those that ended, int8 of the same shape.
        events: what tracks did: 0 nothing, 1 an end alone, 2 a start; int64 ``(batch, steps, tracks, phrases)``.
        known: whether anything sounded in that bar, boolean ``(batch, steps, phrases)``; else it recalls nothing.
        fits: whether the notes that started fit the chord that is planned now: 0 none is planned, 1 they do, 2 they
            don't; int64 ``(batch, steps, tracks, phrases)``.
        returned: how beats returned, see :class:`.returns.Returns`, int64 of the same shape; None: they do not.

    """

    started: Tensor
    kept: Tensor
    events: Tensor
    known: Tensor
    fits: Tensor
    returned: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> Recalled:
        """Apply a function to all."""
        values = {name: change(plane) for name, plane in vars(self).items() if plane is not None}
        return Recalled(**values)

    @property
    def planes(self) -> Tensor:
        """Notes that sounded and notes that started: boolean ``(batch, steps, tracks, phrases, 2, rows)``."""
        return torch.stack([self.started | (self.kept > 0), self.started], -2)


class RecallableBeats:
    """Which beats of earlier phrases can be played again.

    They sound, the notes that they only hold sound already, and they differ from those of later phrases.

    Args:
        earlier: the phrases.
        unit: steps of a beat.
        drafts: number of drafts of each phrase that follows them.

    Attributes:
        planes: of the beats, boolean ``(batch, beats, steps, tracks, phrases, 2, rows)``.

    """

    def __init__(self, earlier: Recalled, unit: int, drafts: int = 1) -> None:
        self._drafts = drafts
        self.planes = earlier.planes.unflatten(1, (-1, unit))
        known = earlier.known[:, ::unit, None]
        self._sound = self.planes[..., 0, :].any(-1).any(2) & known
        self._held = self.planes[:, :, 0, :, :, 0] & ~self.planes[:, :, 0, :, :, 1]
        flat = self.planes.movedim(2, 4)
        self._same = (flat.unsqueeze(4) == flat.unsqueeze(3)).flatten(5).all(-1)

    def possible(self, sounded: Tensor, beats: slice | int = slice(None)) -> Tensor:
        """Return the phrases whose beats can be played: boolean ``(drafts[, beats], tracks, phrases)``.

        Args:
            sounded: notes one step before each beat, boolean ``(drafts[, beats], tracks, rows)``.
            beats: which beats.

        """
        sound, held, same = (self._each(values[:, beats]) for values in (self._sound, self._held, self._same))
        able = sound & ~(held & ~sounded.unsqueeze(-2)).any(-1)
        found: list[Tensor] = []
        for phrase, one in enumerate(able.unbind(-1)):
            later = [possible & same[..., other, phrase] for other, possible in enumerate(found)]
            found.append(one & ~torch.stack(later).any(0) if later else one)
        return torch.stack(found, -1)

    def equal(self, planes: Tensor, beats: slice = slice(None)) -> Tensor:
        """Return where beats are those of earlier phrases, and sound: boolean ``(drafts, beats, tracks, phrases)``.

        Args:
            planes: notes that sound and that start, boolean ``(drafts, beats, steps, tracks, 2, rows)``.
            beats: which beats.

        """
        same = (self._each(self.planes[:, beats]) == planes.unsqueeze(4)).flatten(5).all(-1).all(2)
        sounding: Tensor = same & self._each(self._sound[:, beats])
        return sounding

    def _each(self, values: Tensor) -> Tensor:
        return values if self._drafts == 1 else values.repeat_interleave(self._drafts, 0)
