"""Arrange drafts as inputs of a composer's network, and the network's outputs as logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bgmusic.music.networks.composer.decisions.base import Decision, Tracks
from bgmusic.music.networks.composer.draft import Draft
from bgmusic.music.rolls.shape import RollShape

Logits = dict[str, Tensor]
"""Logits of each decision by its name, float32."""


def input_channels(shape: RollShape) -> int:
    """Return the number of channels of :func:`network_inputs`."""
    return shape.channels * shape.unit + len(shape.track_set)


def network_inputs(draft: Draft, opened: Tensor, shape: RollShape) -> Tensor:
    """Stack the known cells and onsets of each beat, and a mask of the tracks that are open.

    Args:
        draft: the phrases; their open units become zeros.
        opened: boolean ``(batch, tracks, bars * beats)``.
        shape: of the phrases.

    Returns:
        ``(channels, batch, bars * beats, pitches)``.

    """
    batch, tracks, beats = opened.shape
    known = ~steps_of(opened, shape).unsqueeze(3)
    shown = torch.stack([plane * known for plane in draft.planes])
    shown = shown.view(shape.planes, batch, tracks, beats, shape.unit, shape.pitches)
    shown = shown.permute(0, 2, 4, 1, 3, 5).reshape(-1, batch, beats, shape.pitches)
    mask = opened.permute(1, 0, 2).unsqueeze(3).expand(-1, -1, -1, shape.pitches).to(shown.dtype)
    return torch.cat([shown, mask])


def network_logits(
    decisions: Sequence[Decision], steps: Tensor, cells: Tensor, shape: RollShape, tracks: Tracks
) -> Logits:
    """Divide the network's outputs among the decisions.

    Args:
        decisions: in the order in which they are made.
        steps: outputs at steps, ``(outputs * tracks * unit, batch, bars * beats, 1)``.
        cells: outputs at cells, ``(outputs * tracks * unit, batch, bars * beats, pitches)``.
        shape: of the phrases.
        tracks: facts about the tracks.

    """
    of_cells = _unfold(cells, shape).split([decision.cell_outputs for decision in decisions])
    # The outputs at steps are stored from the last decision to the first.
    numbers = [decision.step_outputs for decision in reversed(decisions)]
    of_steps = reversed(_unfold(steps, shape).squeeze(4).split(numbers))
    each = zip(decisions, of_steps, of_cells, strict=True)
    return {decision.name: decision.logits(at_steps, at_cells, tracks) for decision, at_steps, at_cells in each}


def steps_of(units: Tensor, shape: RollShape) -> Tensor:
    """Repeat each unit of ``(batch, tracks, bars * beats)`` at its steps: ``(batch, tracks, bars * steps)``."""
    return units.repeat_interleave(shape.unit, 2)


def playable_pitches(shape: RollShape, device: torch.device) -> Tensor:
    """Return the pitches within each track's range, boolean ``(tracks, pitches)``."""
    rows = range(shape.track_set.low, shape.track_set.low + shape.pitches)
    playable = [[track.low <= pitch <= track.high for pitch in rows] for track in shape.track_set.tracks]
    return torch.tensor(playable, device=device)


def _unfold(x: Tensor, shape: RollShape) -> Tensor:
    """``(outputs * tracks * unit, batch, beats, pitches)`` to ``(outputs, batch, tracks, steps, pitches)``."""
    tracks, unit, (batch, beats, pitches) = len(shape.track_set), shape.unit, x.shape[1:]
    x = x.view(-1, tracks, unit, batch, beats, pitches).permute(0, 3, 1, 4, 2, 5).float()
    return x.reshape(-1, batch, tracks, beats * unit, pitches)
