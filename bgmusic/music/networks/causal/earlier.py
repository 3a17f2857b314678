"""Describe the bars before phrases, so that they can be recalled."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.causal.recalled import Recalled
from bgmusic.music.networks.causal.returns import count_decisions, describe_returns
from bgmusic.music.networks.causal.rows import playable_rows
from bgmusic.music.networks.causal.steps import by_step, describe_steps
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.keys import to_common
from bgmusic.music.rolls.shape import RollShape


def recalled(
    earlier: Tensor | None, keys: Tensor, chords: Tensor, settings: CausalConfig, shape: RollShape
) -> Recalled | None:
    """Describe the bars before phrases; None if all of them are silent.

    Args:
        earlier: ``(batch, channels, phrases * bars, steps, pitches)``, zeros and ones; None: nothing came before.
        keys: of the phrases, int64 ``(batch,)``.
        chords: planned ones, see :func:`.rows.planned_rows`.
        settings: of the composer.
        shape: of the phrases.

    Raises:
        ValueError: ``earlier`` has another shape.

    """
    phrases = settings.recall
    if earlier is None or not phrases:
        return None
    expected = (len(keys), shape.channels, phrases * shape.bars, shape.steps, shape.pitches)
    if earlier.shape != expected:
        raise ValueError(f"earlier bars have shape {tuple(earlier.shape)}, not {expected}")
    if not bool(earlier.any()):
        return None
    cells, onsets = by_step(to_draft(earlier, shape).map(lambda plane: to_common(plane, keys, shape)))
    steps = describe_steps(cells, onsets)

    def backwards(values: Tensor) -> Tensor:
        moved: Tensor = values.unflatten(1, (phrases, -1)).flip(1).movedim(1, 3)
        return moved

    sounds = cells.flatten(2).any(2).unflatten(1, (-1, shape.steps)).any(2).repeat_interleave(shape.steps, 1)
    events = steps.changed.long() + steps.started.any(-1)
    kept = steps.before.to(torch.int8) * (2 * steps.kept.to(torch.int8) - 1)
    known = sounds.unflatten(1, (phrases, -1)).flip(1).movedim(1, 2)
    started, chord = backwards(steps.started), chords[:, :, None, None, 0] > 0
    pitched = ~torch.tensor(shape.drums, device=keys.device)[:, None]
    fits = (1 + (started & ~chord).any(-1).long()) * (chord.any(-1) & pitched)
    returned = None
    if count_decisions(settings, shape.drums):
        nowhere = torch.zeros_like(events, dtype=torch.bool)
        playable = playable_rows(keys, shape)
        returned = backwards(describe_returns(cells, steps.started, nowhere, playable, settings, shape).now)
    return Recalled(started, backwards(kept), backwards(events), known, fits, returned)
