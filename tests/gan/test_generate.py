"""Test the sampling of a generator, and how its output is binarized."""

import numpy as np
import pytest
import torch
from toys import ToyGenerator

from bgmusic.gan.generate import sample


def generator(neuron: str) -> ToyGenerator:
    torch.manual_seed(0)
    return ToyGenerator(neuron)


@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_binary_output_is_the_same_for_either_binarization(neuron: str) -> None:
    samples = [sample(generator(neuron), 100, 0, binarize, batch=20) for binarize in ("ht", "bs")]
    np.testing.assert_array_equal(*samples)


def test_real_valued_output_is_thresholded_or_sampled() -> None:
    thresholded, drawn = (sample(generator("real"), 2000, 0, binarize, batch=2000) for binarize in ("ht", "bs"))
    probabilities = generator("real")(torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))).detach().numpy()
    np.testing.assert_array_equal(thresholded, probabilities > 0.5)
    assert drawn.mean() == pytest.approx(probabilities.mean(), abs=4 * 0.5 / drawn.size**0.5)
    assert (thresholded != drawn).any()
