"""Test that chords of accompaniments are decided first, by sketches."""

from __future__ import annotations

import numpy as np
import torch
from composers import SATB, causal, random_phrases
from torch import Tensor

from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal.sketching import with_chords
from bgmusic.music.networks.plan_bits import PlanBits, plan_bits
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import PARTS
from bgmusic.music.plans.shape import HARMONY

UNITS = SATB.bars * SATB.beats


def chords_of(phrases: Tensor, known: int = UNITS) -> PlanBits:
    """Return plans of which the chords of the first ``known`` beats are known."""
    plans = extract_channels(phrases.numpy() > 0.5, SATB)
    masks = {name: np.zeros_like(getattr(plans, f"{name}_known")) for name in PARTS}
    masks["harmony"][:, :known] = True
    return plan_bits(plans.hidden(**masks), SATB)


def composer(sketches: int) -> tuple[CausalComposer, Tensor, Tensor, Tensor]:
    """Return a composer, phrases of which the first track is given, what is free, and noise."""
    network = causal(SATB, "two-stage", drafts=3, sketches=sketches)
    free = torch.ones(3, 4, UNITS, dtype=torch.bool)
    free[:, 0] = False
    noise = torch.randn(3, network.latent, generator=torch.Generator().manual_seed(0))
    return network, random_phrases(SATB, density=0.02), free, noise


def test_an_accompaniment_is_composed_under_the_chords_of_its_sketch() -> None:
    network, given, free, noise = composer(1)
    plain = composer(0)[0]
    sketch = plain.accompany(given, free, noise.roll(network.latent // 2, 1))
    expected = plain.accompany(given, free, noise, chords_of(sketch))
    made = network.accompany(given, free, noise)
    assert torch.equal(made, expected)
    assert not torch.equal(made, plain.accompany(given, free, noise))
    # Each phrase has its own sketch, whatever the batch.
    assert torch.equal(made[1:2], network.accompany(given[1:2], free[1:2], noise[1:2]))


def test_nothing_else_is_sketched() -> None:
    (network, given, free, noise), plain = composer(2), composer(0)[0]
    assert torch.equal(network(noise), plain(noise))
    whole = chords_of(given)
    assert torch.equal(network.accompany(given, free, noise, whole), plain.accompany(given, free, noise, whole))
    later = torch.ones_like(free)
    later[:, :, : SATB.beats] = False  # the first bar of all tracks is known, as in going on with a piece
    assert torch.equal(network.accompany(given, later, noise), plain.accompany(given, later, noise))
    silent = torch.zeros_like(given)
    assert torch.equal(network.accompany(silent, free, noise), plain.accompany(silent, free, noise))


def test_planned_chords_stay() -> None:
    phrases = random_phrases(SATB, density=0.02)
    plan, rows = chords_of(phrases, known=3), torch.tensor([True, True, False])
    found = with_chords(plan, phrases.roll(1, 0), rows, SATB)
    assert torch.equal(found.bits[:, :3], plan.bits[:, :3])
    assert torch.equal(found.bits[2], plan.bits[2])
    assert torch.equal(found.bits[:2, 3:], chords_of(phrases.roll(1, 0)).bits[:2, 3:])
    assert found.bits[:2, :, HARMONY].all()
    alone = with_chords(None, phrases, rows, SATB)
    assert torch.equal(alone.bits[:2], chords_of(phrases).bits[:2])
    assert not alone.bits[2].any()
    assert not alone.silent.any()
