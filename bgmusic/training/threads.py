"""Limit the threads that torch computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread in this context; then with as many as before.

    Sums then do not depend on the number of cores. And small products are not slowed down: their threads wait for each
    other, a hundred times as long as they compute where other programs keep the cores busy.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
