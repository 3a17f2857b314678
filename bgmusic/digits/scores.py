"""Score generated digits against real ones, by the features of a classifier."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch

from bgmusic.digits.data import SHAPE, load_digits, require_images
from bgmusic.gan.distances import frechet_distance, kernel_distance, neighbour_radii, precision_recall


def isolated_pixels(images: npt.NDArray[np.uint8]) -> float:
    """Return the mean number of pixels per image that are 1 while all eight neighbours are 0; test digits have 0.006.

    Raises:
        TypeError: the images are not uint8 or boolean.
        ValueError: the images are not ``(N, 28, 28)`` of zeros and ones.

    """
    require_images(images)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    size = images.shape[1]
    near = sum(
        padded[:, down : down + size, right : right + size].astype(np.int16) for down in range(3) for right in range(3)
    )
    return float(((images == 1) & (near == 1)).sum(dtype=np.int64) / len(images))


@dataclass(frozen=True)
class Scores:
    """Scores of a set of images.

    Attributes:
        images: number of images.
        fid: Fréchet distance of the features, lower is better.
        kid: kernel distance of the features, lower is better.
        precision: share of images that look real, higher is better.
        recall: share of real images that are covered, higher is better.
        on_rate: share of pixels that are 1.
        isolated: mean number of isolated pixels, see :func:`isolated_pixels`.
        classes: shares of the ten digits, according to the classifier.

    """

    images: int
    fid: float
    kid: float
    precision: float
    recall: float
    on_rate: float
    isolated: float
    classes: tuple[float, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the scores by name, ready for JSON."""
        return asdict(self)


class Scorer:
    """Score images against real digits, whose features are computed once.

    Args:
        reference: uint8 ``(N, 28, 28)``: the 10,000 test digits for a final score, held-out training digits to search
            for a recipe.

    Raises:
        TypeError: the reference is not uint8 or boolean.
        ValueError: the reference is not ``(N, 28, 28)`` of zeros and ones, N at least 6.

    """

    def __init__(self, reference: npt.NDArray[np.uint8]) -> None:
        from bgmusic.digits.features import apply_in_batches, load_classifier

        self._apply, self._classifier = apply_in_batches, load_classifier()
        self._reference = apply_in_batches(self._classifier.features, reference)
        self._radii = neighbour_radii(self._reference)

    def floor(self, count: int) -> Scores:
        """Score ``count`` training digits, evenly spread: the score of a perfect generator."""
        packed = load_digits("train").packed
        return self(
            np.unpackbits(packed[np.linspace(0, len(packed) - 1, count).astype(int)], axis=1).reshape(-1, *SHAPE)
        )

    def __call__(self, images: npt.NDArray[np.uint8]) -> Scores:
        """Score uint8 images ``(N, 28, 28)`` of zeros and ones, N at least 6.

        Raises:
            TypeError: the images are not uint8 or boolean.
            ValueError: they have another shape or other values, or are fewer than six.

        """
        features = self._apply(self._classifier.features, images)
        classes = self._apply(self._classifier, images).argmax(1)
        precision, recall = precision_recall(features, self._reference, real_radii=self._radii)
        return Scores(
            images=len(images),
            fid=frechet_distance(features, self._reference),
            kid=kernel_distance(features, self._reference),
            precision=precision,
            recall=recall,
            on_rate=float(images.mean()),
            isolated=isolated_pixels(images),
            classes=tuple((torch.bincount(classes, minlength=10) / len(images)).tolist()),
        )
