"""Plans as bits of each beat, as the composer's network sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.networks.keys import KEYS, common_harmony
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import PARTS, Plans
from bgmusic.music.plans.shape import HARMONY, LEVELS, PlanShape
from bgmusic.music.rolls.shape import RollShape


@dataclass(frozen=True)
class PlanBits:
    """Plans of a batch, and what of them must be obeyed exactly.

    Attributes:
        bits: the bits of each beat, 0 where unknown, and masks of what is known: float ``(batch, units, features)``.
        silent: units in which a track rests, boolean ``(batch, tracks, units)``.
        repeats: number of the bar that each bar repeats, its own where it is new or unknown, int64
            ``(batch, tracks, bars)``.
        playing: bars in which a track plays, boolean ``(batch, tracks, bars)``.
        activity: number of levels of activity that a bar reaches, int64 ``(batch, tracks, bars)``; -1 where unknown.

    """

    bits: Tensor
    silent: Tensor
    repeats: Tensor
    playing: Tensor
    activity: Tensor

    def chosen(self, rows: Tensor) -> PlanBits:
        """Return the plans of the given numbers, int64 ``(n,)``."""
        return PlanBits(self.bits[rows], self.silent[rows], self.repeats[rows], self.playing[rows], self.activity[rows])

    @property
    def pitch_classes(self) -> Tensor:
        """Number of known beats whose chord has each pitch class, ``(batch, 12)``."""
        return self.bits[..., :KEYS].sum(1)

    def in_common(self, keys: Tensor) -> Tensor:
        """Return the bits with the harmony transposed to C, see :mod:`bgmusic.music.networks.keys`."""
        chords, basses, others = self.bits.split([KEYS, KEYS, self.bits.shape[-1] - 2 * KEYS], -1)
        return torch.cat([common_harmony(chords, keys), common_harmony(basses, keys), others], -1)

    @property
    def decided(self) -> Tensor:
        """Units whose notes follow from the plan: silent ones, and those of repeated bars, boolean as ``silent``."""
        bars = self.repeats.shape[2]
        again = self.repeats < torch.arange(bars, device=self.repeats.device)
        return self.silent | again.repeat_interleave(self.silent.shape[2] // bars, 2)


def features_of(shape: RollShape) -> int:
    """Return the number of features of :class:`PlanBits`."""
    tracks = len(shape.track_set)
    return HARMONY + 1 + tracks * (2 + 2 + len(LEVELS) + 1)


def plan_bits(plans: Plans, shape: RollShape, device: torch.device | str = "cpu") -> PlanBits:
    """Convert plans.

    Args:
        plans: a batch of plans.
        shape: shape of the phrases.
        device: device of the result.

    Raises:
        UserError: the plans are of other tracks, bars or beats.

    """
    wanted = PlanShape.of(shape)
    if plans.shape != wanted:
        raise UserError(
            f"the plan is of {plans.shape.bars} bars of {plans.shape.beats} beats for {', '.join(plans.shape.tracks)}; "
            f"this composer's are of {wanted.bars} bars of {wanted.beats} beats for {', '.join(wanted.tracks)}"
        )
    beats = shape.beats
    repeats = np.where(plans.form_known, plans.form.argmax(-1), np.arange(wanted.bars))
    comes_back = (repeats < np.arange(wanted.bars)) & plans.form_known
    of_bars = [comes_back, plans.form_known, plans.instruments, plans.instruments_known, plans.activity_known]
    of_bars += [plans.activity[..., level] for level in range(len(LEVELS))]
    # (features, batch, tracks, bars) to (batch, bars, tracks * features), repeated at each beat
    stacked = np.stack(of_bars).transpose(1, 3, 2, 0)
    bars = stacked.reshape(*stacked.shape[:2], -1).repeat(beats, 1)
    bits = np.concatenate([plans.harmony, plans.harmony_known[..., None], bars], -1)
    silent = (plans.instruments_known & ~plans.instruments).repeat(beats, 2)
    return PlanBits(
        torch.from_numpy(bits).to(device, torch.float32),
        torch.from_numpy(silent).to(device),
        torch.from_numpy(repeats).to(device),
        torch.from_numpy(plans.instruments_known & plans.instruments).to(device),
        torch.from_numpy(np.where(plans.activity_known, plans.activity.sum(-1), -1)).to(device),
    )


def draw_plans(
    real: Tensor,
    shape: RollShape,
    generator: torch.Generator | None = None,
    unknown: float = 0.35,
    one_part: float = 0.0,
) -> PlanBits:
    """Extract the plans of real phrases and hide parts of them, to learn to compose to what is known.

    Of a share of the phrases nothing is known. Of seven in thirteen of the rest, everything is. In the others each part
    is known with a chance of one half: as a whole with a chance of one half again, else in a share of the bars, or
    beats, drawn from U[0, 1). If that leaves nothing, everything is known.

    Args:
        real: phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones.
        shape: their shape.
        generator: source of the draws, on the CPU.
        unknown: share of the phrases of whose plans nothing is known.
        one_part: share of the partly known plans of which one whole part is known, and nothing else: the harmony in
            half of these, each other part in a sixth.

    """
    whole = unknown + (1 - unknown) * 7 / 13
    plans = extract_channels(real.detach().cpu().numpy() > 0.5, shape)

    def draw(*size: int) -> Tensor:
        return torch.rand(len(real), *size, generator=generator)

    way, parts, shares = draw(1), draw(len(PARTS)), 2 * draw(len(PARTS))
    alone, part = torch.zeros(len(real), dtype=torch.bool), torch.zeros(len(real))
    if one_part:
        alone = (way[:, 0] >= whole) & (draw(1)[:, 0] < one_part)
        of_parts = torch.tensor([3.0 if name == "harmony" else 1.0 for name in PARTS])
        part = torch.multinomial(of_parts, len(real), replacement=True, generator=generator)
    keep = {}
    for number, name in enumerate(PARTS):
        size = getattr(plans, f"{name}_known").shape[1:]
        each = draw(*size)
        narrow = (slice(None), *(None,) * len(size))
        share = torch.where(parts[:, number] < 0.5, shares[:, number], 0.0)
        share = torch.where(way[:, 0] < unknown, 0.0, torch.where(way[:, 0] < whole, 1.0, share))
        share = torch.where(alone, (part == number).float(), share)
        keep[name] = each < share[narrow]
    some = torch.stack([mask.flatten(1).any(1) for mask in keep.values()]).any(0) | (way[:, 0] < unknown)
    known = {name: (mask | ~some.view(-1, *(1,) * (mask.dim() - 1))).numpy() for name, mask in keep.items()}
    return plan_bits(plans.hidden(**known), shape, real.device)
