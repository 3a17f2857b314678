"""What all tests share: one thread, and the command line in child processes."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # also of the processes that tests start

import torch

torch.set_num_threads(1)  # the same sums on every machine, and no fight over two cores
