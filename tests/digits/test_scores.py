"""Scores equal independent calculations, and tell good from bad."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from bgmusic.digits.data import load_digits
from bgmusic.digits.features import Classifier, apply, load_classifier, save_classifier, train_classifier
from bgmusic.digits.scores import (
    Scorer,
    frechet_distance,
    isolated_pixels,
    kernel_distance,
    neighbour_radii,
    precision_recall,
)


@pytest.fixture(scope="module")
def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    mix = torch.randn(6, 6, generator=rng)
    return torch.randn(150, 6, generator=rng), torch.randn(130, 6, generator=rng) @ mix + 0.5


def test_frechet_distance_equals_scipys_matrix_root(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (cloud.double().numpy() for cloud in clouds)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(*clouds) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(clouds[0], clouds[0]) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_a_flat_cloud_is_finite() -> None:
    flat = torch.ones(20, 4)  # its covariance is singular
    assert frechet_distance(flat, flat + 2) == pytest.approx(16)


def test_kernel_distance_equals_loops(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = (cloud.double().numpy() for cloud in clouds)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 6 + 1) ** 3)

    within = [np.mean([kernel(c[i], c[j]) for i in range(len(c)) for j in range(len(c)) if i != j]) for c in (a, b)]
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(*clouds) == pytest.approx(sum(within) - 2 * across, rel=1e-4)


def test_precision_and_recall_equal_loops(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    generated, real = (cloud.double().numpy() for cloud in clouds)

    def covered(points: np.ndarray, centres: np.ndarray) -> float:
        inside = 0
        radii = [np.sort(np.linalg.norm(centres - centre, axis=1))[5] for centre in centres]
        for point in points:
            inside += any(np.linalg.norm(point - c) <= r for c, r in zip(centres, radii, strict=True))
        return inside / len(points)

    expected = (covered(generated, real), covered(real, generated))
    doubles = (clouds[0].double(), clouds[1].double())
    assert precision_recall(*doubles) == pytest.approx(expected)
    assert precision_recall(*doubles, real_radii=neighbour_radii(doubles[1])) == pytest.approx(expected)


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


def test_digits_are_as_published() -> None:
    train, test = load_digits("train"), load_digits("test")
    assert train.packed.shape == (60_000, 98)
    assert test.images().shape == (10_000, 28, 28)
    assert train.images().mean() == pytest.approx(0.1912, abs=1e-4)
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert isolated_pixels(test.images()) == pytest.approx(0.006, abs=1e-3)
    with pytest.raises(ValueError, match="not 'validation'"):
        load_digits("validation")


def test_shipped_classifier_knows_digits() -> None:
    digits = load_digits("test")
    predicted = apply(load_classifier(), digits.images()).argmax(1).numpy()
    assert (predicted == digits.labels).mean() > 0.985


def test_classifier_trains_and_is_saved_whole(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = load_digits("train")
    part = type(small)(small.packed[:500], small.labels[:500])
    monkeypatch.setattr("bgmusic.digits.features.load_digits", lambda _: part)
    losses: list[float] = []
    model, accuracy = train_classifier(epochs=4, report=lambda _, loss: losses.append(loss))
    assert losses[-1] < losses[0]
    assert accuracy > 0.3
    path = tmp_path / "weights.safetensors"
    save_classifier(model, str(path))
    monkeypatch.setattr("bgmusic.digits.features.weights_path", lambda: str(path))
    images = part.images()[:10]
    again = apply(load_classifier().features, images)
    torch.testing.assert_close(again, apply(model.eval().features, images), rtol=0.02, atol=0.02)
    assert isinstance(model, Classifier)


def test_scorer_tells_digits_from_damage() -> None:
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
