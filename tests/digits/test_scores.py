"""Scores equal independent calculations and detect damaged digits; wrong images are rejected."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bgmusic.digits.data import load_digits
from bgmusic.digits.features import Classifier, apply_in_batches, load_classifier, save_classifier, train_classifier
from bgmusic.digits.pictures import grid
from bgmusic.digits.scores import Scorer, isolated_pixels


def test_isolated_pixels_equals_loops() -> None:
    images = (np.random.default_rng(0).random((5, 28, 28)) < 0.1).astype(np.uint8)
    images[0] = 0
    images[1] = 1
    count = 0
    for image in images:
        for row in range(28):
            for column in range(28):
                near = image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
                count += int(image[row, column] == 1 and near.sum() == 1)
    assert count > 0
    assert isolated_pixels(images) == pytest.approx(count / 5)


def test_digits_have_the_published_statistics() -> None:
    train, test = load_digits("train"), load_digits("test")
    assert train.packed.shape == (60_000, 98)
    assert test.images().shape == (10_000, 28, 28)
    assert train.images().mean() == pytest.approx(0.1912, abs=1e-4)
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert isolated_pixels(test.images()) == pytest.approx(0.006, abs=1e-3)
    with pytest.raises(ValueError, match="not 'validation'"):
        load_digits("validation")


def test_embedded_classifier_recognizes_digits() -> None:
    digits = load_digits("test")
    predicted = apply_in_batches(load_classifier(), digits.images()).argmax(1).numpy()
    assert (predicted == digits.labels).mean() > 0.985


@pytest.mark.slow
def test_classifier_trains_and_is_saved(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = load_digits("train")
    part = type(small)(small.packed[:500], small.labels[:500])
    monkeypatch.setattr("bgmusic.digits.features.load_digits", lambda _: part)
    losses: list[float] = []
    model, accuracy = train_classifier(epochs=4, report=lambda _, loss: losses.append(loss))
    assert losses[-1] < losses[0]
    assert accuracy > 0.3
    path = tmp_path / "weights.safetensors"
    save_classifier(model, str(path))
    monkeypatch.setattr("bgmusic.digits.features.weights_path", lambda: path)
    images = part.images()[:10]
    again = apply_in_batches(load_classifier().features, images)
    torch.testing.assert_close(again, apply_in_batches(model.eval().features, images), rtol=0.02, atol=0.02)
    assert isinstance(model, Classifier)


def test_scorer_detects_damaged_digits() -> None:
    test, train = load_digits("test").images()[:1000], load_digits("train").images()[:1000]
    scorer = Scorer(test)
    good = scorer(train)
    flipped = train ^ (np.random.default_rng(0).random(train.shape) < 0.03).astype(np.uint8)
    noisy, one_digit = scorer(flipped), scorer(train[load_digits("train").labels[:1000] == 3])
    assert good.fid < noisy.fid
    assert good.kid < noisy.kid
    assert good.isolated < 0.05 < noisy.isolated
    assert one_digit.recall < 0.5 * good.recall
    assert max(one_digit.classes) > 0.95
    assert sum(good.classes) == pytest.approx(1)
    assert scorer.floor(500).images == 500


def test_wrong_images_are_rejected() -> None:
    images = load_digits("test").images()[:20]
    scorer = Scorer(images)
    for bad, error, words in (
        (images.astype(np.float32), TypeError, "float32"),
        (images.astype(np.int64), TypeError, "int64"),
        (images * 255, ValueError, "zeros and ones"),
        (images.reshape(20, 784), ValueError, "shape"),
        (images[0], ValueError, "shape"),
        (images[:0], ValueError, "shape"),
        (images[:5], ValueError, "at least 6"),
    ):
        for function in (scorer, Scorer, *([] if words == "at least 6" else [isolated_pixels])):
            with pytest.raises(error, match=words):
                function(bad)


def test_wrong_pictures_are_rejected() -> None:
    with pytest.raises(ValueError, match="shape"):
        grid(np.zeros((28, 28)), 1)
    for wrong in (255.0, -0.5, np.nan):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            grid(np.full((1, 28, 28), wrong), 1)
