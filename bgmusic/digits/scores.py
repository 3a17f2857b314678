"""How near generated digits are to real ones: distances between two clouds of features."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bgmusic.digits.data import SHAPE, load_digits


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of two clouds of features, ``(N, F)`` and ``(M, F)``; 0 or more, 0 is best.

    ``|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2))`` with covariances A and B. On Inception features it is
    the FID (Heusel et al., arXiv 1706.08500, equation 6); here the features are a digit classifier's.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    # tr (A B)^(1/2) is the sum of the roots of AB's eigenvalues, which are those of A^(1/2) B A^(1/2): symmetric.
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(float(distance), 0.0)


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel ``(x y / F + 1)^3``; near 0 is best.

    The KID of Bińkowski et al., arXiv 1801.01401, section 3.1, over all pairs instead of random subsets;
    being unbiased it may be slightly negative. Clouds ``(N, F)`` and ``(M, F)`` of at least two each.
    """

    def cubes(x: Tensor) -> Tensor:
        return x * x * x  # pow(3) takes ten times as long

    def total(x: Tensor, y: Tensor) -> float:
        # Parts that stay in the cache, in float32, whose rounding averages out; their sums in float64.
        y = y.T / x.shape[1]
        return sum(float(cubes(part @ y + 1).sum(dtype=torch.float64)) for part in x.split(100))

    def diagonal(x: Tensor) -> float:
        return float(cubes(x.square().sum(1) / x.shape[1] + 1).sum())

    n, m = len(a), len(b)
    within = (total(a, a) - diagonal(a)) / (n * (n - 1)) + (total(b, b) - diagonal(b)) / (m * (m - 1))
    return within - 2 * total(a, b) / (n * m)


def neighbour_radii(x: Tensor, neighbour: int = 5) -> Tensor:
    """Distance of each point to its k-th nearest other point: ``(N, F) -> (N,)``."""
    # The nearest of all is the point itself.
    nearest = [torch.cdist(part, x).topk(neighbour + 1, largest=False).values[:, -1] for part in x.split(1000)]
    return torch.cat(nearest)


def _covered(points: Tensor, centres: Tensor, radii: Tensor) -> float:
    """Share of points that lie in at least one ball around a centre."""
    inside = [(torch.cdist(part, centres) <= radii).any(1) for part in points.split(1000)]
    return float(torch.cat(inside).double().mean())


def precision_recall(
    generated: Tensor, real: Tensor, neighbour: int = 5, real_radii: Tensor | None = None
) -> tuple[float, float]:
    """Precision and recall by k-nearest-neighbour balls, each in [0, 1], 1 is best.

    Precision is the share of generated points within the real points' balls (are samples real?), recall the
    share of real points within the generated ones' (is everything there?).
    Source: Kynkäänniemi et al., arXiv 1904.06991, equation 1. Their k is 3; with 5, real digits reach 0.94 and
    0.95 against other real digits, which leaves less of the scale unused.
    ``real_radii`` are :func:`neighbour_radii` of the real points, if known already. Clouds ``(N, F)`` and ``(M, F)``.
    """
    radii = neighbour_radii(real, neighbour) if real_radii is None else real_radii
    precision = _covered(generated, real, radii)
    return precision, _covered(real, generated, neighbour_radii(generated, neighbour))


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
