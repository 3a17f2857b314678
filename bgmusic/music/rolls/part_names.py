"""Match the names of a song's parts to tracks: exact names first, then patterns with wildcards.

Names and patterns are untrusted. Patterns are those of :mod:`fnmatch` (``*``, ``?``, ``[abc]``), which match without
backtracking; their number and length are limited, so matching takes bounded time.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

MAX_PATTERNS = 256  # of a track set
MAX_PATTERN = 80  # characters
_MAX_NAME = 200  # characters of a part's name that are matched
_MAX_NAMES = 4096  # names of a song that are matched to patterns; more are matched exactly only
_WILDCARD = re.compile(r"[*?\[]")


def name_key(name: str) -> str:
    """Return a part's name in the form that is compared: lower case, without surrounding spaces."""
    return name.strip().lower()


def exact_name(name: str) -> str:
    """Return the pattern that matches a name: its wildcards in brackets, and ``*`` for the rest of a long name."""
    pattern = ""
    for character in name_key(name):
        escaped = f"[{character}]" if character in "*?[" else character
        if len(pattern) + len(escaped) >= MAX_PATTERN:
            return pattern + "*"
        pattern += escaped
    return pattern


class NameMatcher:
    """Find the tracks that collect a name.

    Args:
        patterns: the patterns of each track; case is ignored. A pattern also matches itself as a name.
        names: names of each track that are no patterns.

    Raises:
        ValueError: a pattern is too long or malformed, or there are too many.

    """

    def __init__(self, patterns: Sequence[Sequence[str]], names: Sequence[Sequence[str]] = ()) -> None:
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[tuple[int, re.Pattern[str]]] = []
        for track, own in enumerate(names or [()] * len(patterns)):
            for key in dict.fromkeys(map(name_key, (*own, *patterns[track]))):
                self._exact.setdefault(key, []).append(track)
            for key in dict.fromkeys(map(name_key, patterns[track])):
                if _WILDCARD.search(key):
                    self._patterns.append((track, _compile(key)))
        if len(self._patterns) > MAX_PATTERNS:
            raise ValueError(f"{len(self._patterns)} patterns of names, at most {MAX_PATTERNS}")

    def match(self, names: Sequence[str]) -> list[list[int]]:
        """Return the tracks that match each name, best first: those with the exact name, then those with a pattern."""
        known: dict[str, list[int]] = {}
        result = []
        for name in names:
            key = name_key(name[:_MAX_NAME])
            found = known.get(key)
            if found is None:
                found = list(self._exact.get(key, ()))
                if len(known) < _MAX_NAMES:
                    found += [track for track, pattern in self._patterns if pattern.match(key)]
                    known[key] = found
            result.append(found)
        return result

    def ambiguous(self) -> tuple[str, int, int] | None:
        """Return a name without wildcards that two tracks collect, and the tracks; None if there is none."""
        shared = ((name, t[0], t[1]) for name, t in self._exact.items() if len(t) > 1)
        return next((found for found in shared if not _WILDCARD.search(found[0])), None)


def _compile(pattern: str) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern {pattern[:20]!r}... has {len(pattern)} characters, at most {MAX_PATTERN}")
    try:
        return re.compile(fnmatch.translate(pattern))
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is malformed: {error}") from None
