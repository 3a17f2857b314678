"""The scorer's eye: a small digit classifier whose last hidden layer is the feature space of all scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.digits.data import load_digits
from bgmusic.files import data_dir, write_bytes

FEATURES = 128


class Classifier(nn.Module):
    """Three strided convolutions, a hidden layer of 128 and ten classes; 98.8% right on the test digits.

    ``forward`` takes float zeros and ones ``(N, 28, 28)`` and returns class logits ``(N, 10)``;
    :meth:`features` returns the hidden layer ``(N, 128)``, after its ReLU, as is usual for FID.
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
        """Features ``(N, 128)`` of images ``(N, 28, 28)``, 0 or more."""
        x = F.relu(self.conv1(images.unsqueeze(1) * 2 - 1))
        x = self.dropout(F.relu(self.conv2(x)))
        x = self.dropout(F.relu(self.conv3(x)).flatten(1))
        return F.relu(self.hidden(x))

    def forward(self, images: Tensor) -> Tensor:
        """Class logits ``(N, 10)`` of images ``(N, 28, 28)``."""
        logits: Tensor = self.classes(self.dropout(self.features(images)))
        return logits


def weights_path() -> str:
    """Where the classifier's weights are shipped."""
    return str(data_dir() / "mnist" / "classifier.safetensors")


def load_classifier() -> Classifier:
    """The shipped classifier, in evaluation mode."""
    model = Classifier()
    model.load_state_dict({name: value.float() for name, value in load_file(weights_path()).items()})
    return model.eval().requires_grad_(False)


@torch.inference_mode()
def apply(function: Callable[[Tensor], Tensor], images: npt.NDArray[np.uint8], batch: int = 1000) -> Tensor:
    """Apply a network to uint8 images ``(N, 28, 28)`` in batches; float32 ``(N, ...)``."""
    parts = [function(torch.from_numpy(images[i : i + batch]).float()) for i in range(0, len(images), batch)]
    return torch.cat(parts)


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift a whole batch by up to two pixels each way: an augmentation that keeps digits digits."""
    down, right = (int(torch.randint(-2, 3, (1,), generator=generator)) for _ in range(2))
    return torch.roll(images, (down, right), (1, 2))


def train_classifier(
    epochs: int = 8, seed: int = 0, report: Callable[[int, float], None] | None = None
) -> tuple[Classifier, float]:
    """Train the classifier on the training digits; returns it with its accuracy on the test digits.

    One core takes about two minutes. ``report`` is called after each epoch with its number and mean loss.
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
    predicted = apply(model.eval(), test.images()).argmax(1).numpy()
    return model.requires_grad_(False), float((predicted == test.labels).mean())


def save_classifier(model: Classifier, path: str | None = None) -> None:
    """Write the classifier's weights as half-precision safetensors, whole or not at all."""
    half = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    write_bytes(path or weights_path(), save(half, {"license": "MIT", "made by": "examples/train_classifier.py"}))
