"""Test packed bits against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bgmusic.training.bits import BitSource, unpack


@given(rows=st.integers(1, 5), height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_unpack_equals_numpy(rows: int, height: int, width: int, seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2, (rows, height * width), dtype=np.uint8)
    packed = torch.from_numpy(np.packbits(bits, axis=1))
    for dtype in (torch.float32, torch.uint8, torch.bool):
        unpacked = unpack(packed, (height, width), dtype)
        assert unpacked.dtype == dtype
        np.testing.assert_array_equal(unpacked.numpy(), bits.reshape(rows, height, width))


def test_batches_draw_rows_uniformly_and_reproducibly() -> None:
    bits = np.eye(7, 12, dtype=np.uint8)
    source = BitSource(np.packbits(bits, axis=1), (3, 4))
    assert len(source) == 7
    batch = source.batch(7000, torch.Generator().manual_seed(0))
    assert batch.shape == (7000, 3, 4)
    assert batch.dtype == torch.float32
    drawn = batch.flatten(1).sum(0)[:7]
    assert drawn.sum() == 7000
    assert (drawn - 1000).abs().max() < 5 * 30
    assert torch.equal(batch, source.batch(7000, torch.Generator().manual_seed(0)))
    assert not torch.equal(batch, source.batch(7000, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    "packed",
    [
        np.zeros((0, 2), np.uint8),
        np.zeros((3, 1), np.uint8),
        np.zeros((3, 2), np.int64),
        np.zeros(3, np.uint8),
    ],
)
def test_arrays_that_are_not_packed_bits_are_refused(packed: np.ndarray) -> None:
    with pytest.raises(ValueError, match="packed bits"):
        BitSource(packed, (3, 4))
