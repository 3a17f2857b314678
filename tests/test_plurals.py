"""Counts in messages."""

from __future__ import annotations

from bgmusic.plurals import count_of


def test_counts_have_the_right_plural() -> None:
    assert [count_of(number, "phrase") for number in (0, 1, 2, 1000)] == [
        "0 phrases",
        "1 phrase",
        "2 phrases",
        "1000 phrases",
    ]
