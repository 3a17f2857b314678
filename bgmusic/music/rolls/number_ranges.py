"""Parse the numbers and ranges of a track set's YAML file, such as ``programs: "0-7, 24"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgmusic.errors import UserError


def with_numbers(values: Any, limits: Mapping[str, tuple[int, int]]) -> Any:
    """Parse the ranges of a track set's tracks; leave everything else to validation.

    Args:
        values: untrusted values of a track set.
        limits: the keys of a track that hold ranges, each with its lowest and highest number.

    Raises:
        UserError: a text is no list of ranges, or a number is outside its limits.

    """
    if not isinstance(values, Mapping) or not isinstance(values.get("tracks"), list):
        return values
    tracks = [_parse_track(track, limits) if isinstance(track, Mapping) else track for track in values["tracks"]]
    return {**values, "tracks": tracks}


def _parse_track(track: Mapping[str, Any], limits: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    texts = {key: str(track[key]) for key in limits if isinstance(track.get(key), (str, int))}
    return {**track, **{key: parse_ranges(key, text, *limits[key]) for key, text in texts.items()}}


def parse_ranges(key: str, text: str, lowest: int, highest: int) -> tuple[int, ...]:
    """Parse numbers and ranges such as ``"0-7, 24"``; ``key`` is their name in error messages.

    Raises:
        UserError: the text is no list of ranges, or a number is outside ``lowest`` to ``highest``.

    """
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not (first.isdecimal() and (last or first).isdecimal() and len(part) < 12):
            raise UserError(f"{key} {text[:60]!r}: write numbers and ranges, such as 0-7, 24")
        start, end = int(first), int(last or first)
        if end < start:
            raise UserError(f"{key} {text[:60]!r}: write {part.strip()!r} from low to high, {end}-{start}")
        if not lowest <= start <= end <= highest:
            raise UserError(f"{key} {text[:60]!r}: {part.strip()!r} is not within {lowest} to {highest}")
        numbers.extend(range(start, end + 1))
    return tuple(numbers)


def format_ranges(numbers: tuple[int, ...]) -> str:
    """Write sorted numbers as ``parse_ranges`` reads them: ``"0-7, 24"``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
