"""Test the limit of threads."""

from __future__ import annotations

import pytest
import torch

from bgmusic.training.threads import one_thread


def test_one_thread_is_for_the_context_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="stop"), one_thread():
            raise ValueError("stop")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
