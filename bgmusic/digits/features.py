"""A small digit classifier whose last hidden layer is the feature space of the scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.digits.data import load_digits, require_images
from bgmusic.files import data_dir, write_bytes

FEATURES = 128


class Classifier(nn.Module):
    """Classify digits by three strided convolutions and a hidden layer of 128; 98.8% accuracy on the test digits.

    ``forward`` takes float zeros and ones ``(N, 28, 28)`` and returns class logits ``(N, 10)``;
    :meth:`features` returns the hidden layer ``(N, 128)`` after its ReLU, as usual for FID.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(64, 64, 3, stride=2, padding=1)
        self.hidden = nn.Linear(64 * 4 * 4, FEATURES)
        self.classes = nn.Linear(FEATURES, 10)
        self.dropout = nn.Dropout(0.3)

    def features(self, images: Tensor) -> Tensor:
        """Map images ``(N, 28, 28)`` to nonnegative features ``(N, 128)``."""
        x = F.relu(self.conv1(images.unsqueeze(1) * 2 - 1))
        x = self.dropout(F.relu(self.conv2(x)))
        x = self.dropout(F.relu(self.conv3(x)).flatten(1))
        return F.relu(self.hidden(x))

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, 28, 28)`` to class logits ``(N, 10)``."""
        logits: Tensor = self.classes(self.dropout(self.features(images)))
        return logits


def weights_path() -> Path:
    """Return the path of the embedded classifier weights."""
    return data_dir() / "mnist" / "classifier.safetensors"


def load_classifier() -> Classifier:
    """Load the embedded classifier, in evaluation mode."""
    model = Classifier()
    model.load_state_dict({name: value.float() for name, value in load_file(weights_path()).items()})
    return model.eval().requires_grad_(False)


@torch.inference_mode()
def apply_in_batches(function: Callable[[Tensor], Tensor], images: npt.NDArray[np.uint8], batch: int = 1000) -> Tensor:
    """Apply a network to uint8 images ``(N, 28, 28)`` of zeros and ones in batches: float32 ``(N, ...)``.

    Raises:
        TypeError: the images have another dtype.
        ValueError: the images have another shape, or other values.

    """
    require_images(images)
    parts = [function(torch.from_numpy(images[i : i + batch]).float()) for i in range(0, len(images), batch)]
    return torch.cat(parts)


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Augment: shift the whole batch by up to two pixels in each direction."""
    down, right = (int(torch.randint(-2, 3, (1,), generator=generator)) for _ in range(2))
    return torch.roll(images, (down, right), (1, 2))


def train_classifier(
    epochs: int = 8, seed: int = 0, report: Callable[[int, float], None] | None = None
) -> tuple[Classifier, float]:
    """Train the classifier on the training digits, about two minutes on one core.

    Args:
        epochs: passes over the 60,000 training digits.
        seed: seed of the weights, the order of the digits and the augmentation.
        report: called after each epoch with its number (from 1) and mean loss.

    Returns:
        The classifier, and its accuracy on the test digits.

    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Classifier()
    digits = load_digits("train")
    images, labels = digits.images(), torch.from_numpy(digits.labels).long()
    pixels = torch.from_numpy(images)
    batch, total = 100, epochs * len(pixels) // 100
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    for epoch in range(epochs):
        losses = 0.0
        for rows in torch.randperm(len(pixels), generator=generator).split(batch):
            loss = F.cross_entropy(model(_shifted(pixels[rows], generator).float()), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses += float(loss.detach()) * len(rows) / len(pixels)
        if report:
            report(epoch + 1, losses)
    test = load_digits("test")
    predicted = apply_in_batches(model.eval(), test.images()).argmax(1).numpy()
    return model.requires_grad_(False), float((predicted == test.labels).mean())


def save_classifier(model: Classifier, path: str | Path | None = None) -> None:
    """Write the classifier's weights as half-precision safetensors (atomic write)."""
    half = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    write_bytes(path or weights_path(), save(half, {"license": "MIT", "made by": "examples/train_classifier.py"}))
