"""Splits: assign whole pieces to train, validation or test by a hash of their files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from bgmusic.errors import UserError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
DEFAULT_SHARES = (0.8, 0.1, 0.1)

# Stored in every meta.json, byte for byte; MOVED only if pieces were moved.
RULE = (
    "by piece: the smallest SHA-256 of a group's files, hashed once more, is a number in [0, 1) that falls into "
    "the share of one split; so a piece stays in its split when others join or leave"
)
MOVED = "; moved so that each split with a share has a piece, as long as there are pieces: {} groups"


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
    number = _number(sha256)
    if number < shares[0]:
        return "train"
    return "validation" if number < shares[0] + shares[1] else "test"


def _number(sha256: str) -> float:
    return int.from_bytes(hashlib.sha256(f"split {sha256}".encode()).digest()[:8], "big") / 2**64


def assign_splits(groups: Mapping[int, str], shares: tuple[float, float, float]) -> tuple[dict[int, Split], int]:
    """Assign groups of pieces to splits, so that each split with a share has a group, as long as there are groups.

    Every group goes to the split of its hash (``split_of``). Then each empty split takes a group from the largest
    one: the group whose number is nearest to the split's share. The training set comes first: a single group is in it.

    Args:
        groups: the smallest SHA-256 (hex) of the files of each group.
        shares: shares of train, validation and test.

    Returns:
        The split of each group, and the number of groups that are not in the split of their hash.

    """
    result = {group: split_of(sha256, shares) for group, sha256 in groups.items()}
    moved = 0
    bounds = (0.0, shares[0], shares[0] + shares[1], 1.0)
    for split, share, low, high in zip(SPLITS, shares, bounds, bounds[1:], strict=False):
        members: dict[Split, list[int]] = {name: [] for name in SPLITS}
        for group, name in result.items():
            members[name].append(group)
        largest = max(SPLITS, key=lambda name: len(members[name]))
        if not share or members[split] or len(members[largest]) < (1 if split == "train" else 2):
            continue
        numbers = {group: _number(groups[group]) for group in members[largest]}
        nearest = min(numbers, key=lambda group: (max(low - numbers[group], numbers[group] - high), groups[group]))
        result[nearest] = split
        moved += 1
    return result, moved


def parse_shares(text: str) -> tuple[float, float, float]:
    """Parse three shares such as ``"0.8,0.1,0.1"``.

    Raises:
        UserError: the text is not three numbers that add up to 1.

    """
    try:
        return check_shares(tuple(float(share) for share in text.split(",")))
    except ValueError:
        raise UserError(f"splits {text!r}: write three shares, such as 0.8,0.1,0.1") from None
