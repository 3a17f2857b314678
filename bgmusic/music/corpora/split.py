"""Splits: assign whole pieces to train, validation or test by a hash of their files."""

from __future__ import annotations

import hashlib
from typing import Literal

from bgmusic.errors import UserError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
DEFAULT_SHARES = (0.8, 0.1, 0.1)

# Stored in every meta.json, byte for byte.
RULE = (
    "by piece: the smallest SHA-256 of a group's files, hashed once more, is a number in [0, 1) that falls into "
    "the share of one split; so a piece stays in its split when others join or leave"
)


def check_shares(shares: tuple[float, ...]) -> tuple[float, float, float]:
    """Return the shares of train, validation and test, checked.

    Raises:
        UserError: they are not three numbers from 0 to 1 that add up to 1.

    """
    numbers = all(isinstance(share, (int, float)) and 0 <= share <= 1 for share in shares)
    if not numbers or len(shares) != 3 or abs(sum(shares) - 1) > 1e-9:
        raise UserError(f"splits need three shares (train, validation, test) that add up to 1, not {shares}")
    return shares[0], shares[1], shares[2]


def split_of(sha256: str, shares: tuple[float, float, float]) -> Split:
    """Return the split of a group of pieces, given the smallest SHA-256 (hex) of its files."""
    number = int.from_bytes(hashlib.sha256(f"split {sha256}".encode()).digest()[:8], "big") / 2**64
    if number < shares[0]:
        return "train"
    return "validation" if number < shares[0] + shares[1] else "test"


def parse_shares(text: str) -> tuple[float, float, float]:
    """Parse three shares such as ``"0.8,0.1,0.1"``.

    Raises:
        UserError: the text is not three numbers that add up to 1.

    """
    try:
        return check_shares(tuple(float(share) for share in text.split(",")))
    except ValueError:
        raise UserError(f"splits {text!r}: write three shares, such as 0.8,0.1,0.1") from None
