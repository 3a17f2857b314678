"""Test the mixer: its matrices depend on distances, and it is equivariant to transposition."""

from __future__ import annotations

import numpy as np
import torch

from bgmusic.music.networks.composer.mixer import Distances, Mix, Mixer, normalised


def test_matrices_depend_on_distances_only() -> None:
    distances = Distances(2, 5)
    matrices = distances().detach()
    for row in range(5):
        for column in range(5):
            assert torch.equal(matrices[:, row, column], distances.weight[:, row - column + 4].detach())


def test_mixing_equals_loops() -> None:
    torch.manual_seed(0)
    mix, x = Mix(2, 3, 4), torch.randn(2, 2, 3, 4)
    pitches, beats, keep = mix.pitches().detach(), mix.beats().detach(), mix.keep.detach()
    expected = torch.zeros_like(x)
    for channel, roll, beat, pitch in np.ndindex(2, 2, 3, 4):
        total = keep[channel] * x[channel, roll, beat, pitch]
        for other in range(4):
            total = total + x[channel, roll, beat, other] * pitches[channel, other, pitch]
        for other in range(3):
            total = total + beats[channel, beat, other] * x[channel, roll, other, pitch]
        expected[channel, roll, beat, pitch] = total
    torch.testing.assert_close(mix(x), expected)


def test_the_mixer_is_equivariant_to_transposition() -> None:
    torch.manual_seed(0)
    mixer = Mixer(3, 6, 3, 2, 1, 4, 30).double()
    torch.nn.init.zeros_(mixer.pitch)  # the only weights that distinguish pitches
    for block in mixer.blocks:  # keep the effect of the edges away from the cells compared
        with torch.no_grad():
            reach = block.mix.pitches.weight
            reach[:, :27] = 0
            reach[:, -27:] = 0
    x = torch.zeros(3, 1, 4, 30, dtype=torch.float64)
    x[:, :, :, 10:14] = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    moved = mixer(torch.roll(x, 5, 3))
    # Cells further than three layers of reach from either edge, before and after.
    torch.testing.assert_close(moved[..., 11:24], torch.roll(mixer(x), 5, 3)[..., 11:24])


def test_normalised_cells_have_a_mean_square_of_one() -> None:
    x = normalised(torch.randn(16, 2, 3, 4) * 50)
    torch.testing.assert_close(x.square().mean(0), torch.ones(2, 3, 4), rtol=1e-3, atol=0)
