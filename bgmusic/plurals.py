"""Write counts in messages: "1 phrase", "2 phrases"."""

from __future__ import annotations


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: ``count_of(1, "phrase")`` is "1 phrase", ``count_of(2, "phrase")`` "2 phrases".

    Args:
        number: the number.
        noun: the noun in the singular; its plural adds an "s".

    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
