"""Test the sampling of a generator, and how its output is binarized."""

import numpy as np
import pytest
import torch
from toys import ToyGenerator

from bgmusic.errors import UserError
from bgmusic.gan.draws import Draws
from bgmusic.gan.generate import sample

NEURONS = pytest.mark.parametrize(
    ("neuron", "binarize"), [("dbn", "ht"), ("sbn", "ht"), ("real", "ht"), ("real", "bs")]
)


def generator(neuron: str) -> ToyGenerator:
    torch.manual_seed(0)
    return ToyGenerator(neuron)


@pytest.mark.parametrize("neuron", ["dbn", "sbn"])
def test_binary_output_is_the_same_for_either_binarization(neuron: str) -> None:
    samples = [sample(generator(neuron), 100, 0, binarize, batch=20) for binarize in ("ht", "bs")]
    np.testing.assert_array_equal(*samples)


@NEURONS
def test_a_sample_depends_on_its_seed_and_number_alone(neuron: str, binarize: str) -> None:
    network = generator(neuron)
    most = sample(network, 40, 5, binarize, batch=16)
    for count in (1, 2, 3, 16, 17):
        np.testing.assert_array_equal(sample(network, count, 5, binarize, batch=16), most[:count])
        np.testing.assert_array_equal(sample(network, count, 5, binarize, batch=16, first=7), most[7 : 7 + count])
    np.testing.assert_array_equal(sample(network, 40, 5, binarize, batch=3), most)
    assert (sample(network, 40, 6, binarize, batch=16) != most).any()


def test_all_batches_have_one_size() -> None:
    sizes = []
    network = generator("dbn")
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    progress: list[int] = []
    sample(network, 7, 0, batch=5, first=4, progress=progress.append)
    assert sizes == [5, 5, 5]
    assert progress == [1, 5, 1]


def test_real_valued_output_is_thresholded_or_sampled() -> None:
    thresholded, drawn = (sample(generator("real"), 2000, 0, binarize, batch=2000) for binarize in ("ht", "bs"))
    probabilities = generator("real")(Draws(0, 0, 2000).noise(4)).detach().numpy()
    np.testing.assert_array_equal(thresholded, probabilities > 0.5)
    assert drawn.mean() == pytest.approx(probabilities.mean(), abs=4 * 0.5 / drawn.size**0.5)
    assert (thresholded != drawn).any()


def test_arguments_out_of_range_are_refused() -> None:
    for count, first, phrase in ((0, 0, "1 or more"), (1, -1, "-1")):
        with pytest.raises(UserError, match=phrase):
            sample(generator("dbn"), count, 0, first=first)
