"""Settings of all tests: one thread, reproducible examples, and the longest file first."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # also of the processes that tests start

import hypothesis
import pytest
import torch

# The same examples on every machine, however slow it is.
hypothesis.settings.register_profile("bgmusic", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bgmusic")

torch.set_num_threads(1)  # reproducible sums, and no contention between test processes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest file first: the snippets of the documentation take minutes."""
    items.sort(key=lambda item: item.path.name != "test_public_api.py")
