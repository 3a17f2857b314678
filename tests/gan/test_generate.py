"""Samples of a generator: what binarizing does, and leaves alone."""

import numpy as np
import pytest
import torch
from toys import ToyGenerator

from bgmusic.gan.generate import sample


def generator(neuron: str) -> ToyGenerator:
    torch.manual_seed(0)
    return ToyGenerator(neuron)


@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_what_a_neuron_decided_stays_and_so_do_the_next_samples(neuron: str) -> None:
    made = [sample(generator(neuron), 100, 0, binarize, batch=20) for binarize in ("ht", "bs")]
    np.testing.assert_array_equal(*made)


def test_preactivated_outputs_are_thresholded_or_drawn() -> None:
    thresholded, drawn = (sample(generator("real"), 2000, 0, binarize, batch=2000) for binarize in ("ht", "bs"))
    odds = generator("real")(torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))).detach().numpy()
    np.testing.assert_array_equal(thresholded, odds > 0.5)
    assert drawn.mean() == pytest.approx(odds.mean(), abs=4 * 0.5 / drawn.size**0.5)
    assert (thresholded != drawn).any()
