"""How near generated digits are to real ones, by a classifier's features."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch

from bgmusic.digits.data import SHAPE, load_digits
from bgmusic.gan.distances import frechet_distance, kernel_distance, neighbour_radii, precision_recall


def isolated_pixels(images: npt.NDArray[np.uint8]) -> float:
    """Pixels that are 1 while all eight neighbours are 0, a mean per image; test digits have 0.006."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    size = images.shape[1]
    near = sum(
        padded[:, down : down + size, right : right + size].astype(np.int16) for down in range(3) for right in range(3)
    )
    return float(((images == 1) & (near == 1)).sum(dtype=np.int64) / len(images))


@dataclass(frozen=True)
class Scores:
    """What is told about a set of images; lower is better for fid and kid, higher for precision and recall.

    ``classes`` are the shares of the ten digits, as the classifier sees them.
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
        """The scores by name, ready for JSON."""
        return asdict(self)


class Scorer:
    """Scores images against real digits, whose features it computes once.

    Args:
        reference: uint8 ``(N, 28, 28)``: the 10,000 test digits for a final score, held-out training digits
            while searching for a recipe.

    """

    def __init__(self, reference: npt.NDArray[np.uint8]) -> None:
        from bgmusic.digits.features import apply, load_classifier

        self._apply, self._classifier = apply, load_classifier()
        self._reference = apply(self._classifier.features, reference)
        self._radii = neighbour_radii(self._reference)

    def floor(self, count: int) -> Scores:
        """The score of ``count`` training digits, evenly spread: what a perfect generator gets."""
        packed = load_digits("train").packed
        return self(
            np.unpackbits(packed[np.linspace(0, len(packed) - 1, count).astype(int)], axis=1).reshape(-1, *SHAPE)
        )

    def __call__(self, images: npt.NDArray[np.uint8]) -> Scores:
        """Score uint8 images ``(N, 28, 28)`` of zeros and ones, N at least 6 (each has five neighbours)."""
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
