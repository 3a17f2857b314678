"""Load trained planners, and complete plans with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.gan.draws import batches
from bgmusic.music.composing.windows import window_starts
from bgmusic.music.networks.keys import key_of
from bgmusic.music.networks.planner.config import PlannerConfig
from bgmusic.music.networks.planner.network import Planner, layout_of
from bgmusic.music.plans.complete import adopt
from bgmusic.music.plans.plan import Plan, Plans
from bgmusic.training.weights import fill, read_generator

KIND = "plans"
FILE = "planner.safetensors"
"""A planner beside a composer, in the composer's run folder."""
_BATCH = 16


def load_planner(run: Path) -> Planner:
    """Load the planner of a run of plans, or the one beside a composer, in evaluation mode.

    Raises:
        UserError: there is none, or its file is corrupt.

    """
    path = run / FILE if (run / FILE).is_file() else run / "generator.safetensors"
    config, weights = read_generator(path, KIND, PlannerConfig)
    layout_of(config.plans)
    with torch.device("meta"):
        planner = Planner(config)
    # Buffers that are not stored are made anew.
    filled = fill(planner, weights, str(path))
    if not isinstance(filled, Planner):
        raise TypeError("fill returns the network that it was given")
    return filled.eval()


def has_planner(run: Path) -> bool:
    """Whether a composer's run folder has a planner beside it."""
    return (run / FILE).is_file()


@torch.no_grad()
def sample_bits(planner: Planner, count: int, seed: int, first: int = 0) -> NDArray[np.float32]:
    """Draw the bits of whole plans: zeros and ones ``(count, bits)``. Each depends on the seed and its number alone."""
    layout = planner.layout
    nothing = np.zeros((count, layout.bits), np.float32), np.zeros((count, sum(layout.places.values())), np.float32)
    return _complete(planner, *nothing, seed, first)


@torch.no_grad()
def _complete(
    planner: Planner, bits: NDArray[np.float32], places: NDArray[np.float32], seed: int, first: int, part: int = 0
) -> NDArray[np.float32]:
    """Complete plans: known bits ``(count, bits)`` and places ``(count, places)`` to all bits."""
    device = next(planner.parameters()).device
    mode = planner.training
    planner.eval()
    made = []
    for draws, wanted in batches(seed, first, len(bits), _BATCH):
        rows = np.clip(np.arange(draws.first, draws.first + _BATCH) - first, 0, len(bits) - 1)
        some, given = (torch.from_numpy(values[rows]).to(device) for values in (bits, places))
        noise = draws.at(part).noise(planner.latent).to(device)
        made.append(planner.plan(some, given, noise)[wanted].float().cpu().numpy())
    planner.train(mode)
    return np.concatenate(made)


def decide(planner: Planner, plan: Plan, count: int, seed: int, first: int = 0) -> Plans:
    """Complete a plan in ``count`` ways. Each depends on the plan, the seed and its number alone.

    A longer plan is completed window by window; each window sees the bars before it. Harmony is transposed to the key
    that the plan names, if any.

    Args:
        planner: for plans of these tracks and beats.
        plan: a settled plan; what it knows stays.
        count: number of plans.
        seed: seed of the noise.
        first: number of the first plan, from 0.

    Raises:
        UserError: the planner is for other tracks or beats.

    """
    shape, layout = plan.shape, planner.layout
    ours = layout.shape
    if (ours.tracks, ours.drums, ours.beats) != (shape.tracks, shape.drums, shape.beats):
        raise UserError(
            f"the planner has the tracks {', '.join(ours.tracks)} in bars of {ours.beats} beats, the plan "
            f"{', '.join(shape.tracks)} in bars of {shape.beats}"
        )
    plans = [plan] * count
    for part, start in enumerate(window_starts(shape.bars, ours.bars)):
        bars = min(ours.bars, shape.bars)
        windows = [each.window(start, bars).lengthened(ours.bars) for each in plans]
        bits, known = layout.to_vectors(Plans.stack(windows))
        made = _complete(planner, bits.astype(np.float32), known.astype(np.float32), seed, first, part)
        everything = np.ones_like(known)
        proposals = [layout.to_plans(row[None] > 0.5, everything[:1]).plan(0).window(0, bars) for row in made]
        if not windows[0].harmony_known.any():
            proposals = [_in_key(each, plan.scale) for each in proposals]
        plans = [adopt(each, proposal, start) for each, proposal in zip(plans, proposals, strict=True)]
    return Plans.stack(plans)


def _in_key(proposal: Plan, scale: int) -> Plan:
    """Transpose a complete plan to a major scale, see :attr:`Plans.scales`; -1 changes nothing."""
    if scale < 0:
        return proposal
    chords, basses = np.split(proposal.harmony, 2, -1)
    up = scale - int(key_of(torch.from_numpy(chords.sum(0, dtype=np.float32))[None]))
    harmony = np.concatenate([np.roll(chords, up, -1), np.roll(basses, up, -1)], -1)
    return Plan(proposal.shape, **{**proposal.arrays(), "harmony": harmony})
