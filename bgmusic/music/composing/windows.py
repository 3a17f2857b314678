"""Compose rolls that are longer than a composer's phrases, window by window.

A window has the length of a phrase. Each window starts half a phrase after the one before (rounded up), so the composer
sees the last half of what it composed and continues from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.gan.generate import Progress, device_of
from bgmusic.music.composing.endings import faults, leading_bars, with_ending
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.composer.features import steps_of
from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.networks.composing_network import ComposingNetwork, bars_before
from bgmusic.music.networks.keys import key_of, pitch_classes
from bgmusic.music.networks.plan_bits import plan_bits
from bgmusic.music.plans.plan import Plans
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.rolls.shape import RollShape

_ATTEMPTS = 4  # at an ending


def hop_of(bars: int) -> int:
    """Return the number of bars from one window of ``bars`` bars to the next."""
    return bars - bars // 2


def window_starts(length: int, bars: int) -> list[int]:
    """Return the first bars of the windows of ``bars`` bars that cover ``length`` bars; the last one ends with them."""
    last = max(0, length - bars)
    return [*range(0, last, hop_of(bars)), last]


def whole_length(length: int, bars: int) -> int:
    """Round up to bars that whole windows cover, so that cutting off the rest changes nothing before it."""
    hop = hop_of(bars)
    return bars + max(0, -(-(length - bars) // hop)) * hop


@torch.no_grad()
def compose(
    composer: ComposingNetwork,
    given: Tensor,
    free: Tensor,
    noises: Iterator[Tensor],
    progress: Progress | None = None,
    plans: Plans | None = None,
    last: int | None = None,
) -> Tensor:
    """Compose the free units of rolls of any length; the other units stay as given.

    Args:
        composer: in evaluation mode.
        given: zeros and ones ``(batch, channels, bars, steps, pitches)``, on any device.
        free: booleans ``(batch, tracks, bars * beats)``: units to compose.
        noises: noise ``(batch, latent)`` of each window.
        progress: receives the number of rolls after each window.
        plans: plans of the rolls; what is unknown, the composer decides.
        last: number of the bar that ends the pieces, see :mod:`.endings`; None: they do not end.

    Returns:
        Booleans ``(batch, channels, bars, steps, pitches)``.

    Raises:
        ValueError: ``given`` or ``free`` has another shape.

    """
    shape, device, length = composer.shape, device_of(composer), given.shape[2]
    if given.dim() != 5 or (given.shape[1], *given.shape[3:]) != (shape.channels, shape.steps, shape.pitches):
        expected = f"(batch, {shape.channels}, bars, {shape.steps}, {shape.pitches})"
        raise ValueError(f"given rolls have shape {tuple(given.shape)}, not {expected}")
    if free.shape != (len(given), len(shape.track_set), length * shape.beats):
        expected = f"({len(given)}, {len(shape.track_set)}, {length * shape.beats})"
        raise ValueError(f"free units have shape {tuple(free.shape)}, not {expected}")
    # A roll shorter than a phrase is composed to a whole one and cut again.
    missing = max(0, shape.bars - length)
    rolls = F.pad(given.to(torch.bool), (0, 0, 0, 0, 0, missing)).clone(memory_format=torch.contiguous_format)
    free = F.pad(free, (0, missing * shape.beats), value=True).clone(memory_format=torch.contiguous_format)
    plans = None if plans is None else plans.lengthened(length + missing)
    starts = window_starts(length, shape.bars)
    for start in starts:
        keys = home_keys(rolls, free, plans, start, shape).to(device)
        if plans is not None:
            copy_repeated(rolls, free, plans, slice(start, start + shape.bars), shape)
        bars = slice(start, start + shape.bars)
        units = slice(start * shape.beats, (start + shape.bars) * shape.beats)
        seen, opened = rolls[:, :, bars], free[:, :, units]
        window = None if plans is None else _window(plans, start, shape.bars)
        if last is not None and start == starts[-1]:
            window = Plans.unknown(PlanShape.of(shape), len(rolls)) if window is None else window
            window = with_ending(window, rolls, start, leading_bars(free, shape.beats), last, shape)
        plan = None if window is None else plan_bits(window, shape, device)
        noise, known = next(noises).to(device), (seen.to(device, torch.float32), opened.to(device))
        earlier = bars_before(rolls, start, composer.recall_bars, device)
        make = partial(composer.accompany, *known, plan=plan, keys=keys, earlier=earlier)
        made = make(noise) > 0.5
        if last is not None and window is not None and start == starts[-1]:
            made = _ended(made, make, noise, partial(faults, window, bar=last - start, shape=shape))
        rolls[:, :, bars] = torch.where(cells_of(opened, shape), made.to(rolls.device), seen)
        free[:, :, units] = False
        if progress:
            progress(len(rolls))
    return rolls[:, :, :length]


def _ended(made: Tensor, make: Callable[[Tensor], Tensor], noise: Tensor, count: Callable[[Tensor], Tensor]) -> Tensor:
    """Compose endings again, from the same noise in another order, where they are not as planned; keep the best.

    All of a batch are composed: a few alone would differ in the last bits.
    """
    left = count(made.cpu())
    for attempt in range(1, _ATTEMPTS):
        if not left.any():
            break
        again = make(noise.roll(attempt * max(1, noise.shape[1] // _ATTEMPTS), 1)) > 0.5
        found = count(again.cpu())
        better = (found < left).to(made.device)
        made = torch.where(better[:, None, None, None, None], again, made)
        left = torch.minimum(found, left)
    return made


def home_keys(rolls: Tensor, free: Tensor, plans: Plans | None, start: int, shape: RollShape) -> Tensor:
    """Return the keys of what was composed before a window: int64 ``(batch,)``, -1 for none.

    Without them a piece drifts: each window would take the key of the bars that it sees. What is given in a window's
    own bars, or chords that are planned there, decide on its key: then there is none. A key that the plan names is the
    key of all windows.

    Args:
        rolls: boolean ``(batch, channels, bars, steps, pitches)``.
        free: units that are not composed yet, boolean ``(batch, tracks, bars * beats)``.
        plans: of the rolls.
        start: the window's first bar.
        shape: of the phrases.

    """
    stop = (start + shape.bars) * shape.beats
    opened = free[:, :, start * shape.beats : stop].unflatten(2, (-1, shape.beats))
    own = opened.any(3).any(1)
    settled = (~opened).any(3).any(1)
    if plans is not None:
        planned = torch.from_numpy(plans.harmony_known[:, start * shape.beats : stop].copy())
        settled = settled | planned.unflatten(1, (-1, shape.beats)).any(2)
    known = steps_of(~free[:, :, :stop], shape).unsqueeze(3)
    cells = to_draft(rolls[:, :, : start + shape.bars], shape).cells
    weights = pitch_classes(cells & known, shape)
    keys = torch.where((weights.sum(1) > 0) & ~(own & settled).any(1), key_of(weights), -1)
    said = keys if plans is None else torch.from_numpy(plans.scales)
    return torch.where(said >= 0, said, keys)


def _window(plans: Plans, start: int, bars: int) -> Plans:
    return Plans.stack([plans.plan(index).window(start, bars) for index in range(len(plans))])


def copy_repeated(rolls: Tensor, free: Tensor, plans: Plans, window: slice, shape: RollShape) -> None:
    """Copy bars that repeat one before the window, in place; they are not composed."""
    repeats, tracks, beats = plans.repeats, len(shape.track_set), shape.beats
    for index, track, bar in np.argwhere((repeats >= 0) & (repeats < window.start)).tolist():
        units = slice(bar * beats, (bar + 1) * beats)
        if window.start <= bar < window.stop and bool(free[index, track, units].all()):
            rolls[index, track::tracks, bar] = rolls[index, track::tracks, int(repeats[index, track, bar])]
            free[index, track, units] = False
